"""The background task of this capability: `ingest`, for files too large to wait for."""

from pathlib import Path
from typing import Any

import msgspec

from app.db.database import Database
from app.db.scope import Scope
from app.delta.places import Places
from app.errors import InvalidFileError
from app.ingest.requests import IngestPlan
from app.ingest.service import ingest
from app.jobs.queue import JobContext, Queue
from app.jobs.service import defer_job

JOB_KIND = "ingest"


async def defer_ingest(scope: Scope, plan: IngestPlan) -> str:
    """The id of the job that loads the file; loads into one dataset run one after another."""
    async with scope.begin() as transaction:
        return await defer_job(
            transaction,
            kind=JOB_KIND,
            subject=plan.dataset,
            args=msgspec.to_builtins(plan),
            unit="bytes",
            lock=f"ingest:{plan.dataset}",
            created_by=plan.principal,
        )


def register(queue: Queue, places: Places) -> None:
    """Let the queue's worker run this capability's jobs."""

    async def run_ingest(context: JobContext) -> dict[str, Any]:
        plan = msgspec.convert(context.args, IngestPlan)
        path = Path(plan.path)
        if not path.exists():
            raise InvalidFileError(f"the uploaded file is gone from {path.parent}; send it again")
        size = path.stat().st_size
        await context.report(0, size)
        # published or not is one transaction, so there is nothing to report in between, and nothing to cancel after it
        answer = await _ingest(context.database, plan, places)
        path.unlink(missing_ok=True)
        return answer

    queue.register(JOB_KIND, run_ingest)


async def _ingest(database: Database, plan: IngestPlan, places: Places) -> dict[str, Any]:
    answer = await ingest(database, plan, places)
    return {
        "dataset": answer.dataset,
        "rows": answer.rows,
        "rejected": answer.rejected,
        "duplicate": answer.duplicate,
        "content_sha256": answer.content_sha256,
    }
