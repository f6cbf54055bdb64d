"""A worker that kills itself: `erasure_worker.py <service_dsn> <home> <database_url> <step>:<before|during|after>`.

`before` the step does anything, `during` it (where it has a middle), `after` it did everything and nothing says so yet.
With `-` as the last argument it works until it is killed.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from app.db.database import open_database
from app.jobs.queue import Queue
from app.settings import PoolSettings, Settings
from app.tombstones import erasure_purge, erasure_rewrite, erasure_steps, erasure_tasks


def die(*_: object, **__: object) -> None:
    """As kill -9 does it: nothing of this process' own runs any more."""
    os.kill(os.getpid(), signal.SIGKILL)


def arm(step: str, when: str) -> None:
    """Put the end where it is wanted."""
    run = erasure_steps.RUN[step]

    async def crash(work):
        if when == "before":
            die()
        found = await run(work)
        if when == "after":
            die()
        return found

    erasure_steps.RUN[step] = crash
    if when == "during":
        # in the purge's transaction; between two tables; between the receipt and the end of the working file
        erasure_purge._refuse_chunks = die if step == "purge" else erasure_purge._refuse_chunks
        erasure_tasks.remove_working = die if step == "write_receipt" else erasure_tasks.remove_working
        rewrite_one = erasure_rewrite._rewrite_one

        async def rewrite_and_die(database, name, tick, deadline):
            await rewrite_one(database, name, tick, deadline)
            if name == "vec.people_v1":
                die()

        erasure_rewrite._rewrite_one = rewrite_and_die if step == "rewrite" else rewrite_one


async def main(dsn: str, home: str, database_url: str, crash_at: str) -> None:
    """Work."""
    settings = Settings(home=Path(home), database_url=database_url, pool=PoolSettings(min_size=1, max_size=4))
    if crash_at != "-":
        arm(*crash_at.split(":"))
    database = await open_database(dsn, settings)
    queue = Queue(database)
    erasure_tasks.register(queue, settings)
    await queue.run(exclusive=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
