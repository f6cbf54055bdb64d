"""The background tasks of this capability: `swap`, `rollback` and `adapter`."""

from typing import Any

import msgspec

from app.jobs.queue import JobContext, Queue
from app.models.embedders import Embedders
from app.versions.adapters import run_adapter
from app.versions.models import AdapterPlan, RollbackPlan, SwapPlan
from app.versions.swap import run_rollback, run_swap


def register(queue: Queue, embedders: Embedders) -> None:
    """Let the queue's worker run this capability's jobs."""

    async def swap(context: JobContext) -> dict[str, Any]:
        swapped = await run_swap(context, embedders, msgspec.convert(context.args, SwapPlan))
        return dict(msgspec.to_builtins(swapped))

    async def roll_back(context: JobContext) -> dict[str, Any]:
        swapped = await run_rollback(context, embedders, msgspec.convert(context.args, RollbackPlan))
        return dict(msgspec.to_builtins(swapped))

    async def learn(context: JobContext) -> dict[str, Any]:
        adapter = await run_adapter(context, embedders, msgspec.convert(context.args, AdapterPlan))
        return dict(msgspec.to_builtins(adapter))

    queue.register("adapter", learn, waits_for_models=True)
    queue.register("swap", swap, waits_for_models=True)
    queue.register("rollback", roll_back, waits_for_models=True)
