"""What a handler gets: its arguments, the database, and one verb to say how far it is."""

import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeAlias

import msgspec

from app.db.database import Database
from app.db.scope import Actor
from app.errors import UnavailableError
from app.jobs.progress import Meter
from app.jobs.service import QUERIES

#: At most two writes of progress a second.
REPORT_S = 0.5


class JobStoppedError(Exception):
    """The job was cancelled, or another worker has it now; the handler ends."""


class Attempt(msgspec.Struct, frozen=True):
    """What starting a job answers: the number of this attempt, and what earlier ones left."""

    attempts: int
    args: dict[str, Any]
    done: int
    total: int | None


class JobContext:
    """One attempt at one job. `args` are as deferred; a handler resumes from what the database holds."""

    def __init__(self, database: Database, job_id: str, kind: str, attempt: Attempt) -> None:
        self.database = database
        self.job_id = job_id
        self.kind = kind
        self.args = attempt.args
        self.attempt = attempt.attempts
        self.done = attempt.done
        self.total = attempt.total
        self.stopped = False
        #: It was stopped because somebody cancelled it, and not because another worker has it.
        self.cancelled = False
        self._meter = Meter()
        self._written_at = float("-inf")
        self._completed: int | None = None

    async def report(self, done: int, total: int | None = None) -> None:
        """Say that `done` units are done, of `total` when known, else as said before; as often as you like.

        It writes at most about twice a second, and when `total` is reached. That the database is away is no
        reason to stop: the handler's own work will notice.

        Raises:
            JobStoppedError: the job was cancelled, or taken over by another worker. Let it through.
        """
        now = time.monotonic()
        self.done, self.total = done, self.total if total is None else total
        self._meter.add(now, done)
        complete = done == self.total and done != self._completed
        if self.stopped:
            raise JobStoppedError
        if now - self._written_at < REPORT_S and not complete:
            return
        self._written_at = now
        self._completed = done if complete else None
        await self._write()

    async def tell(self, message: str | None) -> None:
        """Say what the job waits for, as its error while it runs; None: it goes on."""
        error = (
            None if message is None else msgspec.json.encode({"code": "waiting", "message": message}).decode()
        )
        scope = self.database.owner(Actor(principal=f"job:{self.kind}"), timeout_ms=10_000)
        parameters = {"id": self.job_id, "attempt": self.attempt, "error": error}
        with suppress(UnavailableError):
            await scope.fetch_value(QUERIES["tell"], parameters)

    async def _write(self) -> None:
        scope = self.database.owner(Actor(principal=f"job:{self.kind}"), timeout_ms=10_000)
        parameters = {
            "id": self.job_id,
            "attempt": self.attempt,
            "done": self.done,
            "total": self.total,
            "rate": self._meter.rate,
            "eta_s": self._meter.get_eta_s(self.total),
        }
        try:
            cancelled = await scope.fetch_value(QUERIES["report_progress"], parameters)
        except UnavailableError:
            return
        # no row: the job is not this attempt's any more
        if cancelled is not False:
            self.stopped, self.cancelled = True, cancelled is True
            raise JobStoppedError


Handler: TypeAlias = Callable[[JobContext], Awaitable[dict[str, Any] | None]]
