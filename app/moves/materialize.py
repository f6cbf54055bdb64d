"""Materialize: the rows of a dataset that are in files become a table in Postgres, and that a dataset of its own."""

import asyncio
from collections.abc import Sequence

import pyarrow as pa

from app.catalog.models import StoredColumn
from app.db.database import Database
from app.db.queries import load_queries
from app.db.scope import Actor
from app.delta.models import StoredType
from app.delta.places import Places
from app.delta.service import WRITER
from app.ingest import statements
from app.ingest.arrow_types import plan_schema
from app.ingest.bucket_load import drop_load_table
from app.ingest.extract import Extract
from app.ingest.load import Loaded, load_rows
from app.ingest.rejects import RejectLog
from app.jobs.queue import JobContext
from app.moves.flow import Flow
from app.moves.models import Moved, MovePlan
from app.moves.record import check_free, find_moved, record_copy, register_copy
from app.moves.source import Source, open_source, read_source

QUERIES = load_queries(__file__)


async def materialize(context: JobContext, places: Places, plan: MovePlan) -> Moved:
    """The rows of the version that is pinned now, without what is tombstoned, as a table; seen from the one commit on.

    Whatever ends it before that, nothing of it is seen; the load table that a crash leaves is dropped at the next
    start. A second attempt at a job that had committed answers what the first did.

    Raises:
        NotFoundError, ConflictError: the dataset is gone, or the target's name is taken.
        DuplicateRowKeyError: the row key has doubles or nulls in the files.
        UnavailableError, DiskFullError: the bucket or Postgres cannot do it now.
        JobStoppedError: the job was cancelled.
    """
    database = context.database
    if (done := await find_moved(database, plan, context.job_id)) is not None:
        return done
    owner = database.owner(Actor(principal=plan.principal, source="job:materialize"))
    async with owner.begin(WRITER) as transaction:
        await check_free(transaction, plan.target)
        source = await read_source(database, places, transaction, plan.dataset)
    loaded = await _load(context, source)
    try:
        async with owner.begin(WRITER) as transaction:
            copy = await register_copy(transaction, source, plan)
            parameters = {"source_id": source.id, "load_table": loaded.table}
            tombstoned = await transaction.fetch_value(QUERIES["drop_tombstoned"], parameters)
            if tombstoned:
                for statement in statements.rewrite_table(loaded.table):
                    await transaction.execute(statement)
            attached = {"dataset_id": copy.id, "load_table": loaded.table}
            await transaction.execute(QUERIES["attach_dataset"], attached)
            moved = await record_copy(
                transaction,
                source,
                plan,
                copy,
                job_id=context.job_id,
                rows=loaded.rows - tombstoned,
                tombstoned=tombstoned,
            )
    except BaseException:
        await asyncio.shield(drop_load_table(owner, loaded.table))
        raise
    database.changes.bump()
    return moved


async def _load(context: JobContext, source: Source) -> Loaded:
    flow = Flow()
    work = asyncio.to_thread(_run, context.database, source, flow)
    return await flow.watch(context, source.row_count, work)


def _run(database: Database, source: Source, flow: Flow) -> Loaded:
    role = database.deployment.owner_role
    columns = tuple(
        StoredColumn(name=column.name, source_name=column.source_name, type=column.type)
        for column in source.columns
    )
    try:
        with open_source(database.service_dsn, role, source, _schema_of) as reader:
            extract = Extract("parquet", columns, reader.schema, flow.batches(reader), RejectLog())
            return load_rows(database.service_dsn, role, extract, source.row_key)
    except Exception as exc:
        raise flow.reason(exc) from exc


def _schema_of(columns: Sequence[StoredType], scales: dict[str, int]) -> pa.Schema:
    return plan_schema(
        tuple(StoredColumn(name=c.name, source_name=c.name, type=c.type) for c in columns), scales
    )
