"""The background task of this capability: `index`."""

from typing import Any

import msgspec

from app.jobs.queue import JobContext, Queue
from app.models.embedders import Embedders
from app.vectors.indexing import index_pending
from app.vectors.service import JOB_KIND


def register(queue: Queue, embedders: Embedders) -> None:
    """Let the queue's worker run this capability's jobs."""

    async def run_index(context: JobContext) -> dict[str, Any]:
        indexed = await index_pending(context.database, embedders, context.args["index"], context.report)
        context.database.changes.bump()
        return msgspec.structs.asdict(indexed)

    queue.register(JOB_KIND, run_index)
