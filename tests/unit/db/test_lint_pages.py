"""Each governance rule has a page, each page a rule, and all of them the same shape."""

import re
from pathlib import Path

import pytest

from app.db.lint import Lint, list_lints
from app.db.resources import LINT_PAGES

HEADINGS = [
    "What it finds",
    "Why it matters",
    "How it comes about",
    "See it",
    "Fix it",
    "When it may be wrong",
]
RULES = [pytest.param(lint, id=lint.rule) for lint in list_lints()]


def parts(page: str) -> dict[str, str]:
    headings = re.split(r"^## (.+)\n", page, flags=re.MULTILINE)[1:]
    return dict(zip(headings[::2], headings[1::2], strict=True))


def test_every_rule_has_a_page_and_every_page_a_rule():
    pages = {path.stem for path in LINT_PAGES.glob("*.md")} - {"README"}
    assert pages == {lint.rule for lint in list_lints()}


@pytest.mark.parametrize("lint", RULES)
def test_a_page_is_short_and_has_every_part(lint: Lint):
    page = Path(lint.page).read_text()
    assert page.splitlines()[0] == f"# {lint.rule}: {lint.title}"
    assert list(parts(page)) == HEADINGS
    assert all(text.strip() for text in parts(page).values())
    assert len(page.splitlines()) <= 50
    assert max(map(len, page.splitlines())) <= 180


@pytest.mark.parametrize("lint", RULES)
def test_it_can_be_seen_and_fixed_by_statements(lint: Lint):
    for heading in ("See it", "Fix it"):
        blocks = re.findall(r"^```sql\n(.*?)^```$", parts(Path(lint.page).read_text())[heading], re.M | re.S)
        assert blocks and all(block.strip().endswith(";") for block in blocks), heading


def test_the_table_names_every_rule():
    rows = re.findall(r"^\| \[(\w+)\]\((\w+)\.md\) \| (.+) \|$", (LINT_PAGES / "README.md").read_text(), re.M)
    assert rows == [(lint.rule, lint.rule, lint.title) for lint in list_lints()]


def test_every_link_leads_somewhere():
    for path in LINT_PAGES.glob("*.md"):
        for target in re.findall(r"\]\(([^)]+)\)", path.read_text()):
            assert (path.parent / target).is_file(), f"{path.name}: {target}"
