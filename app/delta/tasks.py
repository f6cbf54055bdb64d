"""The background tasks of bucket datasets."""

from typing import Any

import msgspec

from app.delta.compaction import JOB_KIND, compact
from app.delta.places import Places
from app.delta.resync import JOB_KIND as RESYNC_KIND
from app.delta.resync import resync
from app.jobs.queue import JobContext, Queue


def register(queue: Queue, places: Places) -> None:
    """Let the queue's worker run this capability's jobs."""

    async def run_compact(context: JobContext) -> dict[str, Any]:
        await context.report(0, 1)
        answer = await compact(context.database, places, context.args["dataset"])
        await context.report(1)
        return dict(msgspec.to_builtins(answer))

    async def run_resync(context: JobContext) -> dict[str, Any]:
        return dict(msgspec.to_builtins(await resync(context, places)))

    queue.register(JOB_KIND, run_compact)
    queue.register(RESYNC_KIND, run_resync)
