"""The worker: procrastinate 3.10.0 fetches, locks and retries; nothing outside this module knows of it.

What users see of a job is lakeward.job. The queue's rows hold the job's id and are gone when it is over. A
kind is task and queue in one, so a worker fetches only what it knows; a kind nobody knows waits. Kinds that wait for
models are one lane and all others another, each with places of its own: a model that is away holds up nobody else.
"""

import asyncio
import logging
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from typing import Any, TypeAlias

import procrastinate
import psycopg
from procrastinate.exceptions import ProcrastinateException
from procrastinate.job_context import JobContext as RunningContext
from procrastinate.jobs import Job as QueueRow
from procrastinate.manager import JobManager, get_channel_for_queues
from procrastinate.retry import BaseRetryStrategy, RetryDecision
from procrastinate.worker import Worker
from psycopg.conninfo import make_conninfo
from psycopg_pool import PoolTimeout

from app.db.database import Database
from app.db.pool import KEEPALIVE
from app.errors import LakewardError
from app.jobs.context import Handler, JobContext
from app.jobs.repeated import Repeated, repeat
from app.jobs.runner import Registration, Runner
from app.jobs.service import QUERIES

__all__ = ["Handler", "JobContext", "Queue"]

log = logging.getLogger(__name__)

HEARTBEAT_S = 10.0
#: A worker without a heartbeat for so long is dead, and its jobs are run by others.
DEAD_S = 30.0
RECOVER_S = 15.0
#: New jobs are notified (10 ms); retries and recovered ones are found by polling.
POLL_S = 2.0
#: Notifications within this time of the last one that was acted on are acted on together, at its end.
WAKE_S = 0.02
MAX_RECONNECT_S = 5.0
#: The channel name is `procrastinate_queue_v1#<kind>` and Postgres takes 63 bytes.
_KIND = re.compile(r"[a-z][a-z0-9_]{0,39}")
#: The kinds of each lane.
Lanes: TypeAlias = Collection[Collection[str]]
_EXPECTED = (ProcrastinateException, psycopg.Error, PoolTimeout, OSError, LakewardError)


class _RunAgainError(Exception):
    def __init__(self, delay_s: float) -> None:
        self.delay_s = delay_s
        super().__init__(f"again in {delay_s:.1f} s")


class _Retry(BaseRetryStrategy):
    """Whatever ends an attempt without ending the job puts it back; nothing is ever lost in the queue."""

    def get_retry_decision(self, *, exception: BaseException, job: QueueRow) -> RetryDecision:
        if isinstance(exception, _RunAgainError):
            return RetryDecision(retry_in={"milliseconds": round(exception.delay_s * 1000)})
        if isinstance(exception, asyncio.CancelledError):
            return RetryDecision()
        return RetryDecision(retry_in={"seconds": round(MAX_RECONNECT_S)})


class _Worker(Worker):
    """procrastinate's worker with inner methods replaced; the version is pinned, tests watch over them.

    The watch takes the place of its cron. Without a periodic task the cron ends at once, and with it the
    monitor that stops a worker whose heartbeat or listener failed (`_monitor_side_tasks` waits for the first
    to end). Such a worker would go on without a heartbeat, and others would take its running jobs.

    A notification says that there is something to fetch, and nothing else: every login of the database can send one,
    with any payload. procrastinate parses it, dies of what is not JSON, and aborts the job that it names.

    Each of the `lanes` may have `each` jobs running.
    """

    def __init__(
        self, watch: Callable[["_Worker"], Awaitable[None]], lanes: Lanes, each: int, **options: Any
    ) -> None:
        super().__init__(listen_notify=False, concurrency=each * len(lanes), **options)
        self._watch, self._lanes, self._each = watch, lanes, each
        self._woken, self._woken_at = False, 0.0
        self._waking: asyncio.TimerHandle | None = None

    @property
    def queues(self) -> list[str]:
        """The kinds that are fetched now: those of lanes that have a place free."""
        running = Counter(context.job.queue for context in self._running_jobs.values())
        free = [lane for lane in self._lanes if sum(running[kind] for kind in lane) < self._each]
        return [kind for lane in free for kind in lane]

    @queues.setter
    def queues(self, kinds: object) -> None:
        """Nothing: they follow from the lanes."""

    async def _process_job(self, context: RunningContext) -> None:
        task = asyncio.current_task()
        assert task is not None
        # once its place is free: the next of the same lane or lock need not wait for the poll
        task.add_done_callback(lambda _: self._fetch_again())
        await super()._process_job(context)

    def _start_side_tasks(self) -> list[asyncio.Task[Any]]:
        listener = self.app.connector.listen_notify(
            on_notification=self._on_notification, channels=get_channel_for_queues(self.queues)
        )
        return [*super()._start_side_tasks(), asyncio.create_task(listener, name="listener")]

    async def _on_notification(self, *, channel: str, payload: str) -> None:
        if self._waking is None:
            loop = asyncio.get_running_loop()
            self._waking = loop.call_at(max(loop.time(), self._woken_at + WAKE_S), self._wake)

    def _wake(self) -> None:
        self._waking = None
        self._woken_at = asyncio.get_running_loop().time()
        self._fetch_again()

    def _fetch_again(self) -> None:
        self._woken = True
        self._new_job_event.set()

    async def _fetch_and_process_jobs(self) -> None:
        # procrastinate forgets what it was told during a fetch that finds nothing
        self._woken = True
        while self._woken:
            self._woken = False
            await super()._fetch_and_process_jobs()  # type: ignore[no-untyped-call]

    async def _periodic_deferrer(self) -> None:
        await self._watch(self)

    async def _persist_job_status(self, *args: Any, **options: Any) -> None:
        try:
            await super()._persist_job_status(*args, **options)
        except ProcrastinateException:
            # the row would stay with this live worker for ever; once the worker is gone it is run again
            log.warning("jobs: the queue was not told that an attempt is over; the worker starts again")
            self.stop()  # type: ignore[no-untyped-call]


class Queue:
    """The jobs of a database, and the handlers that run them in this process."""

    def __init__(self, database: Database, *, grace_s: float = 3.0, retry_base_s: float = 2.0) -> None:
        self._database = database
        self._grace_s = grace_s
        self._runner = Runner(database, retry_base_s=retry_base_s)
        self._registrations: dict[str, Registration] = {}
        self._repeated: list[Repeated] = []
        self._left_worker: int | None = None

    def register(
        self, kind: str, handler: Handler, *, max_attempts: int = 3, waits_for_models: bool = False
    ) -> None:
        """Jobs of `kind` are run by `handler`, up to `max_attempts` times if what failed may pass by itself.

        Those of kinds that wait for models, which may be away for long, take no places from the others.
        A handler must be idempotent: after a crash it is called again with the same arguments.

        Raises:
            ValueError: the kind is no lower-case word of at most 40 characters, or has a handler already.
        """
        if not _KIND.fullmatch(kind):
            raise ValueError(f"job kind {kind!r}: use up to 40 of a-z, 0-9 and _")
        if kind in self._registrations:
            raise ValueError(f"job kind {kind!r} is registered already")
        self._registrations[kind] = Registration(kind, handler, max_attempts, waits_for_models)

    def repeat(self, name: str, every_s: float, act: Callable[[], Awaitable[object]]) -> None:
        """While the worker runs, `act` is done every so many seconds, first after as many; what fails is logged.

        It is done by every worker there is, so it must do no harm when two do it at once.
        """
        self._repeated.append(Repeated(name, every_s, act))

    async def run(self, concurrency: int = 2, *, exclusive: bool = False) -> None:
        """Run jobs, `concurrency` of each lane at a time, until cancelled; outlives any absence of the database.

        `exclusive` says that no other process works on this database (the embedded home's lock guarantees
        it): then all jobs that were running before are run at once, instead of when their worker has been
        silent for 30 s. On cancellation running handlers have `grace_s` to end; then they are cancelled, and
        their jobs are queued again for the next worker.
        """
        repeating = [asyncio.create_task(repeat(item), name=item.name) for item in self._repeated]
        try:
            await self._run(concurrency, exclusive=exclusive)
        finally:
            for task in repeating:
                task.cancel()
            await asyncio.gather(*repeating, return_exceptions=True)

    async def _run(self, concurrency: int, *, exclusive: bool) -> None:
        delay_s = 0.1
        while True:
            began = time.monotonic()
            try:
                await self._work(concurrency, exclusive=exclusive)
            except _EXPECTED as exc:
                log.warning("jobs: the worker lost the database (%s)", type(exc).__name__)
            except Exception:
                log.exception("jobs: the worker failed")
            # an error while it stops replaces the cancellation it was stopped by
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise asyncio.CancelledError
            delay_s = 0.1 if time.monotonic() - began > 60 else min(MAX_RECONNECT_S, delay_s * 2)
            await asyncio.sleep(delay_s)

    async def _work(self, concurrency: int, *, exclusive: bool) -> None:
        conninfo = make_conninfo(self._database.service_dsn, **KEEPALIVE)
        # cheaper to wait here than in two pools, whose own attempts grow minutes apart
        async with await psycopg.AsyncConnection.connect(conninfo):
            pass
        await self._database.pool.check()
        queue = self._create_queue(conninfo)
        async with queue.open_async():
            if self._left_worker is not None:
                await queue.job_manager.unregister_worker(self._left_worker)
                self._left_worker = None
            await self._recover(queue.job_manager, exclusive=exclusive)
            worker = self._create_worker(queue, concurrency)
            try:
                await worker.run()  # type: ignore[no-untyped-call]
            finally:
                # still set when it could not say goodbye; its jobs need not wait until it counts as dead
                self._left_worker = worker.worker_id

    def _create_queue(self, conninfo: str) -> procrastinate.App:
        connector = procrastinate.PsycopgConnector(
            conninfo=conninfo,
            kwargs={"options": "-c search_path=jobs"},
            min_size=1,
            max_size=3,
            timeout=3.0,
            name="lakeward-jobs",
        )
        queue = procrastinate.App(connector=connector)
        for registration in self._registrations.values():
            self._add_task(queue, registration)
        return queue

    def _create_worker(self, queue: procrastinate.App, concurrency: int) -> _Worker:
        waiting = {kind for kind, found in self._registrations.items() if found.waits_for_models}
        return _Worker(
            self._watch,
            [lane for lane in (waiting, self._registrations.keys() - waiting) if lane],
            concurrency,
            app=queue,
            fetch_job_polling_interval=POLL_S,
            shutdown_graceful_timeout=self._grace_s,
            update_heartbeat_interval=HEARTBEAT_S,
            stalled_worker_timeout=DEAD_S,
            install_signal_handlers=False,
            delete_jobs="always",
        )

    def _add_task(self, queue: procrastinate.App, registration: Registration) -> None:
        async def run_task(job_id: str) -> None:
            retry_s = await self._runner.run(registration, job_id)
            if retry_s is not None:
                raise _RunAgainError(retry_s)

        queue.task(name=registration.kind, queue=registration.kind, retry=_Retry())(run_task)

    async def _watch(self, worker: _Worker) -> None:
        while True:
            await asyncio.sleep(RECOVER_S)
            await self._recover(worker.app.job_manager, exclusive=False)

    async def _recover(self, manager: JobManager, *, exclusive: bool) -> None:
        """Queue again what dead workers were running, and what waits without being in the queue."""
        if exclusive:
            await manager.prune_stalled_workers(0)
        for row in await manager.get_stalled_jobs(seconds_since_heartbeat=DEAD_S):
            log.warning("jobs: %s is run again, its worker is gone", row.task_kwargs.get("job_id"))
            await _retry(manager, row)
        async with self._database.owner(timeout_ms=10_000).begin() as transaction:
            revived = await transaction.fetch_value(QUERIES["revive_orphans"])
        if revived:
            log.warning("jobs: %d were not in the queue, and are now", revived)


async def _retry(manager: JobManager, row: QueueRow) -> None:
    try:
        await manager.retry_job(row)
    except ProcrastinateException:
        # another worker did it first; had the database gone, the next statement says so
        log.debug("jobs: row %s of the queue is not running any more", row.id)
