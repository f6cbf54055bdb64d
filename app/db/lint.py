"""Governance lints: each file of sql/lint/ is one SELECT over the catalogs that returns what must not be.

The idea is splinter's: a rule is data, in a file of its own, with a title and a reason at its head. Start-up,
the readiness check and `lakeward doctor` run the same rules.
"""

from functools import cache
from itertools import takewhile
from pathlib import Path

import msgspec

from app.db.resources import LINT, LINT_PAGES
from app.db.scope import Scope, Transaction
from app.errors import PolicyViolatedError


class Lint(msgspec.Struct, frozen=True):
    """A rule: `rule` is its file's name, `title` what it finds, `why` what that could do."""

    rule: str
    title: str
    why: str
    statement: bytes

    @property
    def page(self) -> str:
        """Where its page is on this machine: how to see it, how to fix it, when it may be wrong."""
        return str(LINT_PAGES / f"{self.rule}.md")


class Finding(msgspec.Struct, frozen=True):
    """An object that breaks a rule, and how. It names objects and roles, and never shows a row."""

    rule: str
    object: str
    detail: str


@cache
def list_lints(folder: Path = LINT) -> tuple[Lint, ...]:
    """All rules, in the order of their numbers.

    Raises:
        ValueError: a file does not begin with its title and its reason.
    """
    return tuple(_read_lint(path) for path in sorted(folder.glob("[0-9][0-9][0-9][0-9]_*.sql")))


async def run_lints(transaction: Transaction) -> list[Finding]:
    """What breaks a rule now; empty when everything holds. The transaction must be the owner's.

    Any other role sees only its own part of the catalog, and would find nothing wrong with the rest.
    """
    return await transaction.fetch_all(Finding, _one_statement(list_lints()))


def _read_lint(path: Path) -> Lint:
    text = path.read_text()
    comment = takewhile(lambda line: line.startswith("--"), text.splitlines())
    head = [line.removeprefix("--").strip() for line in comment]
    if len(head) < 2 or not head[1].startswith("Why: "):
        raise ValueError(f"{path.name}: the first line is the title, the second begins with 'Why: '")
    return Lint(
        rule=path.stem,
        title=head[0],
        why=" ".join(head[1:]).removeprefix("Why: "),
        statement=text.encode(),
    )


@cache
def _one_statement(lints: tuple[Lint, ...]) -> bytes:
    """All rules in one round trip, so that they see one snapshot."""
    parts = [
        b"select '%s' as rule, f.object, f.detail from (\n%s\n) f" % (lint.rule.encode(), lint.statement)
        for lint in lints
    ]
    return b"\nunion all\n".join(parts) + b"\norder by rule, object, detail"


async def verify(scope: Scope) -> None:
    """Every rule holds; `scope` is the owner's.

    Raises:
        PolicyViolatedError: one does not; the message says which, and `lakeward doctor` shows all.
    """
    async with scope.begin() as transaction:
        findings = await run_lints(transaction)
    if findings:
        first = findings[0]
        page = next(lint.page for lint in list_lints() if lint.rule == first.rule)
        raise PolicyViolatedError(
            f"{len(findings)} governance findings, the first: {first.rule}: {first.object}: {first.detail}; "
            f"what to do: {page}; to see all of them run: lakeward doctor"
        )
