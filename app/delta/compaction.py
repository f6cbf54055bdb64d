"""Compaction: small files become large ones, and tombstoned rows leave the files. A job, or by schedule."""

from collections.abc import Sequence

import msgspec
import pyarrow as pa

from app.db.database import Database
from app.db.queries import load_queries
from app.db.scope import Scope, Transaction
from app.delta import log
from app.delta.models import BucketDataset, Place, Written
from app.delta.places import Places
from app.delta.service import WRITER, find_bucket_dataset, list_files, lock_writers, pin
from app.errors import ConflictError, NotFoundError
from app.jobs.service import defer_job

QUERIES = load_queries(__file__)
JOB_KIND = "compact"
#: By schedule a dataset is compacted when it has so many files, smaller than this on average, …
MANY_FILES, SMALL_BYTES = 32, 8 * 1024 * 1024
#: … or when a tombstone is so old. Until then it can be undone; whoever asks for a compaction does not wait for that.
UNDO_DAYS = 7


class Compacted(msgspec.Struct, frozen=True):
    """What a compaction did: files before and after, rows that left them, files that left the bucket."""

    dataset: str
    files_before: int
    files: int
    bytes: int
    purged: int
    removed_files: int


class _Due(msgspec.Struct, frozen=True):
    name: str


async def defer_compaction(scope: Scope, dataset: str, created_by: str = "") -> str:
    """The id of the job; `scope` is a steward's.

    Raises:
        NotFoundError: no such dataset.
        ConflictError: its rows are in Postgres, or its files are attached, and so only read.
    """
    async with scope.begin() as transaction:
        await _find(transaction, dataset)
        return await defer_job(
            transaction,
            kind=JOB_KIND,
            subject=dataset,
            args={"dataset": dataset},
            unit="steps",
            lock=f"compact:{dataset}",
            created_by=created_by,
        )


async def defer_due(database: Database) -> None:
    """Compact what has many small files, or tombstones that nobody undid for a week."""
    steward = database.steward()
    parameters = {"many": MANY_FILES, "small": SMALL_BYTES, "days": UNDO_DAYS, "kind": JOB_KIND}
    for due in await steward.fetch(_Due, QUERIES["due_for_compaction"], parameters):
        await defer_compaction(steward, due.name, "schedule")


async def compact(database: Database, places: Places, dataset: str) -> Compacted:
    """Readers see the new files from the commit on; the old ones go when no query can be reading them any more.

    Appends wait for it and it for them; tombstones do neither. One that comes meanwhile stays a tombstone.

    Raises:
        NotFoundError, ConflictError: as `defer_compaction`.
        UnavailableError, DiskFullError: the bucket cannot take it; the dataset is as it was.
    """
    owner = database.owner(timeout_ms=0)
    async with owner.begin(WRITER) as transaction:
        found = await _find(transaction, dataset)
        await lock_writers(transaction, found.dataset_id)
        found = await _find(transaction, dataset)
        assert found.delta_version is not None
        keys: list[str] = await transaction.fetch_values(
            QUERIES["unpurged_keys"], {"dataset_id": found.dataset_id}
        )
        gone = await _gone(places, found, keys)
        pinned, row_key = found.delta_version, found.row_key
        before, written = await places.write(
            found, "compact", lambda place: _rewrite(place, pinned, gone, row_key)
        )
        await pin(transaction, found, written)
        purged = {"dataset_id": found.dataset_id, "keys": keys}
        await transaction.execute(QUERIES["purge_tombstones"], purged)
        journal = {"dataset": dataset, "purged": len(keys), "files": written.files}
        await transaction.execute(QUERIES["append_compaction"], journal)
    removed = await vacuum(database, places, dataset)
    return Compacted(dataset, before.files, written.files, written.bytes, len(keys), removed)


async def vacuum(
    database: Database, places: Places, dataset: str, *, retention_h: int = log.RETENTION_H
) -> int:
    """Remove the files that no query can be reading any more; how many. Writers wait."""
    async with database.owner(timeout_ms=0).begin(WRITER) as transaction:
        found = await _find(transaction, dataset)
        await lock_writers(transaction, found.dataset_id)
        found = await _find(transaction, dataset)
        version = found.delta_version
        assert version is not None
        return await places.write(
            found, "vacuum", lambda place: log.vacuum(place, version, retention_h=retention_h)
        )


async def _find(transaction: Transaction, dataset: str) -> BucketDataset:
    found = await find_bucket_dataset(transaction, dataset)
    if found is None:
        if await transaction.fetch_value(QUERIES["is_dataset"], {"name": dataset}) is None:
            raise NotFoundError(f"no dataset {dataset[:60]!r}")
        raise ConflictError(
            f"the rows of dataset {dataset!r} are in Postgres, which keeps them in order itself"
        )
    if found.format != "delta":
        raise ConflictError(f"the files of dataset {dataset!r} are attached; they are only read here")
    return found


async def _gone(places: Places, dataset: BucketDataset, keys: Sequence[str]) -> pa.Table | None:
    """The keys of rows that are to leave the files, in the type they have there."""
    if not keys or dataset.row_key is None:
        return None
    files = await list_files(places, dataset)
    kind = pa.ipc.read_schema(pa.BufferReader(files.schema)).field(dataset.row_key).type
    return pa.table({dataset.row_key: pa.array(keys, pa.string()).cast(kind)})


def _rewrite(
    place: Place, pinned: int, gone: pa.Table | None, row_key: str | None
) -> tuple[Written, Written]:
    before, version = log.describe(place, pinned), pinned
    if gone is not None and row_key is not None:
        version = log.delete_keys(place, pinned, gone, row_key).version
    return before, log.compact(place, version)
