"""/catalog/profiles/{id}/explain and …/diff."""

from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from app.db.database import Database
from app.profiles.diff import diff_profile
from app.profiles.diff_models import Diff, DiffRequest
from app.profiles.explain import explain_profile
from app.profiles.explain_models import Explanation
from app.web.identity import Principal, require_admin
from app.web.parameters import MAX_JSON_BYTES
from app.web.problems import problem_responses

TAGS = ["profiles"]


@get("/{profile_id:str}/explain", responses=problem_responses(404, 504), tags=TAGS)
async def get_explanation(
    profile_id: FromPath[str], principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> Explanation:
    """What this reader sees, column by column with the reason; a reader is told only of what is shown to it."""
    return await explain_profile(principal.scope(database), profile_id, as_reader=not principal.is_admin)


@post("/{profile_id:str}/diff", status_code=200, responses=problem_responses(404, 409, 413, 504), tags=TAGS)
async def post_diff(
    profile_id: FromPath[str],
    data: JSONBody[DiffRequest],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
) -> Diff:
    """What a change would show to this reader or hide from it, with its rows counted; nothing is changed."""
    require_admin(principal)
    return await diff_profile(principal.scope(database), profile_id, data)


router = Router(
    "/catalog/profiles",
    route_handlers=[get_explanation, post_diff],
    request_max_body_size=MAX_JSON_BYTES,
)
