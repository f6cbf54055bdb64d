"""/vectors/jobs: the jobs of every capability, for the admin."""

from typing import Annotated

from litestar import Router, delete, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from app.db.database import Database
from app.jobs.models import Job, State
from app.jobs.service import cancel_job, get_job, list_jobs
from app.web.identity import Principal, require_admin
from app.web.paging import Cursor, Page
from app.web.problems import problem_responses

TAGS = ["jobs"]
Limit = Annotated[int, QueryParameter(ge=1, le=200, description="how many jobs at most")]
Kind = Annotated[
    str | None, QueryParameter(pattern=r"^[a-z][a-z0-9_]{0,39}$", description="only jobs of this kind")
]

# `state` itself is a name Litestar keeps for its own
OnlyState = Annotated[State | None, QueryParameter(name="state", description="only jobs in this state")]


@get("/", responses=problem_responses(404), tags=TAGS)
async def get_jobs(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    kind: Kind = None,
    only_state: OnlyState = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Job]:
    """Jobs, newest first."""
    require_admin(principal)
    return await list_jobs(principal.scope(database), limit, cursor, kind=kind, state=only_state)


@get("/{job_id:str}", responses=problem_responses(404), tags=TAGS)
async def get_job_by_id(
    job_id: FromPath[str], principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> Job:
    """One job: its state, its progress, and its result or error."""
    require_admin(principal)
    return await get_job(principal.scope(database), job_id)


@delete("/{job_id:str}", status_code=200, responses=problem_responses(404, 409), tags=TAGS)
async def delete_job(
    job_id: FromPath[str], principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> Job:
    """Cancel a job: at once while it is queued, at its next checkpoint while it runs."""
    require_admin(principal)
    return await cancel_job(principal.scope(database), job_id)


router = Router("/vectors/jobs", route_handlers=[get_jobs, get_job_by_id, delete_job])
