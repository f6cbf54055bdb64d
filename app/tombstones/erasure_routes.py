"""/catalog/erasures."""

from typing import Any

from litestar import Request, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from app.db.database import Database
from app.tombstones.erasure_models import Erasure, ErasureAccepted, ErasureRequest, Receipt
from app.tombstones.erasure_service import create_erasure, get_erasure, get_receipt, list_erasures
from app.web.identity import Principal, require_admin
from app.web.paging import Cursor, Limit, Page
from app.web.parameters import MAX_JSON_BYTES
from app.web.problems import problem_responses

TAGS = ["catalog"]


@post("/", status_code=202, responses=problem_responses(404, 409, 413), tags=TAGS)
async def post_erasure(
    data: JSONBody[ErasureRequest],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    request: Request[Any, Any, Any],
) -> ErasureAccepted:
    """Erase rows and every byte of them, as a job that ends with a receipt; `dry_run` only says what it would touch."""
    require_admin(principal)
    return await create_erasure(principal.scope(database), data, request.app.state.settings.home)


@get("/", responses=problem_responses(), tags=TAGS)
async def get_erasures(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Erasure]:
    """The erasures, newest first."""
    require_admin(principal)
    return await list_erasures(principal.scope(database), limit, cursor)


@get("/{erasure_id:str}", responses=problem_responses(404), tags=TAGS)
async def get_erasure_by_id(
    erasure_id: FromPath[str], principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> Erasure:
    """One erasure: how far it is, and what it has found."""
    require_admin(principal)
    return await get_erasure(principal.scope(database), erasure_id)


@get("/{erasure_id:str}/receipt", responses=problem_responses(404), tags=TAGS)
async def get_erasure_receipt(
    erasure_id: FromPath[str], principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> Receipt:
    """The receipt, when there is one: what was searched, found and removed, and what could not be reached."""
    require_admin(principal)
    return await get_receipt(principal.scope(database), erasure_id)


router = Router(
    "/catalog/erasures",
    route_handlers=[post_erasure, get_erasures, get_erasure_by_id, get_erasure_receipt],
    request_max_body_size=MAX_JSON_BYTES,
)
