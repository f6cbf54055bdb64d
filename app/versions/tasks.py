"""The background tasks of this capability: `swap` and `rollback`."""

from typing import Any

import msgspec

from app.jobs.queue import JobContext, Queue
from app.models.embedders import Embedders
from app.versions.models import RollbackPlan, SwapPlan
from app.versions.swap import run_rollback, run_swap


def register(queue: Queue, embedders: Embedders) -> None:
    """Let the queue's worker run this capability's jobs."""

    async def swap(context: JobContext) -> dict[str, Any]:
        swapped = await run_swap(context, embedders, msgspec.convert(context.args, SwapPlan))
        return dict(msgspec.to_builtins(swapped))

    async def roll_back(context: JobContext) -> dict[str, Any]:
        swapped = await run_rollback(context, embedders, msgspec.convert(context.args, RollbackPlan))
        return dict(msgspec.to_builtins(swapped))

    queue.register("swap", swap)
    queue.register("rollback", roll_back)
