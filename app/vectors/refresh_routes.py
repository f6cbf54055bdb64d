"""/vectors: refreshing what is stale."""

from typing import Any

from litestar import Request, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath

from app.db.database import Database
from app.vectors.refresh import list_rejected_rows, list_stale, refresh
from app.vectors.refresh_models import RefreshDeferred, Refreshed, RejectedRow, StaleIndex
from app.web.identity import Principal, require_admin
from app.web.paging import Cursor, Limit, Page
from app.web.problems import problem_responses

TAGS = ["vectors"]
RESPONSES = {
    **problem_responses(404, 409, 502),
    200: ResponseSpec(Refreshed, generate_examples=False, description="Refreshed"),
    202: ResponseSpec(RefreshDeferred, generate_examples=False, description="Jobs refresh it"),
}


@post("/refresh/{dataset:str}", status_code=200, responses=RESPONSES, tags=TAGS)
async def post_refresh(
    dataset: FromPath[str],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    request: Request[Any, Any, Any],
) -> Response[Refreshed | RefreshDeferred]:
    """Embed what came or changed in a dataset, a view or an index: at once when it is little, else by a job."""
    require_admin(principal)
    answer = await refresh(database, request.app.state.embedders, principal.scope(database), dataset)
    return Response(answer, status_code=200 if isinstance(answer, Refreshed) else 202)


@get("/stale", responses=problem_responses(), tags=TAGS)
async def get_stale(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[StaleIndex]:
    """The caller's indexes with rows that have no current chunks, by name."""
    return await list_stale(principal.scope(database), limit, cursor, whole=principal.is_admin)


@get("/indexes/{name:str}/rejected", responses=problem_responses(404), tags=TAGS)
async def get_rejected(
    name: FromPath[str],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[RejectedRow]:
    """The rows of an index that were set aside, each with its reason."""
    require_admin(principal)
    return await list_rejected_rows(database.owner(), name, limit, cursor)


router = Router("/vectors", route_handlers=[post_refresh, get_stale, get_rejected])
