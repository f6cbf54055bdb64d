"""The background task `erasure`: one step after the other, each completed in lakeward.erasure before the next begins.

That row is the checkpoint: after kill -9 the job goes on with the step that was not completed. What it needs of the
subjects once they are purged is in the working file (app/tombstones/working_file.py).
"""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

from psycopg.types.json import Jsonb

from app.db.database import Database
from app.db.queries import load_queries
from app.errors import NotFoundError
from app.jobs.queue import JobContext, Queue
from app.settings import Settings
from app.tombstones.erasure_models import ErasureRow
from app.tombstones.erasure_plan import DRY_STEPS, STEPS, Step, next_step
from app.tombstones.erasure_service import JOB_KIND
from app.tombstones.erasure_steps import RUN, Work, prepare
from app.tombstones.receipt import to_text
from app.tombstones.working_file import remove_working

QUERIES = load_queries(__file__, "erasure.sql")


def register(queue: Queue, settings: Settings) -> None:
    """Let the queue's worker run this capability's jobs."""

    async def run_erasure(context: JobContext) -> dict[str, Any]:
        return await erase(context, settings)

    queue.register(JOB_KIND, run_erasure)


async def erase(context: JobContext, settings: Settings) -> dict[str, Any]:
    """Run the steps that are left. A job that fails before the purge leaves nothing; later, it goes on where it was."""
    erasure_id: str = context.args["erasure"]
    database = context.database
    row = await _get_row(database, erasure_id)
    steps: tuple[Step, ...] = DRY_STEPS if row.dry_run else STEPS

    async def tick() -> None:
        await context.report(context.done, len(steps))

    answer: dict[str, Any] = {"erasure": erasure_id, "dry_run": row.dry_run}
    try:
        while (step := next_step(row.step, dry_run=row.dry_run)) is not None:
            await context.report(steps.index(step), len(steps))
            answer |= await _run_step(await prepare(database, settings, row, tick), step)
            row = await _get_row(database, erasure_id)
    except Exception:
        if (await _get_row(database, erasure_id)).row_key_values is not None:
            await asyncio.to_thread(remove_working, settings.home, erasure_id)
            await _complete(database, erasure_id, "", {})
        raise
    if row.dry_run:
        await _finish_dry(database, erasure_id)
    await asyncio.to_thread(remove_working, settings.home, erasure_id)
    await context.report(len(steps), len(steps))
    return {name: answer[name] for name in ("erasure", "dry_run", "receipt_sha256") if name in answer}


async def _run_step(work: Work, step: Step) -> dict[str, Any]:
    started, clock = datetime.now(UTC), time.monotonic()
    found = await RUN[step](work)
    row = work.row
    took = {"step": step, "at": to_text(started), "ms": round((time.monotonic() - clock) * 1000)}
    times = [past for past in row.found.get("times", []) if past["step"] != step] + [took]
    if step != "write_receipt":
        await _complete(work.database, row.id, step, found | {"times": times})
    return found


async def _get_row(database: Database, erasure_id: str) -> ErasureRow:
    rows = await database.owner().fetch(ErasureRow, QUERIES["erasure_row"], {"id": erasure_id})
    if not rows:
        raise NotFoundError(f"no erasure {erasure_id}")
    return rows[0]


async def _complete(database: Database, erasure_id: str, step: str, found: dict[str, Any]) -> None:
    async with database.owner().begin() as transaction:
        await transaction.execute(
            QUERIES["complete_step"], {"id": erasure_id, "step": step, "found": Jsonb(found)}
        )


async def _finish_dry(database: Database, erasure_id: str) -> None:
    async with database.owner().begin() as transaction:
        parameters = {"id": erasure_id, "step": DRY_STEPS[-1], "found": Jsonb({}), "receipt": None}
        await transaction.execute(QUERIES["finish_erasure"], parameters)
