"""POST /profile/{id}/activate and /deactivate."""

from typing import Any

import msgspec
from litestar import Request, Router, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from app.db.database import Database
from app.storage.models import ProfileActivation
from app.storage.service import Storage
from app.web.identity import Principal, require_admin
from app.web.problems import problem_responses

TAGS = ["profiles"]


@post("/{profile_id:str}/activate", status_code=200, responses=problem_responses(404), tags=TAGS)
async def activate_profile(
    profile_id: FromPath[str],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    request: Request[Any, Any, Any],
) -> ProfileActivation:
    """Mount the profile's own bucket and warm what it names; says whether the bucket answers."""
    require_admin(principal)
    storage: Storage = request.app.state.storage
    answer = await storage.mounts.activate(principal.scope(database), profile_id)
    if answer.bucket is None:
        return answer
    fault = await storage.health.check(answer.bucket, fresh=True)
    return msgspec.structs.replace(answer, reachable=fault is None)


@post("/{profile_id:str}/deactivate", status_code=200, responses=problem_responses(404), tags=TAGS)
async def deactivate_profile(
    profile_id: FromPath[str],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    request: Request[Any, Any, Any],
) -> ProfileActivation:
    """Unmount the profile's own bucket and drop its part of the cache; the bucket's objects stay."""
    require_admin(principal)
    storage: Storage = request.app.state.storage
    answer = await storage.mounts.deactivate(principal.scope(database), profile_id)
    if answer.bucket is not None:
        storage.health.forget(answer.bucket)
    return answer


router = Router("/profile", route_handlers=[activate_profile, deactivate_profile])
