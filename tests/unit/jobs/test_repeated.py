"""What fails is logged, and done again all the same."""

import asyncio
import contextlib

import pytest

from app.errors import UnavailableError
from app.jobs.repeated import Repeated, repeat


async def test_what_fails_is_logged_and_done_again(caplog: pytest.LogCaptureFixture) -> None:
    failures: list[Exception] = [ValueError("a fault"), UnavailableError("the database is away")]
    done = asyncio.Event()

    async def act() -> None:
        if failures:
            raise failures.pop()
        done.set()

    task = asyncio.create_task(repeat(Repeated("sweep", 0.01, act)))
    await asyncio.wait_for(done.wait(), 5)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert [record.getMessage() for record in caplog.records] == [
        "sweep: the database is away",
        "sweep failed",
    ]
