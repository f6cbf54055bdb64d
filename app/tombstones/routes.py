"""/catalog/datasets/by-name/{name}/tombstone."""

from typing import Any

from litestar import Request, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from app.db.database import Database
from app.tombstones.bucket import check_may_tombstone, find_files, tombstone_files, undo_files
from app.tombstones.models import Tombstone, Tombstoned, TombstoneRequest, Undone, UndoRequest
from app.tombstones.service import create_tombstones, list_tombstones, undo_tombstones
from app.web.identity import Principal, require_admin
from app.web.paging import Cursor, Limit, Page
from app.web.problems import problem_responses

TAGS = ["tombstones"]
#: 100,000 keys of 60 bytes.
MAX_BODY_BYTES = 8 * 1024 * 1024


@post("/{name:str}/tombstone", status_code=200, responses=problem_responses(404, 409, 413), tags=TAGS)
async def post_tombstone(
    name: FromPath[str],
    data: JSONBody[TombstoneRequest],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    request: Request[Any, Any, Any],
) -> Tombstoned:
    """Delete rows by their keys, in every door at once; for admins, and readers whose access role may write."""
    scope = principal.scope(database, timeout_ms=300_000)
    files = await find_files(database, name)
    if files is None:
        return await create_tombstones(scope, name, data, as_reader=not principal.is_admin)
    await check_may_tombstone(scope, name, data.row_key_column)
    steward = database.steward(scope.actor, timeout_ms=300_000)
    return await tombstone_files(request.app.state.places, steward, files, data)


@post("/{name:str}/tombstone/undo", status_code=200, responses=problem_responses(404, 409, 413), tags=TAGS)
async def post_undo(
    name: FromPath[str],
    data: JSONBody[UndoRequest],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
) -> Undone:
    """Take tombstones back: the rows return, unless they were purged; all of them or none."""
    require_admin(principal)
    scope = principal.scope(database, timeout_ms=300_000)
    files = await find_files(database, name)
    if files is None:
        return await undo_tombstones(scope, name, data)
    await check_may_tombstone(scope, name, data.row_key_column)
    return await undo_files(scope, files, data)


@get("/{name:str}/tombstone", responses=problem_responses(404), tags=TAGS)
async def get_tombstones(
    name: FromPath[str],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Tombstone]:
    """The dataset's tombstones, newest first; keys as the caller's own relation shows them."""
    return await list_tombstones(principal.scope(database), name, limit, cursor)


router = Router(
    "/catalog/datasets/by-name",
    route_handlers=[post_tombstone, post_undo, get_tombstones],
    request_max_body_size=MAX_BODY_BYTES,
)
