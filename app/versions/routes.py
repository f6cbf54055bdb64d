"""/vectors/indexes/{name}: swap, rollback and export."""

from typing import Any

from litestar import Request, Router, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody
from litestar.response import Stream

from app.db.database import Database
from app.versions.export import MEDIA_TYPE, ExportRequest, open_export
from app.versions.models import SwapAccepted, SwapRequest
from app.versions.service import defer_rollback, defer_swap
from app.web.identity import Principal, guard_admin
from app.web.parameters import MAX_JSON_BYTES
from app.web.problems import problem_responses

TAGS = ["vectors"]
CONTENT = ResponseSpec(bytes, description="the Parquet file", media_type=MEDIA_TYPE)


@post(
    "/{name:str}/swap",
    status_code=202,
    responses=problem_responses(404, 409, 413),
    guards=[guard_admin],
    tags=TAGS,
)
async def post_swap(
    name: FromPath[str],
    data: JSONBody[SwapRequest],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    request: Request[Any, Any, Any],
) -> SwapAccepted:
    """Move an index to another model behind a gate, while searches go on; by a job."""
    return await defer_swap(principal.scope(database), request.app.state.embedders, name, data)


@post(
    "/{name:str}/rollback",
    status_code=202,
    responses=problem_responses(404, 409),
    guards=[guard_admin],
    tags=TAGS,
)
async def post_rollback(
    name: FromPath[str],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    request: Request[Any, Any, Any],
) -> SwapAccepted:
    """Make the version live again that was live before; by a job."""
    return await defer_rollback(principal.scope(database), request.app.state.embedders, name)


@post(
    "/{name:str}/export",
    status_code=200,
    responses={**problem_responses(404, 413), 200: CONTENT},
    guards=[guard_admin],
    tags=TAGS,
)
async def post_export(
    name: FromPath[str],
    data: JSONBody[ExportRequest],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
) -> Stream:
    """The index's chunks with their vectors as Parquet, while they are read."""
    pieces = await open_export(database, principal.scope(database), name, data)
    return Stream(pieces, media_type=MEDIA_TYPE, headers={"X-Content-Type-Options": "nosniff"})


router = Router(
    "/vectors/indexes",
    route_handlers=[post_swap, post_rollback, post_export],
    request_max_body_size=MAX_JSON_BYTES,
)
