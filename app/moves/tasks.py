"""The background tasks of this capability: `export` and `materialize`."""

from typing import Any

import msgspec

from app.db.scope import Scope
from app.delta.places import Places
from app.jobs.queue import JobContext, Queue
from app.jobs.service import defer_job
from app.moves.export import export
from app.moves.materialize import materialize
from app.moves.models import MovePlan


async def defer_move(scope: Scope, plan: MovePlan) -> str:
    """The id of the job; copies to one target run one after another."""
    async with scope.begin() as transaction:
        return await defer_job(
            transaction,
            kind=plan.kind,
            subject=plan.dataset,
            args=msgspec.to_builtins(plan),
            unit="rows",
            lock=f"copy:{plan.target}",
            created_by=plan.principal,
        )


def register(queue: Queue, places: Places) -> None:
    """Let the queue's worker run this capability's jobs."""

    async def run_export(context: JobContext) -> dict[str, Any]:
        moved = await export(context, places, msgspec.convert(context.args, MovePlan))
        await context.report(moved.rows, moved.rows)
        return dict(msgspec.to_builtins(moved))

    async def run_materialize(context: JobContext) -> dict[str, Any]:
        moved = await materialize(context, places, msgspec.convert(context.args, MovePlan))
        await context.report(moved.rows, moved.rows)
        return dict(msgspec.to_builtins(moved))

    queue.register("export", run_export)
    queue.register("materialize", run_materialize)
