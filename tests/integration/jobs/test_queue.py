"""Running jobs: progress, cancellation, locks, stops, crashes, and a database that goes away."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from procrastinate.exceptions import ConnectorException
from procrastinate.manager import JobManager
from psycopg import sql

import app
from app.errors import UnavailableError
from app.jobs.context import JobStoppedError
from app.jobs.queue import Queue
from app.jobs.service import cancel_job, defer_job, get_job

CRASH_WORKER = Path(__file__).with_name("crash_worker.py")
ENDS = ("succeeded", "failed", "cancelled")


@asynccontextmanager
async def working(database, handler, *, kind="work", concurrency=2, grace_s=3.0):
    queue = Queue(database, grace_s=grace_s)
    queue.register(kind, handler)
    task = asyncio.create_task(queue.run(concurrency))
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def defer(database, kind="work", lock=None, **args):
    async with database.steward().begin() as transaction:
        return await defer_job(transaction, kind=kind, subject="s", args=args, unit="rows", lock=lock)


async def wait_for(database, job_id, *states, within=20.0):
    """The job once it is in one of `states`; the database may be away meanwhile."""
    deadline = time.monotonic() + within
    job = None
    while time.monotonic() < deadline:
        with contextlib.suppress(UnavailableError):
            job = await get_job(database.steward(), job_id)
            if job.state in states:
                return job
        await asyncio.sleep(0.05)
    raise AssertionError(f"not {states} after {within} s: {job}")


async def test_a_running_job_is_cancelled_at_its_next_report_even_inside_a_task_group(database):
    stopped = []

    async def handler(context):
        async def count():
            for done in range(1_000_000):
                try:
                    await context.report(done)
                except JobStoppedError:
                    stopped.append(done)
                    raise
                await asyncio.sleep(0.01)

        async with asyncio.TaskGroup() as group:
            group.create_task(count())

    job_id = await defer(database)
    async with working(database, handler):
        await wait_for(database, job_id, "running")
        assert (await cancel_job(database.steward(), job_id)).state == "running"
        job = await wait_for(database, job_id, *ENDS, within=5)
    assert stopped
    assert (job.state, job.error) == ("cancelled", None)
    assert job.finished_at is not None


async def test_a_job_that_was_cancelled_while_queued_never_runs(database):
    ran = []

    async def handler(context):
        ran.append(context.args["name"])

    first, second = await defer(database, name="first"), await defer(database, name="second")
    await cancel_job(database.steward(), first)
    async with working(database, handler, concurrency=1):
        await wait_for(database, second, "succeeded")
    assert (await get_job(database.steward(), first)).state == "cancelled"
    assert ran == ["second"]


async def test_jobs_of_one_lock_run_one_after_another_and_others_beside_them(database):
    running, most, order = set(), {}, []

    async def handler(context):
        lock = context.args["lock_name"]
        running.add((lock, context.job_id))
        most[lock] = max(most.get(lock, 0), sum(1 for name, _ in running if name == lock))
        most["all"] = max(most.get("all", 0), len(running))
        order.append((lock, context.args["n"]))
        await asyncio.sleep(0.1)
        running.discard((lock, context.job_id))

    jobs = [await defer(database, lock=name, lock_name=name, n=n) for n in range(3) for name in "ab"]
    began = time.monotonic()
    async with working(database, handler, concurrency=4):
        for job_id in jobs:
            await wait_for(database, job_id, "succeeded")
    took = time.monotonic() - began
    assert took < 1.5  # three times 0.1 s: a successor does not wait for the poll
    assert (most["a"], most["b"], most["all"]) == (1, 1, 2)
    assert [n for name, n in order if name == "a"] == [0, 1, 2]


async def test_progress_is_written_at_most_twice_a_second_with_rate_and_estimate(database):
    async def handler(context):
        for done in range(10_000):
            await context.report(done, 100_000)
            await asyncio.sleep(0.01)

    job_id = await defer(database)
    seen = []
    async with working(database, handler, grace_s=0.1):
        await wait_for(database, job_id, "running")
        for _ in range(80):
            seen.append((await get_job(database.steward(), job_id)).progress)
            await asyncio.sleep(0.025)
    assert 3 <= len({progress.done for progress in seen}) <= 6
    last = seen[-1]
    assert last.rate > 0
    assert last.eta_s == pytest.approx((100_000 - last.done) / last.rate, rel=0.01)


async def test_a_stopped_worker_gives_its_job_back_and_the_next_one_runs_it(database):
    stops = []

    async def slow(context):
        await context.report(4, 9)
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            stops.append(context.attempt)
            raise

    async def fast(context):
        return {"found": context.done}

    job_id = await defer(database)
    async with working(database, slow, grace_s=0.2):
        await wait_for(database, job_id, "running")
        await asyncio.sleep(0.1)
        began = time.monotonic()
    assert time.monotonic() - began < 5
    assert stops == [1]
    between = await get_job(database.steward(), job_id)
    assert (between.state, between.attempts, between.progress.done) == ("queued", 0, 4)
    async with working(database, fast):
        job = await wait_for(database, job_id, "succeeded", within=5)
    assert (job.attempts, job.result) == (1, {"found": 4})


async def test_an_attempt_that_was_overtaken_stops_and_writes_nothing(database, admin):
    """A worker that was silent for long is taken for dead, and wakes up while another runs its job."""
    stopped = asyncio.Event()

    async def handler(context):
        try:
            while True:
                await context.report(context.done + 1)
                await asyncio.sleep(0.1)
        except JobStoppedError:
            stopped.set()
            raise

    job_id = await defer(database)
    async with working(database, handler):
        await wait_for(database, job_id, "running")
        admin.execute("update lakeward.job set attempts = 2, done = 77 where id = %s", [job_id])
        await asyncio.wait_for(stopped.wait(), 5)
        await asyncio.sleep(0.3)
    job = await get_job(database.steward(), job_id)
    assert (job.state, job.attempts, job.progress.done) == ("running", 2, 77)


async def test_a_kind_nobody_knows_waits(database):
    async def handler(context):
        return {}

    unknown, known = await defer(database, "unknown"), await defer(database)
    async with working(database, handler):
        await wait_for(database, known, "succeeded")
    assert (await get_job(database.steward(), unknown)).state == "queued"


async def test_a_job_that_is_not_in_the_queue_is_put_there(database, admin):
    async def handler(context):
        return {}

    job_id = await defer(database, lock="l")
    admin.execute("set search_path to jobs; delete from procrastinate_jobs")
    async with working(database, handler):
        await wait_for(database, job_id, "succeeded", within=5)


async def test_a_job_whose_end_the_queue_was_not_told_is_not_left_with_its_worker(database, monkeypatch):
    """The database was away just then, and the worker is alive: nobody else would ever take the job."""
    finish, failed, ran = JobManager.finish_job, [], []

    async def finish_job(self, *args, **options):
        if not failed:
            failed.append(True)
            raise ConnectorException
        await finish(self, *args, **options)

    async def handler(context):
        ran.append(context.attempt)
        return {}

    monkeypatch.setattr(JobManager, "finish_job", finish_job)
    first = await defer(database, lock="l")
    async with working(database, handler):
        await wait_for(database, first, "succeeded")
        second = await defer(database, lock="l")
        await wait_for(database, second, "succeeded", within=8)
    assert failed
    assert ran == [1, 1]


@pytest.mark.parametrize("kind", ["", "Work", "a" * 41, "a b", "a#b"])
def test_kinds_are_short_words(kind):
    with pytest.raises(ValueError, match="job kind"):
        Queue(None).register(kind, lambda context: None)


def test_a_kind_has_one_handler():
    queue = Queue(None)
    queue.register("work", lambda context: None)
    with pytest.raises(ValueError, match="already"):
        queue.register("work", lambda context: None)


@contextmanager
def worker_process(database, mode, sharing="exclusive"):
    process = subprocess.Popen(
        [sys.executable, str(CRASH_WORKER), database.service_dsn, mode, sharing],
        env={**os.environ, "PYTHONPATH": str(Path(app.__file__).parent.parent)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()  # SIGKILL: nothing of the worker's own runs any more
        process.wait()
        process.stdout.close()


async def kill_in_the_middle(database):
    job_id = await defer(database, "count")
    with worker_process(database, "hang") as process:
        assert await asyncio.to_thread(process.stdout.readline) == "in the middle\n"
    return await get_job(database.steward(), job_id)


async def test_after_kill_9_the_next_exclusive_worker_resumes_at_once(database):
    before = await kill_in_the_middle(database)
    assert (before.state, before.progress.done) == ("running", 2)
    with worker_process(database, "finish"):
        job = await wait_for(database, before.id, "succeeded", within=15)
    assert (job.attempts, job.result) == (2, {"resumed_at": 2})
    assert job.started_at == before.started_at


async def test_after_kill_9_a_shared_worker_resumes_when_the_heartbeat_is_old(database, admin):
    before = await kill_in_the_middle(database)
    admin.execute("update jobs.procrastinate_workers set last_heartbeat = now() - interval '31 seconds'")
    with worker_process(database, "finish", "shared"):
        job = await wait_for(database, before.id, "succeeded", within=15)
    assert (job.attempts, job.result) == (2, {"resumed_at": 2})


async def test_a_shared_worker_leaves_a_live_worker_its_job(database):
    job_id = await defer(database, "count")
    with worker_process(database, "hang") as hanging:
        await asyncio.to_thread(hanging.stdout.readline)
        with worker_process(database, "finish", "shared"):
            await asyncio.sleep(4)
            job = await get_job(database.steward(), job_id)
    assert (job.state, job.attempts) == ("running", 1)


@contextmanager
def database_away(deployed):
    """Nobody can connect to it, and who was connected is no longer."""
    statement = sql.SQL("alter database {} allow_connections {}")
    name = sql.Identifier(deployed.name)
    with deployed.cluster.connect() as connection:
        connection.execute(statement.format(name, sql.SQL("false")))
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [deployed.name]
        )
        try:
            yield
        finally:
            connection.execute(statement.format(name, sql.SQL("true")))


async def test_the_worker_outlives_the_database_going_away(database, deployed):
    """A job ends while the database is away; when it is back that job ends too, and new ones run."""

    async def handler(context):
        await context.report(1)
        await asyncio.sleep(context.args["seconds"])
        return {}

    during = await defer(database, seconds=1)
    async with working(database, handler, grace_s=0.5) as task:
        await wait_for(database, during, "running")
        with database_away(deployed):
            await asyncio.sleep(4)
            assert not task.done()
        await wait_for(database, during, "succeeded", within=30)
        after = await defer(database, seconds=0)
        await wait_for(database, after, "succeeded", within=30)


async def test_a_worker_that_lost_its_side_tasks_starts_again(database, deployed, monkeypatch):
    """procrastinate's monitor is blind without a periodic task: heartbeat and listener would stay dead."""
    monkeypatch.setattr("app.jobs.queue.HEARTBEAT_S", 0.2)
    monkeypatch.setattr("app.jobs.queue.POLL_S", 3600.0)

    async def handler(context):
        return {}

    async with working(database, handler):
        await wait_for(database, await defer(database), "succeeded")
        with database_away(deployed):
            await asyncio.sleep(1.5)
        job_id = None
        while job_id is None:
            with contextlib.suppress(UnavailableError):
                job_id = await defer(database)
        await wait_for(database, job_id, "succeeded", within=20)


async def test_a_stop_while_the_database_is_away_is_a_stop(database, deployed):
    async def handler(context):
        await asyncio.sleep(60)

    job_id = await defer(database)
    async with working(database, handler, grace_s=0.2) as task:
        await wait_for(database, job_id, "running")
        with database_away(deployed):
            await asyncio.sleep(1)
            task.cancel()
            done, _ = await asyncio.wait([task], timeout=30)
    assert done
    assert task.cancelled()
