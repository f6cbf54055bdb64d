"""Analytic SQL as one reader: its relations are looked up, then a process of the query's own exports and answers."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

import msgspec

from app.analytics.analytics import Analytics
from app.analytics.cache_plan import CachePlan, find_cached, plan_cache, plan_files
from app.analytics.endings import plan_ending, plan_failure
from app.analytics.frames import Frame
from app.analytics.models import Limits, QueryRequest, QueryTask, RelationColumns
from app.analytics.plan import plan_words
from app.analytics.processes import Running
from app.db.database import Database
from app.db.queries import load_queries
from app.db.scope import Scope
from app.delta.sources import find_sources
from app.errors import LakewardError
from app.journal.audit import Call, record_call, record_failure

QUERIES = load_queries(__file__)


class Record:
    """The audit entries of one query: one for an answer that was ready at once, two for one that is sent meanwhile."""

    def __init__(self, database: Database, scope: Scope, call: Call) -> None:
        self.call = call
        self._database = database
        self._scope = scope
        self._started = time.perf_counter()
        self._open = True

    @property
    def duration_ms(self) -> float:
        """Since the query was asked."""
        return round((time.perf_counter() - self._started) * 1000, 3)

    async def begin(self) -> None:
        """Rows are about to be sent, and more will come."""
        await record_call(self._database, self._scope, self.call, outcome="started")

    async def end(self, rows: int, outcome: str = "ok") -> None:
        """So many rows were sent, or are about to be, and that is all.

        Raises:
            LakewardError: it cannot be recorded.
        """
        if self._open:
            self._open = False
            await record_call(
                self._database,
                self._scope,
                self.call,
                rows=rows,
                duration_ms=self.duration_ms,
                outcome=outcome,
            )

    async def fail(self, error: LakewardError) -> None:
        """No row was sent, or what was sent is on record already."""
        if self._open:
            self._open = False
            await record_failure(
                self._database, self._scope, self.call, error, error.code, duration_ms=self.duration_ms
            )

    def leave(self) -> None:
        """Somebody else records how it ended."""
        self._open = False


class QueryAnswer:
    """An answer whose first rows are there. `truncated` is None as long as nobody knows.

    `rescue_used`: a bucket did not answer, and its rows are the rescue bucket's.
    """

    def __init__(
        self, running: Running, record: Record, first: Frame, media_type: str, *, rescue_used: bool
    ) -> None:
        self.rescue_used = rescue_used
        self.truncated = first.truncated if first.last else None
        self.sent_rows = 0
        self._running = running
        self._record = record
        self._frame = first
        self._media_type = media_type

    async def pieces(self) -> AsyncIterator[bytes | bytearray]:
        """The bytes of the answer: the first when it is on record that it began, the last when it is how it ended.

        A query that fails meanwhile ends with an error where the format has a place for it.

        Raises:
            LakewardError: it failed, and the format has none; what was sent has no end.
        """
        frame = self._frame
        try:
            if not frame.last:
                await self._record.begin()
            while not frame.last:
                yield frame.body
                self.sent_rows += frame.rows
                frame = await self._running.next()
            rows = self.sent_rows + frame.rows
            await self._record.end(rows)
            ending = plan_ending(
                self._media_type, rows=rows, truncated=frame.truncated, duration_ms=self._record.duration_ms
            )
        except LakewardError as exc:
            if not self.sent_rows:
                raise
            await self._record.end(self.sent_rows, exc.code)
            failure = plan_failure(
                self._media_type, exc, rows=self.sent_rows, duration_ms=self._record.duration_ms
            )
            if failure is None:
                raise
            yield failure
            return
        frame.body.extend(ending)
        yield frame.body


@asynccontextmanager
async def query(
    analytics: Analytics,
    scope: Scope,
    profile: str | None,
    request: QueryRequest,
    limits: Limits,
    media_type: str,
) -> AsyncIterator[QueryAnswer]:
    """The rows that the scope's role gets, in a format; `profile` is its profile, or None for the steward.

    The query is on record before rows of it are answered, and so is one that fails. One that is left before its end is
    stopped, and on record as cancelled with the rows that were sent.

    Raises:
        InvalidQueryError: it is not one SELECT over the role's relations, or needs more memory than it may use.
        TimeoutExceededError: the time limit was reached; the work has stopped.
    """
    record = Record(
        analytics.database, scope, Call(door="query", operation="sql", arguments=request.sql.encode())
    )
    answer: QueryAnswer | None = None
    plan = CachePlan(analytics.cache)
    try:
        task, plan = await plan_query(analytics, scope, profile, request.sql, limits, media_type)
        names = [*(r.name for r in task.relations), *(f.name for f in task.files)]
        record.call = msgspec.structs.replace(record.call, relations=names)
        async with analytics.processes.run(task, plan.files, plan.keep) as running:
            first = await running.next()
            rescue_used = any(relation.rescue_used for relation in task.files)
            answer = QueryAnswer(running, record, first, media_type, rescue_used=rescue_used)
            yield answer
    except LakewardError as exc:
        await record.fail(exc)
        raise
    except Exception:
        record.leave()
        raise
    finally:
        plan.close()
        await _finish(record.end(answer.sent_rows if answer else 0, "cancelled"))


async def plan_query(
    analytics: Analytics, scope: Scope, profile: str | None, sql: str, limits: Limits, media_type: str
) -> tuple[QueryTask, CachePlan]:
    """What the query's process has to know, and what it takes from the cache and brings there. Close the plan.

    Raises:
        UnavailableError: the bucket of a relation does not answer.
    """
    words = plan_words(sql)
    # before the files are looked up: what changes meanwhile is missing from the snapshot, not from the rows
    relations, sources = await asyncio.gather(
        scope.fetch(RelationColumns, QUERIES["relations"], {"words": words, "profile": profile}),
        find_cached(analytics.database, analytics.cache, profile, words),
    )
    plan = CachePlan(analytics.cache)
    try:
        has_rows = plan_files(analytics.cache, plan, sources)
        files = await find_sources(analytics.database, analytics.places, profile, words, has_rows)
        plan_cache(analytics.cache, plan, sources, files)
    except BaseException:
        plan.close()
        raise
    task = QueryTask(
        sql=sql,
        media_type=media_type,
        relations=relations,
        files=files,
        cached=plan.cached,
        wanted=plan.wanted,
        dsn=analytics.database.service_dsn,
        role=scope.role,
        steward=analytics.database.deployment.steward_role,
        limits=limits,
    )
    return task, plan


async def _finish(work: Awaitable[None]) -> None:
    """To its end, although the request is cancelled."""
    await asyncio.shield(asyncio.ensure_future(work))
