"""/vectors: indexes, activation, search."""

from typing import Any

from litestar import Request, Router, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from app.db.database import Database
from app.profiles.service import get_profile
from app.vectors.activation import activate
from app.vectors.activation_models import Activation
from app.vectors.models import (
    DeletedIndex,
    IndexAccepted,
    IndexRequest,
    SearchAnswer,
    SearchRequest,
    VectorIndex,
)
from app.vectors.once import Once
from app.vectors.search import Searcher
from app.vectors.service import create_index, delete_index, find_embedder, get_index, list_indexes
from app.web.identity import Principal, act_as_profile, require_admin
from app.web.paging import Cursor, Limit, Page
from app.web.parameters import MAX_JSON_BYTES
from app.web.problems import problem_responses

TAGS = ["vectors"]


@post("/index", status_code=202, responses=problem_responses(404, 409, 413, 502), tags=TAGS)
async def post_index(
    data: JSONBody[IndexRequest],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    request: Request[Any, Any, Any],
) -> IndexAccepted:
    """Define an index over a dataset and embed it in the background; again, to embed what came since."""
    require_admin(principal)
    embedder = await find_embedder(request.app.state.embedders, data)
    accepted = await create_index(principal.scope(database), embedder, data)
    database.changes.bump()
    return accepted


@get("/indexes", responses=problem_responses(404), tags=TAGS)
async def get_indexes(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    source: FromQuery[str | None] = None,
    model: FromQuery[str | None] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[VectorIndex]:
    """The indexes the caller may search, by name."""
    return await list_indexes(principal.scope(database), source, model, limit, cursor)


@get("/indexes/{name:str}", responses=problem_responses(404), tags=TAGS)
async def get_index_by_name(
    name: FromPath[str], principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> VectorIndex:
    """One index."""
    return await get_index(principal.scope(database), name)


@delete("/indexes/{name:str}", status_code=200, responses=problem_responses(404), tags=TAGS)
async def delete_index_by_name(
    name: FromPath[str],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    request: Request[Any, Any, Any],
) -> DeletedIndex:
    """Delete an index with its chunks and variants; the dataset stays."""
    require_admin(principal)
    deleted = await delete_index(principal.scope(database), name)
    await request.app.state.lance.erase([])  # the copies of what is gone
    database.changes.bump()
    return deleted


@post("/profile/{profile_id:str}/activate", status_code=200, responses=problem_responses(404), tags=TAGS)
async def post_activate(
    profile_id: FromPath[str],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    request: Request[Any, Any, Any],
) -> Activation:
    """Build and warm the profile's variants; one that fails is reported and the others are warmed."""
    principal = await act_as_profile(request, principal, profile_id)
    scope = principal.scope(database)
    await get_profile(scope, profile_id)
    activations: Once[Activation] = request.app.state.activations
    lance = request.app.state.lance
    # each call walks through whole graphs: many at once would take the machine from everybody
    activation = await activations.run(profile_id, lambda: activate(database, scope, profile_id, lance))
    # what a walk through a graph costs is known when there is one
    request.app.state.calibration.start()
    return activation


@post("/search", status_code=200, responses=problem_responses(404, 413, 502), tags=TAGS)
async def post_search_any(
    data: JSONBody[SearchRequest],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    request: Request[Any, Any, Any],
) -> SearchAnswer:
    """The nearest chunks that the caller may see: as its own profile, or for an admin all of them."""
    searcher: Searcher = request.app.state.searcher
    return await searcher.search(principal.scope(database), principal.profile, data)


@post(
    "/profile/{profile_id:str}/search", status_code=200, responses=problem_responses(404, 413, 502), tags=TAGS
)
async def post_search(
    profile_id: FromPath[str],
    data: JSONBody[SearchRequest],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    request: Request[Any, Any, Any],
) -> SearchAnswer:
    """The nearest chunks that the profile may see."""
    principal = await act_as_profile(request, principal, profile_id)
    answer: SearchAnswer = await request.app.state.searcher.search(
        principal.scope(database), profile_id, data
    )
    return answer


router = Router(
    "/vectors",
    route_handlers=[
        post_index,
        get_indexes,
        get_index_by_name,
        delete_index_by_name,
        post_activate,
        post_search,
        post_search_any,
    ],
    request_max_body_size=MAX_JSON_BYTES,
)
