"""Ingest: a file becomes rows of a dataset, all of it or nothing.

extract (a thread: typed batches) -> load (the same thread: COPY into a load table) -> publish (one transaction: the
load table becomes the dataset's, or its rows do). Until publish commits nobody sees anything; what a crash leaves is
a load table, and `sweep_leftovers` drops it.
"""

import asyncio
import contextlib
import time
from pathlib import Path
from weakref import WeakKeyDictionary

import msgspec
import psycopg
from psycopg.types.json import Jsonb

from app.catalog.models import DatasetRow
from app.catalog.plan import plan_name
from app.catalog.service import QUERIES as CATALOG
from app.catalog.service import find_dataset, list_columns, register_dataset, replace_columns
from app.db.database import Database
from app.db.queries import load_queries
from app.db.scope import Actor, Scope, Transaction
from app.errors import InUseError
from app.ingest import statements
from app.ingest.admission import check_keys, drop_tombstoned, refuse_broken_views
from app.ingest.extract import open_extract
from app.ingest.load import Loaded, load_rows, stored_columns
from app.ingest.plan import LoadPlan, plan_load, plan_row_key
from app.ingest.requests import Ingested, IngestedColumn, IngestPlan

QUERIES = load_queries(__file__)
#: Loads at a time in one process: each holds a few batches and DuckDB's memory limit.
CONCURRENT = 2
#: A semaphore is its event loop's, and a process with several (the tests') has several.
_loads: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


class _File(msgspec.Struct, frozen=True):
    id: int
    rows: int
    rejected: int


async def find_duplicate(database: Database, plan: IngestPlan) -> Ingested | None:
    """The answer for a file that the dataset has already, or None."""
    async with database.owner().begin() as transaction:
        return await _find_duplicate(transaction, plan)


async def ingest(database: Database, plan: IngestPlan) -> Ingested:
    """Load the file at `plan.path` into its dataset.

    Raises:
        InvalidNameError, InvalidInputError, InvalidFileError: the request or the file is not usable.
        ConflictError: the rows do not fit the dataset that is there.
        DuplicateRowKeyError: row keys are missing, or there more than once.
        DiskFullError, UnavailableError: Postgres cannot take the rows.
    """
    plan_name(plan.dataset, "dataset")
    owner = database.owner(Actor(principal=plan.principal, source="ingest"))
    async with _loads.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(CONCURRENT)):
        loaded = await _load(database, plan)
        try:
            # a load is one entry, not one for each row
            async with owner.begin({"lakeward.journal_rows": "off"}) as transaction:
                answer = await _publish(transaction, plan, loaded)
        except BaseException:
            await asyncio.shield(_drop(owner, loaded.table))
            raise
    database.changes.bump()
    return answer


async def _load(database: Database, plan: IngestPlan) -> Loaded:
    async with database.owner().begin() as transaction:
        dataset = await find_dataset(transaction, plan.dataset)
    wanted = plan.row_key or (dataset.row_key if dataset else None)

    def run() -> Loaded:
        with open_extract(
            Path(plan.path), filename=plan.filename, format=plan.format, records_path=plan.records_path
        ) as extract:
            # a row key that is no column is found out before a row is loaded
            row_key = plan_row_key(stored_columns(extract), wanted)
            return load_rows(database.service_dsn, database.deployment.owner_role, extract, row_key)

    return await asyncio.to_thread(run)


async def _drop(owner: Scope, table: str) -> None:
    with contextlib.suppress(Exception):
        async with owner.begin() as transaction:
            await transaction.execute(statements.drop_table(table))


async def _publish(transaction: Transaction, plan: IngestPlan, loaded: Loaded) -> Ingested:
    dataset = await _lock_dataset(transaction, plan.dataset)
    if (duplicate := await _find_duplicate(transaction, plan)) is not None:
        await transaction.execute(statements.drop_table(loaded.table))
        return duplicate
    existing = await list_columns(transaction, dataset.id)
    load_plan = plan_load(dataset, existing, loaded.columns, plan.row_key, plan.disposition)
    loaded, tombstoned = await drop_tombstoned(transaction, dataset, loaded, load_plan)
    types: dict[str, str] = {column.name: column.type for column in existing}
    await check_keys(transaction, dataset, types, loaded, load_plan)
    await _apply(transaction, dataset, types, loaded, load_plan)
    await _record(transaction, dataset, plan, loaded, load_plan)
    return Ingested(
        dataset=dataset.name,
        home="table",
        rows=loaded.rows,
        rejected=loaded.rejected,
        tombstoned=tombstoned,
        content_sha256=plan.content_sha256,
        duplicate=False,
        columns=await _columns(transaction, dataset.name),
    )


async def _lock_dataset(transaction: Transaction, name: str) -> DatasetRow:
    """The dataset, registered when it is new; of two first loads at once one registers, the other waits for it."""
    dataset = await find_dataset(transaction, name, lock=True)
    if dataset is not None:
        return dataset
    try:
        async with transaction.connection.transaction():
            return await register_dataset(transaction, name, "table", None)
    except psycopg.errors.UniqueViolation:
        dataset = await find_dataset(transaction, name, lock=True)
        if dataset is None:
            raise
        return dataset


async def _apply(
    transaction: Transaction,
    dataset: DatasetRow,
    types: dict[str, str],
    loaded: Loaded,
    plan: LoadPlan,
) -> None:
    if plan.step == "replace_table":
        indexes = await transaction.fetch_values(QUERIES["indexes_of"], {"dataset_id": dataset.id})
        if indexes:
            raise InUseError(
                f"the file has other columns than dataset {dataset.name!r}, and the index {', '.join(indexes)} "
                "needs them as they are; delete it first",
                used_by=indexes,
            )
        await refuse_broken_views(transaction, dataset, loaded)
        await transaction.execute(statements.drop_table(dataset.name))
    if plan.step in ("attach", "replace_table"):
        await _attach(transaction, dataset, loaded)
        return
    if plan.step == "append":
        await transaction.execute(statements.append_rows(dataset.name, loaded.table, loaded.columns, types))
    elif plan.step == "replace_rows" and plan.row_key is None:
        await transaction.execute(statements.delete_all(dataset.name))
        await transaction.execute(statements.append_rows(dataset.name, loaded.table, loaded.columns, types))
    else:
        assert plan.row_key is not None
        if plan.step == "replace_rows":
            await transaction.execute(statements.delete_missing(dataset.name, loaded.table, plan.row_key))
        for statement in statements.merge_rows(
            dataset.name, loaded.table, loaded.columns, types, plan.row_key
        ):
            await transaction.execute(statement)
    await transaction.execute(statements.drop_table(loaded.table))


async def _attach(transaction: Transaction, dataset: DatasetRow, loaded: Loaded) -> None:
    await replace_columns(transaction, dataset.id, list(loaded.columns))
    await transaction.execute(
        QUERIES["attach_dataset"], {"dataset_id": dataset.id, "load_table": loaded.table}
    )
    await transaction.execute(QUERIES["rebuild_views"], {"dataset_id": dataset.id})


async def _record(
    transaction: Transaction, dataset: DatasetRow, plan: IngestPlan, loaded: Loaded, load_plan: LoadPlan
) -> None:
    forgotten = {
        "dataset_id": dataset.id,
        "content_sha256": plan.content_sha256,
        "disposition": plan.disposition,
    }
    await transaction.execute(QUERIES["forget_files"], forgotten)
    if load_plan.step in ("attach", "replace_table"):
        rows = loaded.rows
    elif load_plan.step == "append":
        rows = dataset.row_count + loaded.rows
    else:
        rows = await transaction.fetch_value(statements.count_rows(dataset.name))
    source = {
        "kind": "file",
        "filename": plan.filename,
        "content_sha256": plan.content_sha256,
        "rows": loaded.rows,
        "rejected": loaded.rejected,
        "disposition": plan.disposition,
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    await transaction.execute(
        CATALOG["set_loaded"],
        {
            "id": dataset.id,
            "row_count": rows,
            "row_key": load_plan.row_key,
            "lineage": Jsonb([source]),
        },
    )
    file_id: int = await transaction.fetch_value(
        QUERIES["create_file"],
        {**source, "dataset_id": dataset.id, "loaded_by": plan.principal},
    )
    await transaction.execute(QUERIES["append_load"], {"dataset": dataset.name, "source": Jsonb(source)})
    await _keep_rejects(transaction, file_id, loaded)
    if load_plan.step not in ("attach", "replace_table"):
        await transaction.execute(statements.analyze(dataset.name))


async def _keep_rejects(transaction: Transaction, file_id: int, loaded: Loaded) -> None:
    if not loaded.rejects:
        return
    cursor = transaction.connection.cursor()
    async with cursor.copy(
        "copy lakeward.rejected_row (file_id, line, reason, raw) from stdin (format binary)"
    ) as copy:
        copy.set_types(["int8", "int8", "text", "text"])
        for reject in loaded.rejects:
            raw = reject.raw.replace("\0", "\\0")
            await copy.write_row((file_id, reject.line, reject.reason, raw))


async def _find_duplicate(transaction: Transaction, plan: IngestPlan) -> Ingested | None:
    file = await transaction.find_one(
        _File,
        QUERIES["find_file"],
        {
            "dataset": plan.dataset,
            "content_sha256": plan.content_sha256,
            "disposition": plan.disposition,
        },
    )
    if file is None:
        return None
    return Ingested(
        dataset=plan.dataset,
        home="table",
        rows=file.rows,
        rejected=file.rejected,
        content_sha256=plan.content_sha256,
        duplicate=True,
        columns=await _columns(transaction, plan.dataset),
    )


async def _columns(transaction: Transaction, dataset: str) -> list[IngestedColumn]:
    return await transaction.fetch_all(IngestedColumn, QUERIES["loaded_columns"], {"dataset": dataset})
