"""The background tasks of this capability: `trial` and `autotune`."""

from typing import Any

import msgspec

from app.jobs.queue import JobContext, Queue
from app.models.embedders import Embedders
from app.trials.autotune import TunePlan, run_autotune
from app.trials.trial import TrialPlan, run_trial


def register(queue: Queue, embedders: Embedders) -> None:
    """Let the queue's worker run this capability's jobs."""

    async def measure(context: JobContext) -> dict[str, Any]:
        plan = msgspec.convert(context.args, TrialPlan)
        rows = await run_trial(context, embedders, plan)
        return {"index": plan.index, "eval": plan.eval, "measurements": len(rows)}

    async def tune(context: JobContext) -> dict[str, Any]:
        tuned = await run_autotune(context, embedders, msgspec.convert(context.args, TunePlan))
        return dict(msgspec.to_builtins(tuned))

    queue.register("trial", measure, waits_for_models=True)
    queue.register("autotune", tune, waits_for_models=True)
