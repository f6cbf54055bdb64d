"""POST /query/sql."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Request, Router, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody

from app.analytics import answer_models
from app.analytics.formats import plan_format
from app.analytics.models import QueryRequest
from app.analytics.plan import plan_limits
from app.analytics.service import QueryAnswer, query
from app.db.database import Database
from app.web.identity import Principal
from app.web.parameters import MAX_JSON_BYTES
from app.web.problems import problem_responses
from app.web.streamed import StreamedResponse

RESPONSES = {
    **problem_responses(404, 413, 504),
    200: ResponseSpec(
        answer_models.QueryAnswer,
        generate_examples=False,
        description="The rows, by default as JSON, sent as they come. `X-Lakehouse-Truncated` says whether there are "
        "more; an answer that is sent before that is known has no such header, and says it at its end: JSON in "
        "`truncated`, Arrow in the last batch's metadata, Parquet in the footer's (`lakeward.truncated`); NDJSON and "
        "CSV have as many rows as `X-Lakehouse-Max-Rows` then. A query that fails after its first rows ends JSON with "
        '`error`, NDJSON with a line `{"error": …}`; the others break off: Arrow without its end-of-stream mark.',
    ),
}


@post("/query/sql", status_code=200, responses=RESPONSES, tags=["analytics"])
async def post_sql(
    data: JSONBody[QueryRequest],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    request: Request[Any, Any, Any],
) -> StreamedResponse:
    """One SELECT over the caller's relations; JSON, NDJSON, CSV, Parquet or Arrow IPC by `Accept`."""
    media_type = plan_format(request.headers.get("accept", ""))
    state = request.app.state
    settings = state.settings.query
    limits = plan_limits(data, settings)

    @asynccontextmanager
    async def open_body() -> AsyncIterator[_Body]:
        scope = principal.scope(database)
        async with query(state.analytics, scope, principal.profile, data, limits, media_type) as answer:
            yield _Body(answer, limits.max_rows)

    return StreamedResponse(open_body, media_type=media_type, patience_s=settings.client_timeout_ms / 1000)


class _Body:
    """A query's answer, with what its headers say."""

    def __init__(self, answer: QueryAnswer, max_rows: int) -> None:
        self._answer = answer
        self._max_rows = max_rows

    def headers(self) -> dict[str, str]:
        headers = {"X-Lakehouse-Max-Rows": str(self._max_rows)}
        if self._answer.truncated is not None:
            headers["X-Lakehouse-Truncated"] = str(self._answer.truncated).lower()
        if self._answer.rescue_used:
            headers["X-Lakehouse-Rescue-Used"] = "true"
        return headers

    def pieces(self) -> AsyncIterator[bytes | bytearray]:
        return self._answer.pieces()


router = Router("/", route_handlers=[post_sql], request_max_body_size=MAX_JSON_BYTES)
