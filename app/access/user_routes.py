"""/access/users: logins for psql, an admin's to make and to take away."""

from litestar import Router, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from app.access.models import CreatedUser, DeletedUser, User, UserRequest
from app.access.users import create_user, delete_user, list_users
from app.db.database import Database
from app.web.identity import Principal, require_admin
from app.web.paging import Cursor, Limit, Page
from app.web.parameters import MAX_JSON_BYTES
from app.web.problems import problem_responses


@post("/access/users", responses=problem_responses(404, 409, 413), tags=["access"])
async def post_user(
    data: JSONBody[UserRequest], principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> CreatedUser:
    """A login for psql that is one profile; a generated password is shown in this answer and never again."""
    require_admin(principal)
    owner = database.owner(principal.scope(database).actor, timeout_ms=30_000)
    return await create_user(owner, database.deployment.prefix, database.service_dsn, data)


@get("/access/users", responses=problem_responses(404), tags=["access"])
async def get_users(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[User]:
    """The power users, each with its profile and how many sessions it has open."""
    require_admin(principal)
    return await list_users(principal.scope(database), limit, cursor)


@delete("/access/users/{name:str}", status_code=200, responses=problem_responses(404), tags=["access"])
async def delete_user_by_name(
    name: FromPath[str], principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> DeletedUser:
    """Take a login away; its open sessions are ended at once."""
    require_admin(principal)
    return await delete_user(principal.scope(database), name)


router = Router(
    "/", route_handlers=[post_user, get_users, delete_user_by_name], request_max_body_size=MAX_JSON_BYTES
)
