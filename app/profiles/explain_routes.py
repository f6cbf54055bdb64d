"""/catalog/profiles/{id}/explain and …/diff."""

from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from app.db.database import Database
from app.profiles.explain import explain_profile
from app.profiles.explain_models import Explanation
from app.web.identity import Principal
from app.web.parameters import MAX_JSON_BYTES
from app.web.problems import problem_responses

TAGS = ["profiles"]


@get("/{profile_id:str}/explain", responses=problem_responses(404, 504), tags=TAGS)
async def get_explanation(
    profile_id: FromPath[str], principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> Explanation:
    """What this reader sees, column by column with the reason; a reader is told only of what is shown to it."""
    return await explain_profile(principal.scope(database), profile_id, as_reader=not principal.is_admin)


router = Router("/catalog/profiles", route_handlers=[get_explanation], request_max_body_size=MAX_JSON_BYTES)
