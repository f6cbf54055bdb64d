"""The background task of this capability: `migrate_buckets`."""

from typing import Any

import msgspec

from app.db.database import Database
from app.db.scope import Actor, Scope
from app.errors import InUseError, InvalidInputError
from app.jobs.queue import JobContext, Queue
from app.jobs.service import defer_job
from app.storage.copying import copy_bucket
from app.storage.faults import find_fault, to_error
from app.storage.keys import check_prefix
from app.storage.models import MigrateRequest
from app.storage.record import QUERIES, journal_object
from app.storage.service import Storage

JOB_KIND = "migrate_buckets"


async def defer_migration(scope: Scope, storage: Storage, request: MigrateRequest, principal: str) -> str:
    """The id of the job that copies; copies into one bucket run one after another.

    Raises:
        NotFoundError: there is no such bucket.
        InvalidInputError: the two are one, or no key begins so.
        InUseError: the objects shall be deleted, and datasets are made of them.
    """
    source, target = storage.buckets.get(request.source), storage.buckets.get(request.target)
    check_prefix(request.prefix)
    if source.url == target.url and source.address.endpoint == target.address.endpoint:
        raise InvalidInputError(f"{request.source!r} and {request.target!r} are the same place")
    if request.delete:
        await _check_unused(scope, request)
    async with scope.begin() as transaction:
        return await defer_job(
            transaction,
            kind=JOB_KIND,
            subject=f"{request.source} to {request.target}",
            args=msgspec.to_builtins(request),
            unit="bytes",
            lock=f"migrate_buckets:{request.target}",
            created_by=principal,
        )


class _Name(msgspec.Struct, frozen=True):
    name: str


async def _check_unused(scope: Scope, request: MigrateRequest) -> None:
    parameters = {"bucket": request.source, "prefix": request.prefix}
    rows = await scope.fetch(_Name, QUERIES["datasets_in"], parameters)
    if rows:
        names = ", ".join(row.name for row in rows)
        raise InUseError(
            f"bucket {request.source!r} holds the rows of {names}; copy without delete, or delete the datasets first"
        )


def register(queue: Queue, storage: Storage) -> None:
    """Let the queue's worker run this capability's jobs."""

    async def run_migration(context: JobContext) -> dict[str, Any]:
        return await _migrate(context, context.database, storage)

    queue.register(JOB_KIND, run_migration)


async def _migrate(context: JobContext, database: Database, storage: Storage) -> dict[str, Any]:
    request = msgspec.convert(context.args, MigrateRequest)
    scope = database.steward(Actor(principal=f"job:{JOB_KIND}", source=f"job:{JOB_KIND}"))
    if request.delete:
        await _check_unused(scope, request)
    source, target = storage.buckets.get(request.source), storage.buckets.get(request.target)
    try:
        done = await copy_bucket(source, target, request.prefix, delete=request.delete, report=context.report)
    except Exception as exc:
        fault = find_fault(exc)
        if fault is None:
            raise
        # which of the two it was its next probe says
        name = request.target if await storage.health.check(request.target, fresh=True) else request.source
        await storage.recorder.append(name, "migrate", fault, request_id=context.job_id)
        raise to_error(fault, name) from None
    answer: dict[str, Any] = msgspec.to_builtins(done)
    await journal_object(
        scope, "migrate_buckets", request.source, request.prefix, {"target": request.target, **answer}
    )
    return answer
