"""/whoami and /access/keys."""

from typing import Any

from litestar import Request, Router, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from app.access.models import CreatedKey, Key, KeyRequest, Whoami
from app.access.service import create_key, get_whoami, list_keys, revoke_key
from app.db.database import Database
from app.web.identity import Principal, require_admin
from app.web.paging import Cursor, Limit, Page
from app.web.parameters import MAX_JSON_BYTES
from app.web.problems import problem_responses


@get("/whoami", responses=problem_responses(404), tags=["access"])
async def whoami(
    request: Request[Any, Any, Any],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
) -> Whoami:
    """Who the caller is, and what it may read."""
    return await get_whoami(principal.scope(database), principal)


@post("/access/keys", responses=problem_responses(404, 413), tags=["access"])
async def post_key(
    data: JSONBody[KeyRequest], principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> CreatedKey:
    """A new API key; it is shown in this answer and never again."""
    require_admin(principal)
    key = await create_key(principal.scope(database), data)
    database.changes.bump()
    return key


@get("/access/keys", responses=problem_responses(404), tags=["access"])
async def get_keys(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Key]:
    """All keys, without their secrets."""
    require_admin(principal)
    return await list_keys(principal.scope(database), limit, cursor)


@delete("/access/keys/{key_id:str}", status_code=200, responses=problem_responses(404), tags=["access"])
async def delete_key(
    key_id: FromPath[str], principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> Key:
    """Revoke a key: it stops working at once."""
    require_admin(principal)
    key = await revoke_key(principal.scope(database), key_id)
    database.changes.bump()
    return key


router = Router(
    "/", route_handlers=[whoami, post_key, get_keys, delete_key], request_max_body_size=MAX_JSON_BYTES
)
