"""POST /query/sql."""

import asyncio
from typing import Any

from litestar import Request, Response, Router, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody

from app.analytics.formats import FORMATS, plan_format
from app.analytics.models import QueryAnswer, QueryRequest
from app.analytics.plan import plan_limits
from app.analytics.service import query
from app.db.database import Database
from app.web.identity import Principal
from app.web.parameters import MAX_JSON_BYTES
from app.web.problems import problem_responses

RESPONSES = {
    **problem_responses(404, 413, 504),
    200: ResponseSpec(QueryAnswer, generate_examples=False, description="The rows, by default as JSON"),
}


@post("/query/sql", status_code=200, responses=RESPONSES, tags=["analytics"])
async def post_sql(
    data: JSONBody[QueryRequest],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    request: Request[Any, Any, Any],
) -> Response[bytes]:
    """One SELECT over the caller's relations; JSON, NDJSON, CSV, Parquet or Arrow IPC by `Accept`."""
    media_type = plan_format(request.headers.get("accept", ""))
    limits = plan_limits(data, request.app.state.settings.query)
    result = await query(
        database,
        request.app.state.query_processes,
        principal.scope(database),
        principal.profile,
        data,
        limits,
        request.app.state.places,
    )
    body = await asyncio.to_thread(FORMATS[media_type], result)
    headers = {"X-Lakehouse-Truncated": "true"} if result.truncated else {}
    if result.rescue_used:
        headers["X-Lakehouse-Rescue-Used"] = "true"
    return Response(body, media_type=media_type, headers=headers)


router = Router("/", route_handlers=[post_sql], request_max_body_size=MAX_JSON_BYTES)
