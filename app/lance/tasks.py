"""The background task `lance`: one copy's sync. Which copies need one is looked up every few seconds."""

from pathlib import Path
from typing import Any

import msgspec
from psycopg import sql

from app.db.database import Database
from app.db.queries import load_queries
from app.jobs.queue import JobContext, Queue
from app.jobs.service import defer_job
from app.lance.extra import is_installed
from app.lance.folder import Folder
from app.lance.models import IndexCopy
from app.lance.read import chunks_of
from app.lance.sync import erase, find_valid, sync

QUERIES = load_queries(__file__)
JOB_KIND = "lance"
#: Until then chunks that are new are searched in Postgres, beside the copy.
EVERY_S = 15.0
#: A copy with so many chunks that are gone, or this share of it, is synced for that alone.
GONE, GONE_SHARE = 1_000, 0.1


class _Counts(msgspec.Struct, frozen=True):
    largest: int
    chunks: int


def register(queue: Queue, database: Database, home: Path) -> None:
    """Let the queue's worker sync copies, and look for those that need it."""
    folder = Folder(home)

    async def run_sync(context: JobContext) -> dict[str, Any]:
        await context.report(0, 1)
        synced = await sync(context.database, folder, context.args["table_name"])
        context.database.changes.bump()
        await context.report(1, 1)
        return msgspec.structs.asdict(synced)

    queue.register(JOB_KIND, run_sync)
    queue.repeat("lance", EVERY_S, lambda: defer_due(database, folder))


async def defer_due(database: Database, folder: Folder) -> list[str]:
    """Defer the sync of every copy that needs one and does not wait for it; remove those of indexes that are gone."""
    if folder.list_copies():
        await erase(database, folder, [])
    if not is_installed():
        return []
    owner, deferred = database.owner(timeout_ms=30_000), []
    for index in await owner.fetch(IndexCopy, QUERIES["wanted_indexes"]):
        if await _is_due(database, folder, index):
            async with owner.begin() as transaction:
                if await transaction.fetch_value(QUERIES["is_waiting"], {"name": index.name}):
                    continue
                await defer_job(
                    transaction,
                    kind=JOB_KIND,
                    subject=index.name,
                    args={"table_name": index.table_name},
                    unit="copies",
                    lock=f"{JOB_KIND}:{index.table_name}",
                )
            deferred.append(index.table_name)
    return deferred


async def _is_due(database: Database, folder: Folder, index: IndexCopy) -> bool:
    marker = find_valid(folder, index)
    statement = sql.SQL("select coalesce(max(chunk_id), 0) as largest, count(*) as chunks from {}").format(
        chunks_of(index.table_name)
    )
    [counts] = await database.owner(timeout_ms=30_000).fetch(_Counts, statement)
    if marker is None:
        return counts.chunks > 0
    gone = marker.rows - counts.chunks
    return counts.largest > marker.synced_to or gone > max(GONE, marker.rows * GONE_SHARE)
