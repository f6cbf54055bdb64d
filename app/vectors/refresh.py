"""Refreshing indexes: what came or changed is embedded, at once when it is little, else by a job; by hand or by policy.

What has to be embedded is known at any time: the rows in vec.<index>_pending (sql/30_track_rows.sql).
"""

import asyncio
import time

import msgspec

from app.db.database import Database
from app.db.queries import load_queries
from app.db.scope import Scope, Transaction
from app.errors import NotFoundError
from app.jobs.service import defer_job
from app.models.embedders import Embedders
from app.vectors.indexing import Indexed, call_fresh, get_index_row, index_pending
from app.vectors.refresh_models import (
    DeferredIndex,
    RefreshDeferred,
    Refreshed,
    RejectedRow,
    StaleIndex,
)
from app.vectors.refresh_statements import list_rejected
from app.vectors.service import JOB_KIND
from app.web.paging import Page, decode_cursor, plan_page

QUERIES = load_queries(__file__, "refresh.sql")
#: What waits and what there is, in rows and chunks, that a request may refresh itself, and for how long it tries.
MAX_ROWS_AT_ONCE, MAX_CHUNKS_AT_ONCE = 200, 200_000
AT_ONCE_S = 3.0


class _Target(msgspec.Struct, frozen=True):
    index: str
    rows: int
    chunks: int
    job_id: str | None
    busy: bool


class _Name(msgspec.Struct, frozen=True):
    name: str


async def refresh(
    database: Database, embedders: Embedders, scope: Scope, name: str
) -> Refreshed | RefreshDeferred:
    """Embed what the indexes of this dataset, its views', this view or this index wait for; `scope` is a steward's.

    Also what was set aside is tried again.

    Raises:
        NotFoundError: there is none, or it has no index.
        ConflictError: no configured model is an index's own, or it answers other dimensions.
        ProviderError: the model answers, but not as it should.
    """
    targets = await scope.fetch(_Target, QUERIES["targets"], {"name": name})
    if not targets:
        known = await scope.fetch_value(QUERIES["relation_exists"], {"name": name})
        missing = f"{name[:60]!r} has no index" if known else f"no dataset, view or index {name[:60]!r}"
        raise NotFoundError(missing)
    little = (
        sum(target.rows for target in targets) <= MAX_ROWS_AT_ONCE
        and sum(target.chunks for target in targets) <= MAX_CHUNKS_AT_ONCE
        and not any(target.busy for target in targets)
    )
    done = await _refresh_at_once(database, embedders, targets) if little else None
    if done is not None:
        database.changes.bump()
        return done
    async with scope.begin() as transaction:
        jobs = [
            DeferredIndex(
                index=target.index,
                job_id=target.job_id
                or await _defer(transaction, target.index, scope.actor.principal, retry=True),
            )
            for target in targets
        ]
    return RefreshDeferred(job_id=jobs[-1].job_id, jobs=jobs)


async def _refresh_at_once(
    database: Database, embedders: Embedders, targets: list[_Target]
) -> Refreshed | None:
    """None when it takes too long; what was written until then stays."""
    started = time.perf_counter()
    done: list[Indexed] = []
    try:
        async with asyncio.timeout(AT_ONCE_S):
            for target in targets:
                done.append(await index_pending(database, embedders, target.index, _unheard, retry=True))
    except TimeoutError:
        return None
    return Refreshed(
        embedded=sum(indexed.embedded for indexed in done),
        reused=sum(indexed.reused for indexed in done),
        removed=sum(indexed.removed for indexed in done),
        rejected=sum(indexed.rejected for indexed in done),
        rejected_in=[indexed.index for indexed in done if indexed.rejected],
        duration_ms=(time.perf_counter() - started) * 1000,
    )


async def _unheard(done: int, total: int | None = None) -> None:
    """Progress that nobody watches."""


async def _defer(transaction: Transaction, index: str, created_by: str, *, retry: bool) -> str:
    return await defer_job(
        transaction,
        kind=JOB_KIND,
        subject=index,
        args={"index": index, "retry": retry},
        unit="rows",
        lock=f"index:{index}",
        created_by=created_by,
    )


async def list_stale(scope: Scope, limit: int, cursor: str | None, *, whole: bool) -> Page[StaleIndex]:
    """The indexes with rows that have no current chunks, by name; `whole` as the steward, else as the scope sees it.

    Raises:
        InvalidInputError: the cursor is not one of ours.
    """
    after = decode_cursor(cursor, str) if cursor else None
    statement = QUERIES["stale" if whole else "stale_own"]
    rows = await scope.fetch(StaleIndex, statement, {"after": after, "limit": limit + 1})
    return plan_page(rows, limit, lambda row: row.index)


async def list_rejected_rows(scope: Scope, name: str, limit: int, cursor: str | None) -> Page[RejectedRow]:
    """The rows of an index that were set aside, by row key; `scope` is the owner's, for row keys are nobody else's.

    Raises:
        NotFoundError: no such index.
        InvalidInputError: the cursor is not one of ours.
    """
    index = await get_index_row(scope, name)
    after = decode_cursor(cursor, str) if cursor else None
    rows = await scope.fetch(RejectedRow, list_rejected(index), {"after": after, "limit": limit + 1})
    return plan_page(rows, limit, lambda row: row.row_key)


async def defer_due(database: Database) -> list[str]:
    """Defer the refreshes that are due by policy; of which indexes."""
    owner = database.owner()
    due = [row.name for row in await owner.fetch(_Name, QUERIES["due"])]
    for name in due:
        async with owner.begin() as transaction:
            await _defer(transaction, name, "policy", retry=False)
    for row in await owner.fetch(_Name, QUERIES["called_stale"]):
        await call_fresh(owner, row.name, embedded=False)
    return due
