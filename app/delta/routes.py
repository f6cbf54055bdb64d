"""POST /query/compact, /catalog/datasets/attach, /catalog/resync-missing."""

from typing import Any

from litestar import Request, Router, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from app.catalog.models import Dataset
from app.db.database import Database
from app.delta.attach import attach
from app.delta.compaction import defer_compaction
from app.delta.requests import AttachRequest, CompactRequest, JobAccepted, ResyncAccepted
from app.delta.resync import defer_resync
from app.web.identity import Principal, guard_admin
from app.web.problems import problem_responses

TAGS = ["storage"]


@post(
    "/query/compact", status_code=202, responses=problem_responses(404, 409), guards=[guard_admin], tags=TAGS
)
async def post_compact(
    data: JSONBody[CompactRequest], principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> JobAccepted:
    """Make large files of small ones, and take tombstoned rows out of the files; they cannot be undone after that."""
    job_id = await defer_compaction(principal.scope(database), data.dataset, principal.id)
    return JobAccepted(dataset=data.dataset, job_id=job_id)


@post(
    "/catalog/datasets/attach",
    status_code=201,
    responses=problem_responses(404, 409, 503),
    guards=[guard_admin],
    tags=TAGS,
)
async def post_attach(
    data: JSONBody[AttachRequest],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    request: Request[Any, Any, Any],
) -> Dataset:
    """Make a dataset of Parquet files where they are; they are only read."""
    return await attach(database, request.app.state.places, principal.scope(database), data)


@post(
    "/catalog/resync-missing", status_code=202, responses=problem_responses(), guards=[guard_admin], tags=TAGS
)
async def post_resync(
    principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> ResyncAccepted:
    """Put right what the catalog says of bucket datasets, from their files: rows, columns, bytes; by a job."""
    return ResyncAccepted(job_id=await defer_resync(principal.scope(database), principal.id))


router = Router("/", route_handlers=[post_compact, post_attach, post_resync])
