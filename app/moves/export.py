"""Export: the rows of a dataset become Parquet files in a bucket, and these a dataset of their own."""

import asyncio
import contextlib

import msgspec

from app.db.database import Database
from app.db.scope import Actor
from app.delta import log as delta_log
from app.delta.copy import stored_schema
from app.delta.folders import begin_folder, hold_folder, remove_orphans
from app.delta.models import BucketDataset, Place, Written
from app.delta.places import Places
from app.delta.service import WRITER, create_bucket_dataset, plan_bucket_dataset
from app.jobs.queue import JobContext
from app.moves.flow import Flow
from app.moves.models import Moved, MovePlan
from app.moves.record import check_free, find_moved, record_copy, register_copy, tombstone_later
from app.moves.source import Source, open_source, read_source


async def export(context: JobContext, places: Places, plan: MovePlan) -> Moved:
    """The dataset's rows as they are in one snapshot, in a folder of their own, seen from the one commit on.

    Whatever ends it before that, nothing of it is seen, and the folder is removed: now, or after a crash by the hourly
    clean-up. A second attempt at a job that had committed answers what the first did.

    Raises:
        NotFoundError, ConflictError: the dataset is gone, or the target's name is taken.
        UnavailableError, DiskFullError: the bucket or Postgres cannot do it now.
        JobStoppedError: the job was cancelled.
    """
    database = context.database
    if (done := await find_moved(database, plan, context.job_id)) is not None:
        return done
    assert plan.bucket is not None
    actor = Actor(principal=plan.principal, source="job:export")
    owner = database.owner(actor)
    target = plan_bucket_dataset(0, plan.target, plan.bucket)
    await begin_folder(owner, target)
    try:
        async with owner.begin(WRITER) as transaction:
            await hold_folder(transaction, target)
            await check_free(transaction, plan.target)
            source = await read_source(database, places, transaction, plan.dataset)
            written = await _write(context, places, source, target)
            copy = await register_copy(transaction, source, plan)
            target = msgspec.structs.replace(target, dataset_id=copy.id, delta_version=written.version)
            await create_bucket_dataset(transaction, target, written)
            tombstoned = await tombstone_later(places, transaction, source, target)
            moved = await record_copy(
                transaction,
                source,
                plan,
                copy,
                job_id=context.job_id,
                rows=written.rows - tombstoned,
                tombstoned=tombstoned,
            )
    except BaseException:
        await asyncio.shield(_remove(database, places, target))
        raise
    database.changes.bump()
    return moved


async def _write(context: JobContext, places: Places, source: Source, target: BucketDataset) -> Written:
    flow, database = Flow(), context.database

    def run(place: Place) -> Written:
        role = database.deployment.owner_role
        try:
            with open_source(database.service_dsn, role, source, stored_schema) as reader:
                return delta_log.create_or_append(place, None, flow.stream(reader), "overwrite")
        except Exception as exc:
            raise flow.reason(exc) from exc

    return await flow.watch(context, source.row_count, places.write(target, "export", run))


async def _remove(database: Database, places: Places, target: BucketDataset) -> None:
    """The folder goes, unless it is a dataset's after all; a failure is the clean-up's."""
    with contextlib.suppress(Exception):
        await remove_orphans(database, places, older_s=0, location=target.location)
