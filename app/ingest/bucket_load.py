"""A load table becomes rows of a bucket dataset: written as the next Delta version, then pinned in one transaction."""

import asyncio
import contextlib

import msgspec
import pyarrow as pa
from psycopg import sql

from app.catalog.models import DatasetRow, StoredColumn
from app.catalog.service import find_dataset, list_columns, replace_columns
from app.db.adbc import open_rows
from app.db.database import Database
from app.db.queries import load_queries
from app.db.scope import Scope, Transaction
from app.delta import log
from app.delta.copy import open_copy, read_scales
from app.delta.find import find_keys
from app.delta.folders import begin_folder, hold_folder
from app.delta.models import BucketDataset, Place, StoredType, Written
from app.delta.places import Places
from app.delta.service import (
    Files,
    Kept,
    create_bucket_dataset,
    file_scales,
    find_bucket_dataset,
    list_files,
    pin,
    plan_bucket_dataset,
)
from app.errors import ConflictError, DuplicateRowKeyError
from app.ingest import statements
from app.ingest.admission import drop_tombstoned, refuse_broken_views
from app.ingest.load import Loaded
from app.ingest.plan import LoadPlan, plan_load
from app.ingest.record import lock_dataset, record_load
from app.ingest.requests import IngestPlan

QUERIES = load_queries(__file__)
#: A copy of a load table waits for the bucket; the rows are on their way as long as that takes.
TIMEOUT_MS = 24 * 60 * 60 * 1000


class Admitted(msgspec.Struct, frozen=True):
    """A load without the rows of tombstoned keys, and how many these were."""

    loaded: Loaded
    tombstoned: int


async def admit(transaction: Transaction, dataset: DatasetRow, plan: IngestPlan, loaded: Loaded) -> Admitted:
    """What of the load may become rows of the dataset, whose row is locked.

    Raises:
        InvalidInputError, ConflictError: the rows do not fit it.
    """
    existing = await list_columns(transaction, dataset.id)
    load_plan = plan_load(dataset, existing, loaded.columns, plan.row_key, plan.disposition, may_add=True)
    loaded, tombstoned = await drop_tombstoned(transaction, dataset, loaded, load_plan)
    return Admitted(loaded, tombstoned)


async def publish_to_bucket(
    database: Database,
    transaction: Transaction,
    places: Places,
    dataset: DatasetRow,
    plan: IngestPlan,
    admitted: Admitted,
) -> None:
    """The rows are the dataset's from the commit on; nobody else writes files of it (lock_writers).

    Its row is locked only when the files are written, so that tombstones do not wait for that.

    Raises:
        ConflictError: the rows do not fit, or the dataset changed since they were admitted.
        DuplicateRowKeyError: a key is there already, and the rows are to be appended.
        UnavailableError, DiskFullError: the bucket cannot take them.
    """
    loaded = admitted.loaded
    current = await find_dataset(transaction, dataset.name)
    if current is None or current.id != dataset.id:
        raise ConflictError(f"dataset {dataset.name!r} was deleted meanwhile; send the file again")
    dataset = current
    target, is_new = await plan_target(transaction, places, dataset, plan.bucket)
    existing = await list_columns(transaction, dataset.id)
    # others may have written since the load was admitted
    load_plan = plan_load(dataset, existing, loaded.columns, plan.row_key, plan.disposition, may_add=True)
    overwrites = load_plan.step in ("attach", "replace_table", "replace_rows")
    types: dict[str, str] = {} if overwrites else {column.name: column.type for column in existing}
    if load_plan.step == "replace_table":
        await refuse_broken_views(transaction, dataset, loaded)
    if is_new:
        await begin_folder(database.owner(), target)
        await hold_folder(transaction, target)
    # what is replaced need not be readable any more: to replace it is how a damaged dataset is mended
    files = None if is_new or overwrites else await list_files(places, target)
    await check_keys(database, files, loaded, types, load_plan)
    written = await write_rows(database, places, target, files, loaded, types, load_plan)
    await lock_dataset(transaction, dataset.name, "bucket")
    if is_new:
        await create_bucket_dataset(transaction, target, written)
    else:
        await pin(transaction, target, written)
    await _update_columns(transaction, dataset, existing, loaded, overwrites=overwrites)
    if overwrites:
        await transaction.execute(QUERIES["purge_gone"], {"dataset_id": dataset.id})
    gone: int = await transaction.fetch_value(QUERIES["count_gone"], {"dataset_id": dataset.id})
    await record_load(transaction, dataset, plan, loaded, load_plan.row_key, written.rows - gone)


async def _update_columns(
    transaction: Transaction,
    dataset: DatasetRow,
    existing: list[StoredColumn],
    loaded: Loaded,
    *,
    overwrites: bool,
) -> None:
    known = {column.name for column in existing}
    columns = [] if overwrites else list(existing)
    columns += [column for column in loaded.columns if overwrites or column.name not in known]
    if [(c.name, c.type) for c in columns] != [(c.name, c.type) for c in existing]:
        await replace_columns(transaction, dataset.id, columns)
    if not existing or columns != existing:
        await transaction.execute(QUERIES["rebuild_views"], {"dataset_id": dataset.id})


async def plan_target(
    transaction: Transaction, places: Places, dataset: DatasetRow, bucket: str | None
) -> tuple[BucketDataset, bool]:
    """The dataset's files, of which nobody else writes any, or the folder of a new one; and whether it is new.

    Raises:
        ConflictError: it is in another bucket, or its files are attached, and so only read.
        UnavailableError: the bucket is not configured.
    """
    found = await find_bucket_dataset(transaction, dataset.name)
    if found is None:
        chosen = bucket or places.default
        places.check(chosen)
        return plan_bucket_dataset(dataset.id, dataset.name, chosen), True
    if bucket not in (None, found.bucket):
        raise ConflictError(f"dataset {dataset.name!r} is in bucket {found.bucket!r}, not {bucket!r}")
    if found.format != "delta":
        raise ConflictError(f"the files of dataset {dataset.name!r} are attached; they are only read here")
    return found, False


async def write_rows(
    database: Database,
    places: Places,
    target: BucketDataset,
    files: Files | None,
    loaded: Loaded,
    types: dict[str, str],
    plan: LoadPlan,
) -> Written:
    """The load's rows as the version after the pinned one; nobody sees it yet.

    Raises:
        DuplicateRowKeyError: a key is there already, and the rows are to be appended.
        ConflictError: a value does not fit the files.
        UnavailableError, DiskFullError: the bucket cannot take them.
    """
    owner = database.deployment.owner_role
    columns = [StoredType(name=c.name, type=types.get(c.name, c.type)) for c in loaded.columns]  # type: ignore[arg-type]
    table = statements.table(loaded.table)
    scales = await asyncio.to_thread(read_scales, database.service_dsn, owner, table, columns)
    if files is not None and plan.step in ("append", "merge"):
        scales |= file_scales(files)

    def run(place: Place) -> Written:
        with open_copy(database.service_dsn, owner, table, columns, scales) as reader:
            rows = Kept(reader)
            try:
                return _write(place, target.delta_version, rows.stream(), plan)
            except Exception as exc:
                if rows.error is not None and not isinstance(rows.error, GeneratorExit):
                    raise rows.error from exc
                raise

    return await places.write(target, "load", run)


def _write(place: Place, pinned: int | None, rows: pa.RecordBatchReader, plan: LoadPlan) -> Written:
    if plan.step == "merge" and pinned is not None:
        assert plan.row_key is not None
        return log.merge(place, pinned, rows, plan.row_key)
    mode: log.Mode = "append" if plan.step == "append" else "overwrite"
    return log.create_or_append(place, pinned, rows, mode)


async def check_keys(
    database: Database, files: Files | None, loaded: Loaded, types: dict[str, str], plan: LoadPlan
) -> None:
    """No row of the load has a key that is in the files already, unless it is to take that row's place.

    Raises:
        ConflictError: the dataset got another row key while the file was being loaded.
        DuplicateRowKeyError: naming some of the keys.
    """
    key = plan.row_key
    if key is not None and key != loaded.row_key:
        raise ConflictError("the row key of the dataset changed meanwhile; send the file again")
    if key is None or plan.step != "append" or files is None:
        return
    statement = sql.SQL("select {}::{}::text as key from {}").format(
        sql.Identifier(key), sql.SQL(types[key]), sql.Identifier(statements.LAKE, loaded.table)
    )

    def run() -> list[str]:
        with open_rows(
            database.service_dsn, database.deployment.owner_role, statement, timeout_ms=TIMEOUT_MS
        ) as reader:
            keys = reader.read_all().column("key")
        return find_keys(files, key, keys, limit=3)

    if clashes := await asyncio.to_thread(run):
        shown = ", ".join(repr(key[:60]) for key in clashes)
        raise DuplicateRowKeyError(
            f"there are rows with these keys already, for example {shown}; use disposition 'merge' to update them"
        )


async def drop_load_table(owner: Scope, table: str) -> None:
    """The load table has done its part; a failure to drop it is the janitor's."""
    with contextlib.suppress(Exception):
        async with owner.begin() as transaction:
            await transaction.execute(statements.drop_table(table))
