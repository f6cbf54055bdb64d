"""A worker process for the tests to kill: `crash_worker.py <service_dsn> <hang|finish> <exclusive|shared>`.

Its job `count` counts to 5 in checkpoints; with `hang` it stops in the middle and says so on standard output.
"""

import asyncio
import sys

from app.db.database import open_database
from app.jobs.queue import Queue
from app.settings import Settings


async def main(dsn, mode, exclusive):
    database = await open_database(dsn, Settings())

    async def count(context):
        start = context.done
        for done in range(start + 1, 6):
            await context.report(done, 5)
            await asyncio.sleep(0.6)  # longer than the throttle, so each report is a checkpoint
            if mode == "hang" and done == 2:
                print("in the middle", flush=True)
                await asyncio.sleep(3600)
        return {"resumed_at": start}

    queue = Queue(database)
    queue.register("count", count)
    await queue.run(exclusive=exclusive)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3] == "exclusive"))
