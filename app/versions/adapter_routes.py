"""/vectors/adapters: learnt, listed, deleted."""

from typing import Any

from litestar import Request, Response, Router, delete, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody

from app.db.database import Database
from app.versions.adapters import defer_adapter, delete_adapter, list_adapters
from app.versions.models import AdapterAccepted, AdapterRequest, AdapterRow
from app.versions.pairs import learn_from_pairs
from app.web.identity import Principal, guard_admin
from app.web.paging import Cursor, Limit, Page
from app.web.parameters import MAX_JSON_BYTES
from app.web.problems import problem_responses

TAGS = ["vectors"]
RESPONSES = {
    **problem_responses(404, 409, 413, 502),
    201: ResponseSpec(AdapterRow, generate_examples=False, description="Learnt from pairs"),
    202: ResponseSpec(AdapterAccepted, generate_examples=False, description="A job learns it"),
}


@post("/", status_code=201, responses=RESPONSES, guards=[guard_admin], tags=TAGS)
async def post_adapter(
    data: JSONBody[AdapterRequest],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    request: Request[Any, Any, Any],
) -> Response[AdapterRow | AdapterAccepted]:
    """Learn a linear adapter over an index's model: from pairs at once, from an eval set by a job."""
    scope = principal.scope(database)
    if data.pairs is None:
        return Response(await defer_adapter(scope, data), status_code=202)
    return Response(
        await learn_from_pairs(database, request.app.state.embedders, scope, data), status_code=201
    )


@get("/", responses=problem_responses(), guards=[guard_admin], tags=TAGS)
async def get_adapters(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[AdapterRow]:
    """The registered adapters, by name."""
    return await list_adapters(principal.scope(database), limit, cursor)


@delete(
    "/{name:str}", status_code=200, responses=problem_responses(404, 409), guards=[guard_admin], tags=TAGS
)
async def delete_adapter_by_name(
    name: FromPath[str], principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> AdapterRow:
    """Delete an adapter that no index has."""
    return await delete_adapter(principal.scope(database), name)


router = Router(
    "/vectors/adapters",
    route_handlers=[post_adapter, get_adapters, delete_adapter_by_name],
    request_max_body_size=MAX_JSON_BYTES,
)
