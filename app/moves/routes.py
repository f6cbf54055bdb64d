"""POST /catalog/datasets/by-name/{name}/export, …/materialize."""

from typing import Any

from litestar import Request, Router, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from app.db.database import Database
from app.moves.models import ExportRequest, MaterializeRequest, MoveAccepted
from app.moves.service import defer_export, defer_materialize
from app.web.identity import Principal, guard_admin
from app.web.parameters import MAX_JSON_BYTES
from app.web.problems import problem_responses

TAGS = ["storage"]


@post(
    "/{name:str}/export",
    status_code=202,
    responses=problem_responses(404, 409, 413, 503),
    guards=[guard_admin],
    tags=TAGS,
)
async def post_export(
    name: FromPath[str],
    data: JSONBody[ExportRequest],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    request: Request[Any, Any, Any],
) -> MoveAccepted:
    """Copy a dataset into a bucket, as a dataset of its own; by a job."""
    places = request.app.state.places
    return await defer_export(principal.scope(database), places, name, data, principal.id)


@post(
    "/{name:str}/materialize",
    status_code=202,
    responses=problem_responses(404, 409, 413),
    guards=[guard_admin],
    tags=TAGS,
)
async def post_materialize(
    name: FromPath[str],
    data: JSONBody[MaterializeRequest],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
) -> MoveAccepted:
    """Copy a dataset whose rows are in files into Postgres, as a dataset of its own; by a job."""
    return await defer_materialize(principal.scope(database), name, data, principal.id)


router = Router(
    "/catalog/datasets/by-name",
    route_handlers=[post_export, post_materialize],
    request_max_body_size=MAX_JSON_BYTES,
)
