"""/access/roles."""

from litestar import Response, Router, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from app.access.roles import create_or_update_role, delete_role, get_role, list_roles
from app.access.roles_models import AccessRole, DeletedRole, RoleRequest
from app.db.database import Database
from app.web.identity import Principal, require_admin
from app.web.paging import Cursor, Limit, Page
from app.web.parameters import MAX_JSON_BYTES
from app.web.problems import problem_responses
from app.web.responses import created_or_updated

TAGS = ["access"]
#: A role's change makes the views of all its readers again; 20,000 of them take a minute.
CHANGE_TIMEOUT_MS = 300_000


@post(
    "/",
    status_code=201,
    responses={**problem_responses(404, 409, 413), **created_or_updated(AccessRole)},
    tags=TAGS,
)
async def post_role(
    data: JSONBody[RoleRequest], principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> Response[AccessRole]:
    """Create an access role (201), or make an existing one what is asked for (200); its readers see it so at once."""
    require_admin(principal)
    scope = principal.scope(database, timeout_ms=CHANGE_TIMEOUT_MS)
    role, created = await create_or_update_role(scope, data)
    database.changes.bump()
    return Response(role, status_code=201 if created else 200)


@get("/", responses=problem_responses(404), tags=TAGS)
async def get_roles(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[AccessRole]:
    """The access roles the caller may see: a reader its own, an admin all."""
    return await list_roles(principal.scope(database), limit, cursor)


@get("/{name:str}", responses=problem_responses(404), tags=TAGS)
async def get_role_by_name(
    name: FromPath[str], principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> AccessRole:
    """One access role."""
    return await get_role(principal.scope(database), name)


@delete("/{name:str}", status_code=200, responses=problem_responses(404, 409), tags=TAGS)
async def delete_role_by_name(
    name: FromPath[str], principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> DeletedRole:
    """Delete an access role; refused while a profile has it, and for those that are built in."""
    require_admin(principal)
    deleted = await delete_role(principal.scope(database), name)
    database.changes.bump()
    return deleted


router = Router(
    "/access/roles",
    route_handlers=[post_role, get_roles, get_role_by_name, delete_role_by_name],
    request_max_body_size=MAX_JSON_BYTES,
)
