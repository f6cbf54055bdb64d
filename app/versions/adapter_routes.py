"""/vectors/adapters: learnt, listed, deleted."""

from litestar import Router, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from app.db.database import Database
from app.versions.adapters import defer_adapter, delete_adapter, list_adapters
from app.versions.models import AdapterAccepted, AdapterRequest, AdapterRow
from app.web.identity import Principal, guard_admin
from app.web.paging import Cursor, Limit, Page
from app.web.parameters import MAX_JSON_BYTES
from app.web.problems import problem_responses

TAGS = ["vectors"]


@post("/", status_code=202, responses=problem_responses(404, 409, 413), guards=[guard_admin], tags=TAGS)
async def post_adapter(
    data: JSONBody[AdapterRequest],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
) -> AdapterAccepted:
    """Learn a linear adapter over an index's model from an eval set's judged questions; by a job."""
    return await defer_adapter(principal.scope(database), data)


@get("/", responses=problem_responses(), guards=[guard_admin], tags=TAGS)
async def get_adapters(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[AdapterRow]:
    """The registered adapters, by name."""
    return await list_adapters(principal.scope(database), limit, cursor)


@delete(
    "/{name:str}", status_code=200, responses=problem_responses(404, 409), guards=[guard_admin], tags=TAGS
)
async def delete_adapter_by_name(
    name: FromPath[str], principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> AdapterRow:
    """Delete an adapter that no index has."""
    return await delete_adapter(principal.scope(database), name)


router = Router(
    "/vectors/adapters",
    route_handlers=[post_adapter, get_adapters, delete_adapter_by_name],
    request_max_body_size=MAX_JSON_BYTES,
)
