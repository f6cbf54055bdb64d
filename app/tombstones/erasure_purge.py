"""Step 3 of an erasure: the rows become tombstones and the tombstones lose what they keep, in one transaction.

After it nothing that can be asked knows the subjects; their bytes are still in old row versions, old files and WAL.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from psycopg import sql
from psycopg.types.json import Jsonb

from app.db.database import Database
from app.db.queries import load_queries
from app.db.scope import Actor, Scope, Transaction
from app.errors import ConflictError, InternalError
from app.tombstones.erasure_held import blank, find_held
from app.tombstones.erasure_models import ErasureRow, SearchedIndex
from app.tombstones.scan import Pattern, Scanner, scan_files

QUERIES = load_queries(__file__, "erasure.sql")
#: Uploads that no job waits for and that are younger may be in use by a load that is running.
UPLOAD_IN_USE_S = 600.0
#: Rewritten by every erasure: each of them held something of the subjects.
ALWAYS = ("lakeward.tombstone", "lakeward.erasure")


class Tombstoned(msgspec.Struct, frozen=True):
    """What lakeward.create_tombstones answers."""

    tombstoned: int
    already: int
    missing: int


class Purged(msgspec.Struct, frozen=True):
    """What was taken away, the transaction that did it, and what has to be rewritten now."""

    tombstoned: int
    already: int
    missing: int
    journal_entries: int
    audit_entries: int
    rejected_rows: int
    jobs: int
    eval_queries: int
    xid: str
    lsn: str
    at: str
    rewrite: list[str]


class _Erased(msgspec.Struct, frozen=True):
    entries: int
    audit_entries: int


class _Point(msgspec.Struct, frozen=True):
    xid: str
    lsn: str
    at: str


async def purge(
    database: Database, row: ErasureRow, keys: Sequence[str], patterns: Sequence[Pattern], step: str
) -> Purged:
    """Tombstone what is not tombstoned yet, and purge; the erasure's `step` is completed by the same transaction.

    Raises:
        ConflictError: the dataset is gone, or has another row key than when the erasure was asked for.
        InternalError: a chunk of the subjects is still there.
    """
    owner = database.owner(Actor(principal=row.created_by, source="job:erasure"))
    held = await find_held(owner, Scanner(patterns))
    parameters = {
        "id": row.id,
        "dataset": row.dataset,
        "dataset_id": row.dataset_id,
        "key_column": row.row_key,
        "keys": list(keys),
        "hashes": row.key_hashes,
        "reason": row.reason,
    }
    async with owner.begin() as transaction:
        if not row.row_key:
            raise ConflictError(f"dataset {row.dataset!r} is gone, or has no row key any more")
        tombstoned = await transaction.find_one(Tombstoned, QUERIES["create_tombstones"], parameters)
        assert tombstoned is not None
        indexes = await transaction.fetch_all(SearchedIndex, QUERIES["indexes_over"], parameters)
        await _refuse_chunks(transaction, row, indexes, keys)
        partitions = await transaction.fetch_values(QUERIES["subject_partitions"], parameters)
        said = {"models": held.models, "hits": held.hits}
        partitions += await transaction.fetch_values(QUERIES["audit_partitions"], said)
        await transaction.execute(QUERIES["purge_tombstones"], parameters)
        evals = await blank(transaction, held) + await _forget_relevant(transaction, indexes, keys)
        erased = await transaction.find_one(_Erased, QUERIES["erase_journal"], parameters)
        await transaction.execute(QUERIES["forget_keys"], parameters)
        point = await transaction.find_one(_Point, QUERIES["purge_point"])
        assert erased is not None and point is not None
        purged = Purged(
            **msgspec.structs.asdict(tombstoned),
            journal_entries=erased.entries,
            audit_entries=erased.audit_entries,
            rejected_rows=len(held.rejected),
            jobs=len(held.jobs),
            eval_queries=evals,
            **msgspec.structs.asdict(point),
            rewrite=[
                f"lake.{row.dataset}",
                *(f"vec.{index.name}{part}" for index in indexes for part in ("", "_text", "_pending")),
                *ALWAYS,
                *partitions,
                *_seals(erased),
                *(["lakeward.rejected_row"] if held.rejected else []),
                *(["lakeward.job"] if held.jobs else []),
                *(["lakeward.eval_query"] if evals else []),
            ],
        )
        found = Jsonb({"purged": msgspec.to_builtins(purged)})
        await transaction.execute(QUERIES["complete_step"], {"id": row.id, "step": step, "found": found})
    database.changes.bump()
    return purged


async def purge_late(
    database: Database, row: ErasureRow, keys: Sequence[str], found: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Take out what came on record of the subjects after the purge, by reads that had begun before; None: nothing did.

    Answers `found` with that, and keeps it in the same transaction: the erasure goes on after the purge.
    """
    owner = database.owner(Actor(principal=row.created_by, source="job:erasure"))
    parameters = {"id": row.id, "dataset": row.dataset, "keys": list(keys)}
    async with owner.begin() as transaction:
        partitions = await transaction.fetch_values(QUERIES["subject_partitions"], parameters)
        if not partitions:
            return None
        erased = await transaction.find_one(_Erased, QUERIES["erase_journal"], parameters)
        point = await transaction.find_one(_Point, QUERIES["purge_point"])
        assert erased is not None and point is not None
        if not erased.entries and not erased.audit_entries:
            # hits of other datasets, whose rows have the same keys
            return None
        purged = found["purged"]
        late = {
            "journal_entries": purged["journal_entries"] + erased.entries,
            "audit_entries": purged["audit_entries"] + erased.audit_entries,
            "xid": point.xid,
            "rewrite": list(dict.fromkeys([*purged["rewrite"], *partitions, *_seals(erased)])),
        }
        kept = {**found, "purged": {**purged, **late}}
        await transaction.execute(
            QUERIES["complete_step"], {"id": row.id, "step": "purge", "found": Jsonb(kept)}
        )
    return kept


def _seals(erased: _Erased) -> list[str]:
    return ["lakeward.journal_seal"] if erased.entries else []


async def _refuse_chunks(
    transaction: Transaction, row: ErasureRow, indexes: Sequence[SearchedIndex], keys: Sequence[str]
) -> None:
    """Chunks go by a trigger, in the transaction that deletes their rows; that it did is not taken on trust."""
    for index in indexes:
        statement = sql.SQL("select count(*) from {} where row_key = any(%(keys)s::text[]::{}[])").format(
            sql.Identifier("vec", index.name), sql.SQL(row.key_type)
        )
        left = await transaction.fetch_value(statement, {"keys": list(keys)})
        if left:
            raise InternalError(f"{left} chunks of the erased rows are still in index {index.name!r}")


async def _forget_relevant(
    transaction: Transaction, indexes: Sequence[SearchedIndex], keys: Sequence[str]
) -> int:
    """Eval sets forget the subjects, and trials that have a copy of their vectors end; how many questions that were."""
    names = [index.name for index in indexes]
    await transaction.execute(QUERIES["stop_trials"], {"indexes": names})
    return await transaction.execute(QUERIES["forget_relevant"], {"keys": list(keys), "indexes": names})


async def remove_uploads(owner: Scope, uploads: Path, patterns: Sequence[Pattern]) -> int:
    """Remove uploads that hold a pattern and that nothing will load any more; how many.

    One that a job waits for, or a running load may be reading, stays: the last scan finds it and says so.
    """
    async with owner.begin() as transaction:
        awaited = set(await transaction.fetch_values(QUERIES["awaited_uploads"]))
    old = time.time() - UPLOAD_IN_USE_S
    left = [
        path for path in uploads.glob("*.upload") if str(path) not in awaited and path.stat().st_mtime < old
    ]
    hits = scan_files(Scanner(patterns), left).hits
    for hit in hits:
        Path(hit.path).unlink(missing_ok=True)
    return len(hits)
