"""The verbs of jobs for those who ask for them and watch them. What runs them is app/jobs/queue.py."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from app.db.queries import load_queries
from app.db.scope import Scope, Transaction
from app.errors import ConflictError, NotFoundError
from app.jobs.models import Job, State
from app.web.paging import Page, decode_cursor, plan_page

QUERIES = load_queries(__file__)


async def defer_job(
    transaction: Transaction,
    *,
    kind: str,
    subject: str,
    args: Mapping[str, Any],
    unit: str,
    lock: str | None,
    created_by: str = "",
) -> str:
    """Put a job in the queue and answer its id; it exists when the caller's transaction commits, else never.

    Runs as steward or owner. Jobs of the same `lock` run one after another, in the order they were deferred.
    `args` are for the handler alone and are never logged or shown; `unit` says what its progress counts.
    """
    parameters = {
        "kind": kind,
        "subject": subject,
        "args": Jsonb(dict(args)),
        "unit": unit,
        "lock": lock,
        "created_by": created_by,
    }
    return str(await transaction.fetch_value(QUERIES["defer_job"], parameters))


async def get_job(scope: Scope, job_id: str) -> Job:
    """One job.

    Raises:
        NotFoundError: no such job, or the id is not one.
    """
    rows = await scope.fetch(Job, QUERIES["get_job"], {"id": _parse_id(job_id)})
    if not rows:
        raise _not_found(job_id)
    return rows[0]


async def list_jobs(
    scope: Scope,
    limit: int,
    cursor: str | None = None,
    *,
    kind: str | None = None,
    state: State | None = None,
) -> Page[Job]:
    """Jobs, newest first.

    Raises:
        InvalidInputError: the cursor is not one of ours.
    """
    before_at, before_id = decode_cursor(cursor, tuple[datetime, UUID]) if cursor else (None, None)
    parameters = {
        "kind": kind,
        "state": state,
        "before_at": before_at,
        "before_id": before_id,
        "limit": limit + 1,
    }
    rows = await scope.fetch(Job, QUERIES["list_jobs"], parameters)
    return plan_page(rows, limit, lambda job: (job.created_at, job.id))


async def cancel_job(scope: Scope, job_id: str) -> Job:
    """A queued job is cancelled at once, a running one when its handler reports next; it may still succeed.

    Raises:
        NotFoundError: no such job.
        ConflictError: it is finished.
    """
    parameters = {"id": _parse_id(job_id)}
    async with scope.begin() as transaction:
        touched = await transaction.execute(QUERIES["cancel_job"], parameters)
        job = await transaction.find_one(Job, QUERIES["get_job"], parameters)
    if job is None:
        raise _not_found(job_id)
    if touched == 0:
        raise ConflictError(f"the job {job.state} already; only one that waits or runs can be cancelled")
    return job


def _parse_id(job_id: str) -> UUID:
    try:
        return UUID(job_id)
    except ValueError as exc:
        raise _not_found(job_id) from exc


def _not_found(job_id: str) -> NotFoundError:
    return NotFoundError(f"no job {job_id[:40]!r}")
