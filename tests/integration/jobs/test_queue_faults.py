"""Workers that are killed with SIGKILL, and a database that goes away."""

import asyncio
import contextlib
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from procrastinate.manager import JobManager
from psycopg import sql

import app
from app.errors import UnavailableError

CRASH_WORKER = Path(__file__).with_name("crash_worker.py")


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


async def kill_in_the_middle(jobs):
    job_id = await jobs.defer("count")
    with worker_process(jobs.database, "hang") as process:
        assert await asyncio.to_thread(process.stdout.readline) == "in the middle\n"
    return await jobs.get(job_id)


async def test_after_kill_9_the_next_exclusive_worker_resumes_at_once(jobs):
    before = await kill_in_the_middle(jobs)
    assert (before.state, before.progress.done) == ("running", 2)
    with worker_process(jobs.database, "finish"):
        job = await jobs.wait_for(before.id, "succeeded", within=15)
    assert (job.attempts, job.result) == (2, {"resumed_at": 2})
    assert job.started_at == before.started_at


@pytest.mark.slow
async def test_after_kill_9_a_shared_worker_resumes_when_the_heartbeat_is_old(jobs, admin):
    before = await kill_in_the_middle(jobs)
    admin.execute("update jobs.procrastinate_workers set last_heartbeat = now() - interval '31 seconds'")
    with worker_process(jobs.database, "finish", "shared"):
        job = await jobs.wait_for(before.id, "succeeded", within=15)
    assert (job.attempts, job.result) == (2, {"resumed_at": 2})


@pytest.mark.slow
async def test_a_shared_worker_leaves_a_live_worker_its_job(jobs):
    job_id = await jobs.defer("count")
    with worker_process(jobs.database, "hang") as hanging:
        await asyncio.to_thread(hanging.stdout.readline)
        with worker_process(jobs.database, "finish", "shared"):
            await asyncio.sleep(4)
            job = await jobs.get(job_id)
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


async def test_the_worker_outlives_the_database_going_away(jobs, deployed):
    """A job ends while the database is away; when it is back that job ends too, and new ones run."""

    async def handler(context):
        await context.report(1)
        await asyncio.sleep(context.args["seconds"])
        return {}

    during = await jobs.defer(seconds=1)
    async with jobs.working(handler, grace_s=0.5) as task:
        await jobs.wait_for(during, "running")
        with database_away(deployed):
            await asyncio.sleep(4)
            assert not task.done()
        await jobs.wait_for(during, "succeeded", within=30)
        after = await jobs.defer(seconds=0)
        await jobs.wait_for(after, "succeeded", within=30)


async def test_a_worker_that_lost_its_side_tasks_starts_again(jobs, deployed, monkeypatch):
    """procrastinate's monitor is blind without a periodic task: heartbeat and listener would stay dead."""
    monkeypatch.setattr("app.jobs.queue.HEARTBEAT_S", 0.2)
    monkeypatch.setattr("app.jobs.queue.POLL_S", 3600.0)

    async def handler(context):
        return {}

    async with jobs.working(handler):
        await jobs.wait_for(await jobs.defer(), "succeeded")
        with database_away(deployed):
            await asyncio.sleep(1.5)
        job_id = None
        while job_id is None:
            with contextlib.suppress(UnavailableError):
                job_id = await jobs.defer()
        await jobs.wait_for(job_id, "succeeded", within=20)


@pytest.mark.slow
async def test_a_stop_while_the_database_is_away_is_a_stop(jobs, deployed):
    async def handler(context):
        await asyncio.sleep(60)

    job_id = await jobs.defer()
    async with jobs.working(handler, grace_s=0.2) as task:
        await jobs.wait_for(job_id, "running")
        with database_away(deployed):
            await asyncio.sleep(1)
            task.cancel()
            done, _ = await asyncio.wait([task], timeout=30)
    assert done
    assert task.cancelled()


RUBBISH = [
    "",
    "not json",
    "{}",
    "[1]",
    '{"type": 7}',
    '{"type": "abort_job_requested"}',
    "\N{SNOWMAN}" * 2000,
]


async def test_a_notification_of_anybody_stops_nothing(jobs, deployed):
    """Every login may notify every channel: rubbish ends no worker, and a forged abort aborts no job."""
    go = asyncio.Event()
    runs = []

    async def handler(context):
        runs.append(context.attempt)
        await go.wait()

    first = await jobs.defer()
    async with jobs.working(handler, concurrency=1):
        await jobs.wait_for(first, "running")
        with deployed.connect() as reader:
            workers = reader.execute("select id from jobs.procrastinate_workers").fetchall()
            (row,) = reader.execute("select id from jobs.procrastinate_jobs").fetchone()
            forged = f'{{"type": "abort_job_requested", "job_id": {row}}}'
            for payload in [forged, *RUBBISH]:
                reader.execute("select pg_notify('procrastinate_queue_v1#work', %s)", [payload])
                await asyncio.sleep(0.1)
            assert runs == [1]
            go.set()
            second = await jobs.defer()
            assert (await jobs.wait_for(first, "succeeded")).attempts == 1
            assert (await jobs.wait_for(second, "succeeded")).attempts == 1
            assert reader.execute("select id from jobs.procrastinate_workers").fetchall() == workers
    assert runs == [1, 1]


async def test_many_notifications_are_few_fetches(jobs, deployed, monkeypatch):
    fetches = []
    fetch = JobManager.fetch_job

    async def count(self, **options):
        fetches.append(options)
        return await fetch(self, **options)

    monkeypatch.setattr(JobManager, "fetch_job", count)
    async with jobs.working(None):
        await asyncio.sleep(0.5)
        fetches.clear()
        with deployed.connect() as reader:
            for _ in range(2000):
                reader.execute(
                    "select pg_notify('procrastinate_queue_v1#work', %s)",
                    ['{"type": "job_inserted", "job_id": 1}'],
                )
        await asyncio.sleep(0.5)
    assert 1 <= len(fetches) < 100
