"""Ingest: a file becomes rows of a dataset, all of it or nothing.

extract (a thread: typed batches) -> load (the same thread: COPY into a load table) -> publish (one transaction: the
load table becomes the dataset's, or its rows do). Until publish commits nobody sees anything; what a crash leaves is
a load table, and `sweep_leftovers` drops it.
"""

import asyncio
from pathlib import Path
from weakref import WeakKeyDictionary

from app.catalog.models import Home
from app.catalog.plan import plan_name
from app.catalog.service import find_dataset
from app.db.database import Database
from app.db.scope import Actor, Scope, Transaction
from app.delta.places import Places
from app.delta.service import WRITER, lock_writers
from app.errors import ConflictError, UnavailableError
from app.ingest import statements
from app.ingest.bucket_load import admit, drop_load_table, publish_to_bucket
from app.ingest.extract import open_extract
from app.ingest.load import Loaded, load_rows, stored_columns
from app.ingest.plan import plan_row_key
from app.ingest.record import find_loaded, loaded_columns, lock_dataset
from app.ingest.requests import Ingested, IngestPlan
from app.ingest.table_load import publish_to_table

#: What a load changes is one entry of the journal, not one for each row.
ONE_ENTRY = {"lakeward.journal_rows": "off"}
#: Loads at a time in one process: each holds a few batches and DuckDB's memory limit.
CONCURRENT = 2
#: A semaphore is its event loop's, and a process with several (the tests') has several.
_loads: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


async def find_duplicate(database: Database, plan: IngestPlan) -> Ingested | None:
    """The answer for a file that the dataset has already, or None."""
    async with database.owner().begin() as transaction:
        return await find_loaded(transaction, plan)


async def ingest(database: Database, plan: IngestPlan, places: Places | None = None) -> Ingested:
    """Load the file at `plan.path` into its dataset; `places` are the buckets, for one whose home is a bucket.

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
            if await _find_home(database, plan) == "table":
                # a load is one entry, not one for each row
                async with owner.begin(ONE_ENTRY) as transaction:
                    answer = await _publish_to_table(transaction, plan, loaded)
            else:
                if places is None:
                    raise UnavailableError("no bucket is configured")
                answer = await _publish_to_bucket(database, owner, places, plan, loaded)
        except BaseException:
            await asyncio.shield(drop_load_table(owner, loaded.table))
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


async def _find_home(database: Database, plan: IngestPlan) -> Home:
    """Where the rows go: where the dataset's are, or where a new one's are to be."""
    async with database.owner().begin() as transaction:
        dataset = await find_dataset(transaction, plan.dataset)
    wanted = plan.home or ("bucket" if plan.bucket else None)
    if dataset is None:
        return wanted or "table"
    if wanted not in (None, dataset.home):
        raise ConflictError(f"the home of dataset {plan.dataset!r} is {dataset.home!r}, not {wanted!r}")
    return dataset.home


async def _publish_to_table(transaction: Transaction, plan: IngestPlan, loaded: Loaded) -> Ingested:
    dataset = await lock_dataset(transaction, plan.dataset, "table")
    if (duplicate := await find_loaded(transaction, plan)) is not None:
        await transaction.execute(statements.drop_table(loaded.table))
        return duplicate
    loaded, tombstoned = await publish_to_table(transaction, dataset, plan, loaded)
    return await _answer(transaction, plan, loaded, "table", tombstoned)


async def _publish_to_bucket(
    database: Database, owner: Scope, places: Places, plan: IngestPlan, loaded: Loaded
) -> Ingested:
    async with owner.begin(ONE_ENTRY) as transaction:
        dataset = await lock_dataset(transaction, plan.dataset, "bucket")
        admitted = await admit(transaction, dataset, plan, loaded)
    # the load table without its tombstoned rows is committed: what reads it for the bucket has another connection
    async with owner.begin(WRITER) as transaction:
        await lock_writers(transaction, dataset.id)
        duplicate = await find_loaded(transaction, plan)
        if duplicate is None:
            await publish_to_bucket(database, transaction, places, dataset, plan, admitted)
            answer = await _answer(transaction, plan, admitted.loaded, "bucket", admitted.tombstoned)
        await transaction.execute(statements.drop_table(loaded.table))
    return duplicate or answer


async def _answer(
    transaction: Transaction, plan: IngestPlan, loaded: Loaded, home: Home, tombstoned: int
) -> Ingested:
    return Ingested(
        dataset=plan.dataset,
        home=home,
        rows=loaded.rows,
        rejected=loaded.rejected,
        tombstoned=tombstoned,
        content_sha256=plan.content_sha256,
        duplicate=False,
        columns=await loaded_columns(transaction, plan.dataset),
    )
