"""/storage: the buckets, their health, and what went wrong with them. All of it is the admin's."""

from typing import Annotated, Any

from litestar import Request, Router, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter

from app.db.database import Database
from app.storage.models import BucketEntry, HealthSummary, MigrateAccepted, MigrateRequest, StorageError
from app.storage.record import list_errors
from app.storage.service import Storage, list_entries, summarize
from app.storage.tasks import defer_migration
from app.web.identity import Principal, require_admin
from app.web.paging import Cursor, Limit, Page
from app.web.parameters import MAX_JSON_BYTES
from app.web.problems import problem_responses

TAGS = ["storage"]


@get("/buckets", responses=problem_responses(), tags=TAGS)
async def get_buckets(
    principal: NamedDependency[Principal], request: Request[Any, Any, Any]
) -> Page[BucketEntry]:
    """The buckets of the settings, and those of profiles that are mounted."""
    require_admin(principal)
    return Page(items=list_entries(request.app.state.storage))


@get("/bucket-health", responses=problem_responses(), tags=TAGS)
async def get_bucket_health(
    principal: NamedDependency[Principal],
    request: Request[Any, Any, Any],
    fresh: Annotated[bool, QueryParameter(description="ask every bucket now")] = False,
) -> HealthSummary:
    """Which buckets answer, since when, and why not; what is older than ten seconds is asked anew."""
    require_admin(principal)
    storage: Storage = request.app.state.storage
    return await summarize(storage, fresh=fresh)


@get("/errors", responses=problem_responses(), tags=TAGS)
async def get_errors(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    limit: Limit = 100,
    cursor: Cursor = None,
    bucket: Annotated[str | None, QueryParameter(max_length=200, description="only of this bucket")] = None,
) -> Page[StorageError]:
    """Operations on buckets that failed, newest first."""
    require_admin(principal)
    return await list_errors(principal.scope(database), limit, cursor, bucket=bucket)


@post("/", status_code=202, responses=problem_responses(404, 409, 413), tags=TAGS)
async def post_migration(
    data: JSONBody[MigrateRequest],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    request: Request[Any, Any, Any],
) -> MigrateAccepted:
    """Copy the objects of one bucket into another, by a job that verifies each of them and can be resumed."""
    require_admin(principal)
    storage: Storage = request.app.state.storage
    job_id = await defer_migration(principal.scope(database), storage, data, principal.id)
    return MigrateAccepted(job_id=job_id, source=data.source, target=data.target)


router = Router("/storage", route_handlers=[get_buckets, get_bucket_health, get_errors])
migrate_router = Router(
    "/catalog/migrate-buckets", route_handlers=[post_migration], request_max_body_size=MAX_JSON_BYTES
)
