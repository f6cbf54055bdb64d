"""Jobs of the test's database: defer, watch, and run them in this process."""

import asyncio
import contextlib
import time
from contextlib import asynccontextmanager

import pytest

from app.errors import UnavailableError
from app.jobs.queue import Queue
from app.jobs.service import cancel_job, defer_job, get_job


class Jobs:
    """The verbs of the tests, as the steward."""

    def __init__(self, database):
        self.database = database

    async def defer(self, kind="work", lock=None, **args):
        async with self.database.steward().begin() as transaction:
            return await defer_job(transaction, kind=kind, subject="s", args=args, unit="rows", lock=lock)

    async def get(self, job_id):
        return await get_job(self.database.steward(), job_id)

    async def cancel(self, job_id):
        return await cancel_job(self.database.steward(), job_id)

    async def wait_for(self, job_id, *states, within=20.0):
        """The job once it is in one of `states`; the database may be away meanwhile."""
        deadline = time.monotonic() + within
        job = None
        while time.monotonic() < deadline:
            with contextlib.suppress(UnavailableError):
                job = await self.get(job_id)
                if job.state in states:
                    return job
            await asyncio.sleep(0.05)
        raise AssertionError(f"not {states} after {within} s: {job}")

    @asynccontextmanager
    async def working(self, handler, *, concurrency=2, grace_s=3.0):
        """A worker in this process; it is stopped at the end."""
        queue = Queue(self.database, grace_s=grace_s)
        queue.register("work", handler)
        task = asyncio.create_task(queue.run(concurrency))
        try:
            yield task
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


@pytest.fixture
def jobs(database):
    return Jobs(database)
