"""POST /query/cache/pin and /evict, GET /query/cache/stats."""

from typing import Any

from litestar import Request, Router, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from app.analytics.analytics import Analytics
from app.analytics.cache_models import CacheAnswer, CacheRequest, CacheStats
from app.analytics.cache_service import evict_dataset, pin_dataset
from app.db.database import Database
from app.web.identity import Principal, require_admin
from app.web.parameters import MAX_JSON_BYTES
from app.web.problems import problem_responses

TAGS = ["query"]


@post("/pin", status_code=200, responses=problem_responses(404, 413), tags=TAGS)
async def post_pin(
    data: JSONBody[CacheRequest],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    request: Request[Any, Any, Any],
) -> CacheAnswer:
    """Keep what queries read of a dataset in memory; of one in a bucket, too, from the next query on."""
    require_admin(principal)
    analytics: Analytics = request.app.state.analytics
    return await pin_dataset(principal.scope(database), analytics.cache, data.dataset)


@post("/evict", status_code=200, responses=problem_responses(404, 413), tags=TAGS)
async def post_evict(
    data: JSONBody[CacheRequest],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    request: Request[Any, Any, Any],
) -> CacheAnswer:
    """Drop what this process keeps of a dataset, and no longer pin it."""
    require_admin(principal)
    analytics: Analytics = request.app.state.analytics
    return await evict_dataset(principal.scope(database), analytics.cache, data.dataset)


@get("/stats", responses=problem_responses(), tags=TAGS)
async def get_cache_stats(
    principal: NamedDependency[Principal], request: Request[Any, Any, Any]
) -> CacheStats:
    """Hits, misses, evictions, bytes, and what the cache of this process holds."""
    require_admin(principal)
    analytics: Analytics = request.app.state.analytics
    return analytics.cache.get_stats()


router = Router(
    "/query/cache",
    route_handlers=[post_pin, post_evict, get_cache_stats],
    request_max_body_size=MAX_JSON_BYTES,
)
