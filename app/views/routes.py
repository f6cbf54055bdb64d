"""/catalog/views."""

from litestar import Response, Router, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from app.db.database import Database
from app.views.models import DeletedView, SafeView, ViewRequest
from app.views.service import create_or_update_view, delete_view, get_view, list_views
from app.web.identity import Principal, require_admin
from app.web.paging import Cursor, Limit, Page
from app.web.parameters import MAX_JSON_BYTES
from app.web.problems import problem_responses
from app.web.responses import created_or_updated

TAGS = ["catalog"]


@post(
    "/",
    status_code=201,
    responses={**problem_responses(404, 409, 413), **created_or_updated(SafeView)},
    tags=TAGS,
)
async def post_view(
    data: JSONBody[ViewRequest], principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> Response[SafeView]:
    """Create a safe view (201), or make an existing one what is asked for (200); its readers see it so at once."""
    require_admin(principal)
    view, created = await create_or_update_view(principal.scope(database), data)
    database.changes.bump()
    return Response(view, status_code=201 if created else 200)


@get("/", responses=problem_responses(404), tags=TAGS)
async def get_views(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[SafeView]:
    """The safe views the caller may see, by name; what they are made of is for admins."""
    return await list_views(principal.scope(database), limit, cursor, as_reader=not principal.is_admin)


@get("/{name:str}", responses=problem_responses(404), tags=TAGS)
async def get_view_by_name(
    name: FromPath[str], principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> SafeView:
    """One safe view."""
    return await get_view(principal.scope(database), name, as_reader=not principal.is_admin)


@delete("/{name:str}", status_code=200, responses=problem_responses(404, 409), tags=TAGS)
async def delete_view_by_name(
    name: FromPath[str], principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> DeletedView:
    """Delete a safe view and every reader's; refused while an index is built on it."""
    require_admin(principal)
    deleted = await delete_view(principal.scope(database), name)
    database.changes.bump()
    return deleted


router = Router(
    "/catalog/views",
    route_handlers=[post_view, get_views, get_view_by_name, delete_view_by_name],
    request_max_body_size=MAX_JSON_BYTES,
)
