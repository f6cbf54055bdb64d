"""The background task of this capability: `index`, which also refreshes."""

from typing import Any

import msgspec

from app.jobs.queue import JobContext, Queue
from app.models.embedders import Embedders
from app.vectors.indexing import index_pending
from app.vectors.service import JOB_KIND


def register(queue: Queue, embedders: Embedders) -> None:
    """Let the queue's worker run this capability's jobs."""

    async def run_index(context: JobContext) -> dict[str, Any]:
        retry = bool(context.args.get("retry"))
        index = context.args["index"]
        try:
            indexed = await index_pending(
                context.database, embedders, index, context.report, retry=retry, tell=context.tell
            )
        finally:
            # what was written until then can be searched
            context.database.changes.bump()
        return msgspec.structs.asdict(indexed)

    queue.register(JOB_KIND, run_index, waits_for_models=True)
