"""What a handler's end becomes: a result, an error, another attempt. Through the real queue."""

import asyncio
import contextlib
import logging

import pytest

from app.errors import InvalidFileError, ProviderError
from app.jobs.queue import Queue
from app.jobs.runner import MAX_STARTS
from app.jobs.service import defer_job, get_job


async def run_one(database, handler, **registration):
    """Defer one job and run it to an end."""
    queue = Queue(database, retry_base_s=0.05)
    queue.register("work", handler, **registration)
    async with database.steward().begin() as transaction:
        args = {"secret": "hunter2"}
        job_id = await defer_job(transaction, kind="work", subject="s", args=args, unit="rows", lock=None)
    task = asyncio.create_task(queue.run())
    try:
        async with asyncio.timeout(20):
            while (job := await get_job(database.steward(), job_id)).finished_at is None:
                await asyncio.sleep(0.05)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    return job


async def test_a_job_runs_with_its_arguments_and_ends_with_its_result(database, caplog):
    caplog.set_level(logging.DEBUG)

    async def handler(context):
        await context.report(3, 10)
        await context.report(10)
        return {"length": len(context.args["secret"]), "kind": context.kind}

    job = await run_one(database, handler)
    assert (job.state, job.attempts) == ("succeeded", 1)
    assert job.result == {"length": 7, "kind": "work"}
    assert (job.progress.done, job.progress.total, job.progress.eta_s) == (10, 10, None)
    assert job.created_at <= job.started_at <= job.finished_at
    assert await database.owner().fetch_value("select count(*) from jobs.procrastinate_jobs") == 0
    assert "hunter2" not in caplog.text


async def test_an_error_of_ours_fails_the_job_with_its_code(database):
    async def handler(context):
        raise InvalidFileError("line 7: bad\0 \ud800")

    job = await run_one(database, handler)
    assert (job.state, job.attempts) == ("failed", 1)
    assert job.error == {"code": "invalid_file", "message": "line 7: bad? ?"}


async def test_any_other_error_is_internal_and_only_the_log_has_it(database, caplog):
    async def handler(context):
        raise ValueError("password=hunter3")

    job = await run_one(database, handler)
    assert (job.state, job.error["code"]) == ("failed", "internal_error")
    assert "hunter3" not in job.error["message"]
    assert "hunter3" in caplog.text


@pytest.mark.parametrize("result", [{"x": object()}, {"x": "a\0b"}])
async def test_a_result_that_cannot_be_kept_fails_the_job(database, result):
    async def handler(context):
        return result

    job = await run_one(database, handler)
    assert (job.state, job.result) == ("failed", None)


async def test_a_transient_error_is_tried_again_and_forgotten_when_it_passes(database):
    seen = []

    async def handler(context):
        seen.append(context.attempt)
        if len(seen) < 3:
            raise ProviderError("the model is away")

    job = await run_one(database, handler)
    assert (job.state, job.attempts, job.error, job.result) == ("succeeded", 3, None, None)
    assert seen == [1, 2, 3]


async def test_a_transient_error_that_stays_fails_the_job_at_the_limit(database):
    async def handler(context):
        raise ProviderError("the model is away")

    job = await run_one(database, handler, max_attempts=2)
    assert (job.state, job.attempts) == ("failed", 2)
    assert job.error == {"code": "provider_failed", "message": "the model is away"}


async def test_a_cancellation_of_the_handlers_own_making_is_a_failure_not_a_stop(database):
    async def handler(context):
        raise asyncio.CancelledError

    job = await run_one(database, handler)
    assert (job.state, job.error["code"]) == ("failed", "internal_error")


async def test_a_job_that_takes_its_worker_down_each_time_is_given_up(database, admin):
    async def handler(context):
        raise AssertionError("it must not run")

    admin.execute(f"alter table lakeward.job alter attempts set default {MAX_STARTS}")
    job = await run_one(database, handler)
    assert job.state == "failed"
    assert str(MAX_STARTS) in job.error["message"]
