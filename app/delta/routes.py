"""POST /query/compact."""

from litestar import Router, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from app.db.database import Database
from app.delta.compaction import defer_compaction
from app.delta.requests import CompactRequest, JobAccepted
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


router = Router("/", route_handlers=[post_compact])
