"""Named SQL: what is in the file is what is sent."""

import re
from pathlib import Path

import pytest

from app.db.queries import load_queries

APP = Path(__file__).resolve().parents[3] / "app"


def write(folder: Path, text: str) -> str:
    (folder / "queries.sql").write_text(text)
    return str(folder / "service.py")


def test_blocks_by_name(tmp_path: Path):
    text = "-- list_things --\n-- All of them.\nselect 1;\n\n-- get_thing --\nselect '-- not a name --';\n"
    assert load_queries(write(tmp_path, text)) == {
        "list_things": "-- All of them.\nselect 1;",
        "get_thing": "select '-- not a name --';",
    }


def test_what_stands_before_the_first_name_is_a_comment(tmp_path: Path):
    assert load_queries(write(tmp_path, "-- About things.\n-- one --\nselect 1;\n")) == {"one": "select 1;"}


def test_a_name_that_is_there_twice_is_an_error(tmp_path: Path):
    with pytest.raises(ValueError, match="query one is there twice"):
        load_queries(write(tmp_path, "-- one --\nselect 1;\n-- one --\nselect 2;\n"))


@pytest.mark.parametrize(
    "path", sorted(APP.rglob("*.sql")), ids=lambda path: f"{path.parent.name}/{path.name}"
)
def test_every_block_is_sent_by_somebody(path: Path):
    """A statement nobody sends is a statement nobody checks; a name that is not there fails only when it is used."""
    queries = load_queries(str(path), path.name)
    sources = "\n".join(source.read_text() for source in APP.rglob("*.py"))
    assert queries, path
    assert [name for name in queries if f'"{name}"' not in sources] == []


def test_every_query_that_is_named_exists():
    for folder in {path.parent for path in APP.rglob("*.sql")}:
        queries = {name for path in folder.glob("*.sql") for name in load_queries(str(path), path.name)}
        for source in folder.glob("*.py"):
            named = re.findall(r'\bQUERIES\["(\w+)"\]', source.read_text())
            assert set(named) <= queries, source
