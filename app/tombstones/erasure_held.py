"""What holds a pattern and is nobody's row: texts that were kept of a load, a job, a question or a caller."""

from collections.abc import Iterable

import msgspec
import numpy as np

from app.db.queries import load_queries
from app.db.scope import Scope, Transaction
from app.tombstones.scan import Scanner, TextScan

QUERIES = load_queries(__file__, "erasure.sql")


class _Asked(msgspec.Struct, frozen=True):
    id: int
    text: str
    vector: list[float] | None


class _Text(msgspec.Struct, frozen=True):
    id: str | int
    text: str


class Held(msgspec.Struct, frozen=True):
    """What holds a pattern and is nobody's row: the ids of rejected rows, of finished jobs and of questions.

    And what callers put on record of themselves: `models`, and `hits` in people's own sessions.
    """

    rejected: list[int]
    jobs: list[str]
    asked: list[int]
    models: list[str]
    hits: list[str]


async def find_held(owner: Scope, scanner: Scanner) -> Held:
    """What there is now."""
    return Held(
        rejected=await find_rejected(owner, scanner),
        jobs=await find_jobs(owner, scanner),
        asked=await find_eval_queries(owner, scanner),
        models=await _find_said(owner, scanner, "audit_models"),
        hits=await _find_said(owner, scanner, "audit_hits"),
    )


async def blank(transaction: Transaction, held: Held) -> int:
    """Take the texts away; how many questions went, of those that were still there."""
    await transaction.execute(QUERIES["blank_rejected"], {"ids": held.rejected})
    await transaction.execute(QUERIES["blank_jobs"], {"ids": held.jobs})
    if held.models or held.hits:
        await transaction.execute(QUERIES["blank_audit"], {"models": held.models, "hits": held.hits})
    return await transaction.execute(QUERIES["drop_eval_queries"], {"ids": held.asked})


async def find_rejected(owner: Scope, scanner: Scanner) -> list[int]:
    """Rejected rows, of any file, that hold one of the patterns."""
    found: list[int] = []
    after = 0
    async with owner.begin() as transaction:
        while rows := await transaction.fetch_all(_Text, QUERIES["rejected_rows"], {"after": after}):
            found += [int(row.id) for row in _holding(scanner, rows)]
            after = int(rows[-1].id)
    return found


async def find_eval_queries(owner: Scope, scanner: Scanner) -> list[int]:
    """Questions of eval sets whose text or vector holds one of the patterns."""
    scan, found, after = TextScan(scanner), [], 0
    async with owner.begin() as transaction:
        while rows := await transaction.fetch_all(_Asked, QUERIES["eval_queries"], {"after": after}):
            after = rows[-1].id
            for row in rows:
                before = scan.found.total()
                for piece in (row.text.encode(), *_vector_bytes(row.vector)):
                    scan.add(piece + b"\0")
                scan.flush()
                if scan.found.total() > before:
                    found.append(row.id)
    return found


def _vector_bytes(vector: list[float] | None) -> list[bytes]:
    """As it lies in the table, and as the index would keep it."""
    if vector is None:
        return []
    with np.errstate(over="ignore"):
        return [np.array(vector, kind).tobytes() for kind in ("<f4", "<f2")]


async def find_jobs(owner: Scope, scanner: Scanner) -> list[str]:
    """Finished jobs whose arguments, error or result hold one of the patterns."""
    async with owner.begin() as transaction:
        rows = await transaction.fetch_all(_Text, QUERIES["job_texts"])
    return [str(row.id) for row in _holding(scanner, rows)]


async def _find_said(owner: Scope, scanner: Scanner, query: str) -> list[str]:
    async with owner.begin() as transaction:
        rows = await transaction.fetch_all(_Text, QUERIES[query])
    return list({row.text for row in _holding(scanner, rows)})


def _holding(scanner: Scanner, rows: Iterable[_Text]) -> list[_Text]:
    scan, holding = TextScan(scanner), []
    for row in rows:
        before = scan.found.total()
        scan.add(row.text.encode() + b"\0")
        scan.flush()
        if scan.found.total() > before:
            holding.append(row)
    return holding
