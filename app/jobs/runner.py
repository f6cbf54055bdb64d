"""Runs one attempt at one job and writes down what became of it; knows nothing of the queue."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from psycopg.types.json import Jsonb

from app.db.database import Database
from app.db.scope import Scope
from app.errors import InternalError, UnavailableError
from app.jobs.context import Attempt, Handler, JobContext
from app.jobs.outcome import describe_error, plan_outcome
from app.jobs.service import QUERIES

log = logging.getLogger(__name__)
Value = TypeVar("Value")

#: How long a worker tries to write down an outcome while the database is away; after that the job runs again.
PATIENCE_S = 60.0
#: A job that was started this often without an end takes its worker down each time; it is not started again.
MAX_STARTS = 20


class Registration(msgspec.Struct, frozen=True):
    """How jobs of one kind are run."""

    kind: str
    handler: Handler
    max_attempts: int
    waits_for_models: bool = False


class Runner:
    """Jobs of a database, one attempt at a time."""

    def __init__(self, database: Database, *, retry_base_s: float = 2.0) -> None:
        self._database = database
        self._retry_base_s = retry_base_s

    async def run(self, registration: Registration, job_id: str) -> float | None:
        """One attempt: answers None when the job is over, else the seconds until the next attempt.

        Raises:
            asyncio.CancelledError: the worker stops; the job is queued again and this attempt does not count.
            UnavailableError: the database stayed away, so the outcome is not written; the job must run again.
        """
        attempt = await _patiently(lambda: self._start(job_id))
        if attempt is None:
            return None
        context = JobContext(self._database, job_id, registration.kind, attempt)
        if attempt.attempts > MAX_STARTS:
            error = InternalError(f"its worker ended {MAX_STARTS} times while it ran; it is not tried again")
            await self._finish(context, "failed", error=describe_error(error))
            return None
        log.info("job %s (%s): attempt %d", job_id, registration.kind, context.attempt)
        try:
            result = await registration.handler(context)
            await self._finish(context, "succeeded", result=result)
        except asyncio.CancelledError as exc:
            task = asyncio.current_task()
            if task is None or not task.cancelling():  # the handler's own, not the worker's
                return await self._settle(registration, context, exc)
            await self._give_back(context)
            raise
        except Exception as exc:
            return await self._settle(registration, context, exc)
        return None

    async def _start(self, job_id: str) -> Attempt | None:
        async with self._scope().begin() as transaction:
            attempt = await transaction.find_one(Attempt, QUERIES["start_job"], {"id": job_id})
            if attempt is None:
                await transaction.execute(QUERIES["cancel_flagged_job"], {"id": job_id})
            return attempt

    async def _settle(
        self, registration: Registration, context: JobContext, exc: BaseException
    ) -> float | None:
        if context.stopped:
            await self._finish(context, "cancelled")
            return None
        outcome = plan_outcome(exc, context.attempt, registration.max_attempts, self._retry_base_s)
        about = (context.job_id, context.kind, context.attempt, outcome.error["code"])
        traceback = exc if outcome.unexpected else None
        log.warning("job %s (%s): attempt %d failed: %s", *about, exc_info=traceback)
        if outcome.retry_s is None:
            await self._finish(context, "failed", error=outcome.error)
        else:
            await _patiently(lambda: self._requeue(context, given_back=0, error=outcome.error))
        return outcome.retry_s

    async def _finish(
        self,
        context: JobContext,
        state: str,
        *,
        result: dict[str, Any] | None = None,
        error: dict[str, str] | None = None,
    ) -> None:
        parameters = {
            **_position(context),
            "state": state,
            "result": None if result is None else Jsonb(result),
            "error": None if error is None else Jsonb(error),
        }

        async def write() -> None:
            async with self._scope().begin() as transaction:
                await transaction.execute(QUERIES["finish_job"], parameters)

        await _patiently(write)

    async def _give_back(self, context: JobContext) -> None:
        # when this cannot be written the queue starts it again all the same: running is as good as queued
        with contextlib.suppress(UnavailableError, TimeoutError):
            async with asyncio.timeout(3):
                await self._requeue(context, given_back=1, error=None)

    async def _requeue(self, context: JobContext, *, given_back: int, error: dict[str, str] | None) -> None:
        parameters = {
            **_position(context),
            "given_back": given_back,
            "error": None if error is None else Jsonb(error),
        }
        async with self._scope().begin() as transaction:
            await transaction.execute(QUERIES["requeue_job"], parameters)

    def _scope(self) -> Scope:
        return self._database.owner(timeout_ms=10_000)


def _position(context: JobContext) -> dict[str, Any]:
    return {
        "id": context.job_id,
        "attempt": context.attempt,
        "done": context.done,
        "total": context.total,
    }


async def _patiently(call: Callable[[], Awaitable[Value]]) -> Value:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return await call()
        except UnavailableError:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(0.5)
