"""What the catalog says of bucket datasets, put right from the files: rows, columns, bytes."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pyarrow as pa
from psycopg.types.json import Jsonb

from app.catalog.models import StoredColumn
from app.db.queries import load_queries
from app.db.scope import Actor, Scope, Transaction
from app.delta import log
from app.delta.attach import plan_columns
from app.delta.folders import remove_orphans
from app.delta.footers import Footers, find_parquet, read_footers
from app.delta.models import BucketDataset
from app.delta.places import Places, find_place
from app.errors import LakewardError, UnavailableError
from app.jobs.queue import JobContext
from app.jobs.service import defer_job
from app.storage.bucket import Bucket

QUERIES = load_queries(__file__)
JOB_KIND = "resync"


class Change(msgspec.Struct, frozen=True):
    """A value of the catalog that was not what the files say."""

    dataset: str
    field: str
    before: Any
    after: Any


class Failure(msgspec.Struct, frozen=True):
    """A dataset of which the files could not be asked."""

    dataset: str
    reason: str


class Resynced(msgspec.Struct, frozen=True):
    """What was looked at, what was put right, what could not be looked at; and removed folders of none."""

    checked: int
    changed: list[Change]
    failed: list[Failure]
    removed_folders: int


class _Known(BucketDataset, frozen=True, kw_only=True):
    """A bucket dataset with what the catalog says of it."""

    row_count: int
    files: int
    bytes: int
    gone: int
    columns: list[str]


class _Found(msgspec.Struct, frozen=True):
    """What the files say; `arrow_schema` and partitions of attached ones only."""

    version: int | None
    rows: int
    files: int
    columns: list[StoredColumn]
    arrow_schema: bytes | None
    size: int
    partition_columns: list[str] = []


async def defer_resync(scope: Scope, created_by: str) -> str:
    """The id of the job; `scope` is a steward's."""
    async with scope.begin() as transaction:
        return await defer_job(
            transaction,
            kind=JOB_KIND,
            subject="",
            args={},
            unit="datasets",
            lock=JOB_KIND,
            created_by=created_by,
        )


async def resync(context: JobContext, places: Places) -> Resynced:
    """Every bucket dataset's rows, files, bytes and columns as its files have them; no row is read.

    A version that is lost becomes the newest one. Columns that are lost come back unclassified, with the type that the
    files have: what is a time of day or JSON there is text. One dataset that cannot be asked stops no other.
    """
    database = context.database
    owner = database.owner(Actor(source=f"job:{JOB_KIND}"))
    async with owner.begin() as transaction:
        names = await transaction.fetch_values(QUERIES["resync_names"])
    changed: list[Change] = []
    failed: list[Failure] = []
    for done, name in enumerate(names):
        await context.report(done, len(names))
        try:
            changed += await _resync_one(owner, places, name)
        except LakewardError as exc:
            failed.append(Failure(name, exc.message))
    if changed:
        database.changes.bump()
    removed = await remove_orphans(database, places)
    await context.report(len(names), len(names))
    return Resynced(len(names), changed, failed, removed)


async def _resync_one(owner: Scope, places: Places, name: str) -> list[Change]:
    async with owner.begin() as transaction:
        known = await _find(transaction, name)
    if known is None:
        return []
    answer = await places.read(known.bucket, known.location, "resync", lambda bucket: _ask(bucket, known))
    if answer.rescue_used:
        raise UnavailableError(f"bucket {known.bucket!r} does not answer; its rescue bucket was not asked")
    async with owner.begin() as transaction:
        # neither a load nor a tombstone comes between what is read here and what is written
        await transaction.execute(QUERIES["lock_dataset_row"], {"name": name})
        current = await _find(transaction, name)
        if current is None or current.delta_version != known.delta_version:
            # written meanwhile, and so right
            return []
        changes = plan_changes(current, answer.value)
        if changes:
            await _apply(transaction, current, answer.value, changes)
        return changes


async def _find(transaction: Transaction, name: str) -> _Known | None:
    return await transaction.find_one(_Known, QUERIES["resync_dataset"], {"name": name})


def plan_changes(known: _Known, found: _Found) -> list[Change]:
    """What is to be put right; rows that have tombstones are in the files and do not count."""
    lost = [column.name for column in found.columns if column.name not in known.columns]
    pairs: list[tuple[str, Any, Any]] = [
        ("delta_version", known.delta_version, found.version),
        ("row_count", known.row_count, found.rows - known.gone),
        ("files", known.files, found.files),
        ("bytes", known.bytes, found.size),
        ("columns", known.columns, [*known.columns, *lost]),
    ]
    if known.format == "parquet":
        pairs.append(("partition_columns", known.partition_columns, found.partition_columns))
        if known.arrow_schema != found.arrow_schema:
            pairs.append(("schema", _names(known.arrow_schema), _names(found.arrow_schema)))
    return [
        Change(known.name, field, before, after)
        for field, before, after in pairs
        if before != after or field == "schema"
    ]


def _names(schema: bytes | None) -> list[str]:
    try:
        return [] if schema is None else list(pa.ipc.read_schema(pa.BufferReader(schema)).names)
    except (pa.ArrowException, OSError):
        return []


async def _apply(transaction: Transaction, known: _Known, found: _Found, changes: Sequence[Change]) -> None:
    lost = [column for column in found.columns if column.name not in known.columns]
    of = {"dataset_id": known.dataset_id}
    places: dict[str, Any] = {
        "version": found.version,
        "rows": found.rows - known.gone,
        "files": found.files,
        "bytes": found.size,
        "arrow_schema": found.arrow_schema,
        "partition_columns": found.partition_columns,
    }
    await transaction.execute(QUERIES["resync_files"], of | places)
    await transaction.execute(QUERIES["resync_rows"], of | places)
    if lost:
        names = {"names": [column.name for column in lost], "types": [column.type for column in lost]}
        await transaction.execute(QUERIES["add_columns"], of | names)
        await transaction.execute(QUERIES["rebuild_views"], of)
    entry = {change.field: [change.before, change.after] for change in changes}
    await transaction.execute(QUERIES["append_resync"], {"dataset": known.name, "changes": Jsonb(entry)})


def _ask(bucket: Bucket, dataset: BucketDataset) -> _Found:
    if dataset.format == "parquet":
        files = find_parquet(bucket.store, dataset.location)
        return _of_footers(read_footers(bucket.store, dataset.location, files))
    place = find_place(bucket, dataset.location)
    version = log.find_version(place) if dataset.delta_version is None else dataset.delta_version
    written = log.describe(place, version)
    _, schema = log.list_files(place, version)
    footers = Footers(
        schema=schema, files=written.files, rows=written.rows, bytes=written.bytes, partitions={}
    )
    return msgspec.structs.replace(_of_footers(footers), version=version, arrow_schema=None)


def _of_footers(footers: Footers) -> _Found:
    return _Found(
        version=None,
        rows=footers.rows,
        files=footers.files,
        size=footers.bytes,
        columns=plan_columns(footers),
        arrow_schema=footers.schema.serialize().to_pybytes(),
        partition_columns=list(footers.partitions),
    )
