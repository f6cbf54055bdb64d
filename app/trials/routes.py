"""/vectors/hnsw: eval sets, trials, the best of them, autotune, and what is warm."""

from typing import Annotated, Any

from litestar import Request, Response, Router, delete, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from app.db.database import Database
from app.trials.autogen import generate_eval
from app.trials.evals import create_eval, delete_eval, list_evals
from app.trials.models import (
    AutogenRequest,
    AutotuneRequest,
    Best,
    CacheStats,
    EvalRequest,
    EvalSet,
    Measurement,
    Metric,
    TrialAccepted,
    TrialRequest,
)
from app.trials.plan import check_name
from app.trials.service import (
    defer_autotune,
    defer_trial,
    find_best,
    get_cache_stats,
    list_trials,
    plot_trials,
)
from app.web.identity import Principal, guard_admin
from app.web.paging import Cursor, Limit, Page
from app.web.problems import problem_responses

TAGS = ["trials"]
#: Of an eval set: 10,000 vectors of 384 components are 40 MB as JSON.
MAX_BODY_BYTES = 64 * 1024 * 1024
SVG = "image/svg+xml"
Share = Annotated[float, QueryParameter(ge=0, le=1, description="by latency: only what reaches this recall")]
K = Annotated[int | None, QueryParameter(ge=1, le=100, description="hits that were asked for")]


@post("/evals", status_code=201, responses=problem_responses(404, 409, 413), guards=[guard_admin], tags=TAGS)
async def post_eval(
    data: JSONBody[EvalRequest],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
) -> EvalSet:
    """Keep a named set of questions to an index."""
    check_name(data.index)
    return await create_eval(principal.scope(database), data)


@get("/evals", responses=problem_responses(404), guards=[guard_admin], tags=TAGS)
async def get_evals(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    index: FromQuery[str | None] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[EvalSet]:
    """The eval sets, by name; never what they ask."""
    check_name(index or "")
    return await list_evals(principal.scope(database), index, limit, cursor)


@delete(
    "/evals/{name:str}", status_code=200, responses=problem_responses(404), guards=[guard_admin], tags=TAGS
)
async def delete_eval_by_name(
    name: FromPath[str], principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> EvalSet:
    """Delete an eval set; what was measured with it stays on record."""
    return await delete_eval(principal.scope(database), name)


@post(
    "/evals/{name:str}/autogen",
    status_code=200,
    responses=problem_responses(404, 409, 413),
    guards=[guard_admin],
    tags=TAGS,
)
async def post_autogen(
    name: FromPath[str],
    data: JSONBody[AutogenRequest],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    request: Request[Any, Any, Any],
) -> EvalSet:
    """Make an eval set of the index's own rows, or of what was asked of it; one that is there only with `replace`."""
    check_name(data.index)
    keep: int = request.app.state.settings.audit.keep_questions
    return await generate_eval(principal.scope(database), name, data, keep)


@post("/trial", status_code=202, responses=problem_responses(404, 413, 507), guards=[guard_admin], tags=TAGS)
async def post_trial(
    data: JSONBody[TrialRequest],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    request: Request[Any, Any, Any],
) -> TrialAccepted:
    """Measure HNSW configs on a copy of an index, by a job."""
    return await defer_trial(principal.scope(database), request.app.state.settings, data)


@post(
    "/autotune", status_code=202, responses=problem_responses(404, 413, 507), guards=[guard_admin], tags=TAGS
)
async def post_autotune(
    data: JSONBody[AutotuneRequest],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    request: Request[Any, Any, Any],
) -> TrialAccepted:
    """Find the fastest config that reaches a recall, by a job; its result is the config and all that was measured."""
    return await defer_autotune(principal.scope(database), request.app.state.settings, data)


@get("/trials/{index:str}", responses=problem_responses(404), guards=[guard_admin], tags=TAGS)
async def get_trials(
    index: FromPath[str],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    eval: FromQuery[str | None] = None,
    job: FromQuery[str | None] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Measurement]:
    """What was measured on an index under any model, newest first; also when the index was deleted since."""
    return await list_trials(principal.scope(database), index, eval, job, limit, cursor)


@get("/trials/{index:str}/best", responses=problem_responses(404), guards=[guard_admin], tags=TAGS)
async def get_best(
    index: FromPath[str],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    metric: FromQuery[Metric] = "pareto",
    eval: FromQuery[str | None] = None,
    k: K = None,
    min_recall: Share = 0.9,
) -> Best:
    """The best config measured under the present model: by recall, by latency, or all that nothing is better than."""
    return await find_best(principal.scope(database), index, metric, eval, k, min_recall)


@get(
    "/trials/{index:str}/plot",
    responses={
        **problem_responses(404),
        200: ResponseSpec(
            str,
            media_type=SVG,
            generate_examples=False,
            description="Recall against time, as a picture",
        ),
    },
    guards=[guard_admin],
    tags=TAGS,
)
async def get_plot(
    index: FromPath[str],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    eval: FromQuery[str | None] = None,
    job: FromQuery[str | None] = None,
    k: K = None,
) -> Response[str]:
    """Recall against time as SVG: of what was measured under the present model, or of a job whatever came since."""
    picture = await plot_trials(principal.scope(database), index, eval, job, k)
    return Response(picture, media_type=SVG)


@get("/cache/stats", responses=problem_responses(), tags=TAGS)
async def get_stats(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    limit: Limit = 100,
    cursor: Cursor = None,
) -> CacheStats:
    """How large the caller's indexes are, and for admins what of them is warm."""
    return await get_cache_stats(principal.scope(database), limit, cursor, admin=principal.is_admin)


router = Router(
    "/vectors/hnsw",
    route_handlers=[
        post_eval,
        get_evals,
        delete_eval_by_name,
        post_autogen,
        post_trial,
        post_autotune,
        get_trials,
        get_best,
        get_plot,
        get_stats,
    ],
    request_max_body_size=MAX_BODY_BYTES,
)
