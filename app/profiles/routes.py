"""/catalog/profiles."""

from litestar import Response, Router, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from app.db.database import Database
from app.profiles.models import DeletedProfile, Profile, ProfileRequest
from app.profiles.service import create_or_update_profile, delete_profile, get_profile, list_profiles
from app.web.identity import Principal, require_admin
from app.web.paging import Cursor, Limit, Page
from app.web.parameters import MAX_JSON_BYTES
from app.web.problems import problem_responses
from app.web.responses import created_or_updated

TAGS = ["profiles"]


@post(
    "/",
    status_code=201,
    responses={**problem_responses(404, 409, 413), **created_or_updated(Profile)},
    tags=TAGS,
)
async def post_profile(
    data: JSONBody[ProfileRequest], principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> Response[Profile]:
    """Create a profile (201), or make an existing one what is asked for (200)."""
    require_admin(principal)
    profile, created = await create_or_update_profile(principal.scope(database), data)
    database.changes.bump()
    return Response(profile, status_code=201 if created else 200)


@get("/", responses=problem_responses(404), tags=TAGS)
async def get_profiles(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Profile]:
    """The profiles the caller may see: a reader its own, an admin all."""
    return await list_profiles(principal.scope(database), limit, cursor)


@get("/{profile_id:str}", responses=problem_responses(404), tags=TAGS)
async def get_profile_by_id(
    profile_id: FromPath[str], principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> Profile:
    """One profile."""
    return await get_profile(principal.scope(database), profile_id)


@delete("/{profile_id:str}", status_code=200, responses=problem_responses(404, 409), tags=TAGS)
async def delete_profile_by_id(
    profile_id: FromPath[str], principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> DeletedProfile:
    """Delete a profile; its role, schema, bindings, logins and keys go with it."""
    require_admin(principal)
    deleted = await delete_profile(principal.scope(database), profile_id)
    database.changes.bump()
    return deleted


router = Router(
    "/catalog/profiles",
    route_handlers=[post_profile, get_profiles, get_profile_by_id, delete_profile_by_id],
    request_max_body_size=MAX_JSON_BYTES,
)
