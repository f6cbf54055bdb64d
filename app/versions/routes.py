"""/vectors/indexes/{name}: swap and rollback."""

from typing import Any

from litestar import Request, Router, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from app.db.database import Database
from app.versions.models import SwapAccepted, SwapRequest
from app.versions.service import defer_rollback, defer_swap
from app.web.identity import Principal, guard_admin
from app.web.parameters import MAX_JSON_BYTES
from app.web.problems import problem_responses

TAGS = ["vectors"]


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


router = Router(
    "/vectors/indexes",
    route_handlers=[post_swap, post_rollback],
    request_max_body_size=MAX_JSON_BYTES,
)
