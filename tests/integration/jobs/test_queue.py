"""Running jobs: progress, cancellation, locks, stops, and a queue that follows from the catalog."""

import asyncio
import contextlib
import time

import pytest
from procrastinate.exceptions import ConnectorException
from procrastinate.manager import JobManager

from app.jobs.context import JobStoppedError
from app.jobs.queue import Queue
from app.models.embedders import Embedders
from app.models.fake import FakeEmbedder
from app.settings import Settings
from app.worker import build_queue

ENDS = ("succeeded", "failed", "cancelled")


async def test_a_running_job_is_cancelled_at_its_next_report_even_inside_a_task_group(jobs):
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

    job_id = await jobs.defer()
    async with jobs.working(handler):
        await jobs.wait_for(job_id, "running")
        assert (await jobs.cancel(job_id)).state == "running"
        job = await jobs.wait_for(job_id, *ENDS, within=5)
    assert stopped
    assert (job.state, job.error) == ("cancelled", None)
    assert job.finished_at is not None


async def test_a_job_that_was_cancelled_while_queued_never_runs(jobs):
    ran = []

    async def handler(context):
        ran.append(context.args["name"])

    first, second = await jobs.defer(name="first"), await jobs.defer(name="second")
    await jobs.cancel(first)
    async with jobs.working(handler, concurrency=1):
        await jobs.wait_for(second, "succeeded")
    assert (await jobs.get(first)).state == "cancelled"
    assert ran == ["second"]


async def test_a_job_that_was_cancelled_while_its_worker_was_dead_does_not_run_again(jobs, admin):
    ran = []

    async def handler(context):
        ran.append(context.job_id)

    job_id = await jobs.defer()
    admin.execute("update lakeward.job set state = 'running', attempts = 1 where id = %s", [job_id])
    assert (await jobs.cancel(job_id)).state == "running"
    async with jobs.working(handler):
        job = await jobs.wait_for(job_id, *ENDS)
    assert (job.state, ran) == ("cancelled", [])


async def test_jobs_of_one_lock_run_one_after_another_and_others_beside_them(jobs, monkeypatch):
    """With the poll out of the way: a successor starts because its predecessor ended."""
    monkeypatch.setattr("app.jobs.queue.POLL_S", 3600.0)
    running, most, order = set(), {}, []

    async def handler(context):
        lock = context.args["lock_name"]
        running.add((lock, context.job_id))
        most[lock] = max(most.get(lock, 0), sum(1 for name, _ in running if name == lock))
        most["all"] = max(most.get("all", 0), len(running))
        order.append((lock, context.args["n"]))
        await asyncio.sleep(0.1)
        running.discard((lock, context.job_id))

    ids = [await jobs.defer(lock=name, lock_name=name, n=n) for n in range(3) for name in "ab"]
    async with jobs.working(handler, concurrency=4):
        for job_id in ids:
            await jobs.wait_for(job_id, "succeeded")
    assert (most["a"], most["b"], most["all"]) == (1, 1, 2)
    assert [n for name, n in order if name == "a"] == [0, 1, 2]


async def test_progress_is_written_at_most_twice_a_second_with_rate_and_estimate(jobs):
    async def handler(context):
        for done in range(10_000):
            await context.report(done, 100_000)
            await asyncio.sleep(0.01)

    job_id = await jobs.defer()
    seen = []
    async with jobs.working(handler, grace_s=0.1):
        await jobs.wait_for(job_id, "running")
        for _ in range(80):
            seen.append((await jobs.get(job_id)).progress)
            await asyncio.sleep(0.025)
    assert 2 <= len({progress.done for progress in seen}) <= 6
    last = seen[-1]
    assert last.rate > 0
    assert last.eta_s == pytest.approx((100_000 - last.done) / last.rate, rel=0.01)


async def test_a_stopped_worker_gives_its_job_back_and_the_next_one_runs_it(jobs):
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

    job_id = await jobs.defer()
    async with jobs.working(slow, grace_s=0.2):
        await jobs.wait_for(job_id, "running")
        await asyncio.sleep(0.1)
        began = time.monotonic()
    assert time.monotonic() - began < 5
    assert stops == [1]
    between = await jobs.get(job_id)
    assert (between.state, between.attempts, between.progress.done) == ("queued", 0, 4)
    async with jobs.working(fast):
        job = await jobs.wait_for(job_id, "succeeded", within=5)
    assert (job.attempts, job.result) == (1, {"found": 4})


async def test_an_attempt_that_was_overtaken_stops_and_writes_nothing(jobs, admin):
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

    job_id = await jobs.defer()
    async with jobs.working(handler):
        await jobs.wait_for(job_id, "running")
        admin.execute("update lakeward.job set attempts = 2, done = 77 where id = %s", [job_id])
        await asyncio.wait_for(stopped.wait(), 5)
        await asyncio.sleep(0.3)
    job = await jobs.get(job_id)
    assert (job.state, job.attempts, job.progress.done) == ("running", 2, 77)


async def test_a_kind_nobody_knows_waits(jobs):
    async def handler(context):
        return {}

    unknown, known = await jobs.defer("unknown"), await jobs.defer()
    async with jobs.working(handler):
        await jobs.wait_for(known, "succeeded")
    assert (await jobs.get(unknown)).state == "queued"


async def test_a_job_that_is_not_in_the_queue_is_put_there(jobs, admin):
    async def handler(context):
        return {}

    job_id = await jobs.defer(lock="l")
    admin.execute("set search_path to jobs; delete from procrastinate_jobs")
    async with jobs.working(handler):
        await jobs.wait_for(job_id, "succeeded", within=5)


async def test_a_job_whose_end_the_queue_was_not_told_is_not_left_with_its_worker(jobs, monkeypatch):
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
    first = await jobs.defer(lock="l")
    async with jobs.working(handler):
        await jobs.wait_for(first, "succeeded")
        second = await jobs.defer(lock="l")
        await jobs.wait_for(second, "succeeded", within=8)
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


async def test_what_a_running_job_waits_for_is_seen_while_it_does(jobs):
    seen = []

    async def handler(context):
        for message in ("waiting for the model: status 500", None):
            await context.tell(message)
            job = await jobs.get(context.job_id)
            seen.append((job.state, job.error["message"] if job.error else None))

    job_id = await jobs.defer()
    async with jobs.working(handler):
        assert (await jobs.wait_for(job_id, *ENDS)).error is None
    assert seen == [("running", "waiting for the model: status 500"), ("running", None)]


async def test_jobs_that_wait_for_a_model_hold_up_no_others(jobs, monkeypatch):
    """With the poll out of the way: what has a place runs at once, and who waits for one gets it once it is free."""
    monkeypatch.setattr("app.jobs.queue.POLL_S", 3600.0)
    back, running, most = asyncio.Event(), set(), []

    async def wait_for_model(context):
        running.add(context.job_id)
        most.append(len(running))
        await back.wait()
        running.discard(context.job_id)

    async def erase(context):
        return {}

    queue = Queue(jobs.database)
    queue.register("index", wait_for_model, waits_for_models=True)
    queue.register("erasure", erase)
    indexing = [await jobs.defer("index") for _ in range(8)]
    worker = asyncio.create_task(queue.run())
    try:
        for job_id in indexing[:2]:
            await jobs.wait_for(job_id, "running")
        for _ in range(5):
            erasure = await jobs.defer("erasure")
            await jobs.wait_for(erasure, "succeeded", within=3)
        assert [(await jobs.get(job_id)).state for job_id in indexing[2:]] == ["queued"] * 6
        back.set()
        for job_id in indexing:
            await jobs.wait_for(job_id, "succeeded", within=10)
    finally:
        worker.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await worker
    assert max(most) == 2


def test_the_kinds_that_wait_for_models_are_those_that_embed():
    queue = build_queue(None, Embedders(FakeEmbedder()), Settings(), None)
    waiting = {kind for kind, found in queue._registrations.items() if found.waits_for_models}
    assert waiting == {"index", "trial", "autotune", "adapter", "swap", "rollback"}
    assert {"erasure", "ingest", "lance"} <= queue._registrations.keys()
