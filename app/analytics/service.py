"""Analytic SQL as one reader: its relations are looked up, then a process of the query's own exports and asks."""

import time

import msgspec

from app.analytics.child import QueryProcesses, QueryTask
from app.analytics.models import Limits, QueryRequest, QueryResult, RelationColumns
from app.analytics.plan import plan_words
from app.db.database import Database
from app.db.queries import load_queries
from app.db.scope import Scope
from app.delta.places import Places
from app.delta.sources import find_sources
from app.errors import LakewardError
from app.journal.audit import Call, record_call, record_failure

QUERIES = load_queries(__file__)


async def query(
    database: Database,
    processes: QueryProcesses,
    scope: Scope,
    profile: str | None,
    request: QueryRequest,
    limits: Limits,
    places: Places,
) -> QueryResult:
    """The rows that the scope's role gets; `profile` is its profile, or None for the steward.

    The query is on record before its rows are answered, and so is one that fails.

    Raises:
        InvalidQueryError: it is not one SELECT over the role's relations, or needs more memory than it may use.
        TimeoutExceededError: the time limit was reached; the work has stopped.
    """
    started = time.perf_counter()
    words = plan_words(request.sql)
    parameters = {"words": words, "profile": profile}
    call = Call(door="query", operation="sql", arguments=request.sql.encode())
    try:
        relations = await scope.fetch(RelationColumns, QUERIES["relations"], parameters)
        files = await find_sources(database, places, profile, words)
        call = msgspec.structs.replace(
            call, relations=[*(r.name for r in relations), *(f.name for f in files)]
        )
        task = QueryTask(
            sql=request.sql,
            relations=relations,
            files=files,
            dsn=database.service_dsn,
            role=scope.role,
            limits=limits,
        )
        table, truncated = await processes.run(task)
    except LakewardError as exc:
        await record_failure(database, scope, call, exc, exc.code, duration_ms=_ms_since(started))
        raise
    duration_ms = _ms_since(started)
    await record_call(database, scope, call, rows=table.num_rows, duration_ms=duration_ms)
    rescue_used = any(relation.rescue_used for relation in files)
    return QueryResult(table=table, truncated=truncated, duration_ms=duration_ms, rescue_used=rescue_used)


def _ms_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)
