"""Analytic SQL as one reader: its relations are looked up, exported under its role, and queried."""

import asyncio
import time
from collections.abc import Mapping, Sequence

import pyarrow as pa

from app.analytics.engine import run_query
from app.analytics.export import arrow_schema, export_relations
from app.analytics.models import Limits, QueryRequest, QueryResult, RelationColumns
from app.analytics.plan import plan_words
from app.db.database import Database
from app.db.queries import load_queries
from app.db.scope import Scope
from app.errors import TimeoutExceededError

QUERIES = load_queries(__file__)


async def query(
    database: Database, scope: Scope, profile: str | None, request: QueryRequest, limits: Limits
) -> QueryResult:
    """The rows that the scope's role gets; `profile` is its profile, or None for the steward.

    Raises:
        InvalidQueryError: see run_query.
        TimeoutExceededError: the time limit was reached; the work has stopped.
    """
    started = time.perf_counter()
    parameters = {"words": plan_words(request.sql), "profile": profile}
    relations = {
        row.name: row for row in await scope.fetch(RelationColumns, QUERIES["relations"], parameters)
    }
    schemas = {name: arrow_schema(relation) for name, relation in relations.items()}

    async def export(named: Sequence[str]) -> Mapping[str, pa.Table]:
        if not named:
            return {}
        return await asyncio.to_thread(
            export_relations,
            database.service_dsn,
            scope.role,
            [relations[name] for name in named],
            timeout_ms=limits.timeout_ms,
            memory_bytes=limits.memory_bytes,
        )

    try:
        async with asyncio.timeout(limits.timeout_ms / 1000):
            table, truncated = await run_query(request.sql, schemas, export, limits)
    except TimeoutError as exc:
        raise TimeoutExceededError(f"the query did not end within {limits.timeout_ms} ms") from exc
    return QueryResult(
        table=table, truncated=truncated, duration_ms=round((time.perf_counter() - started) * 1000, 3)
    )
