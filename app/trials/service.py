"""The verbs of trials for those who ask for them; what measures is a job."""

from uuid import UUID

import msgspec

from app.db.queries import load_queries
from app.db.scope import Scope
from app.errors import NotFoundError
from app.jobs.service import defer_job
from app.profiles.service import get_profile
from app.settings import Settings
from app.trials.autogen import generate_eval
from app.trials.autotune import LADDER, TunePlan
from app.trials.evals import EvalId, check_same, find_eval_set, require_eval
from app.trials.models import (
    AutogenRequest,
    AutotuneRequest,
    Best,
    Build,
    CacheStats,
    EvalSet,
    IndexCache,
    Kind,
    Measurement,
    Metric,
    TrialAccepted,
    TrialRequest,
)
from app.trials.plan import (
    Reader,
    check_profile,
    check_room,
    latest_of_each,
    pick_best,
    plan_arms,
    plan_estimate,
    plan_target,
)
from app.trials.plot import Tuning, draw_plot
from app.trials.room import find_room
from app.trials.statements import count_chunks
from app.trials.trial import TrialPlan, require_index
from app.vectors.models import IndexRow
from app.vectors.statements import table
from app.web.paging import Page, decode_cursor, plan_page

QUERIES = load_queries(__file__)
#: One at a time: two would measure each other.
LOCK = "trial"
#: So many measurements are looked at for `best` and a plot: the newest.
LOOKED_AT = 5_000
GENERATED = 1000


async def defer_trial(scope: Scope, settings: Settings, request: TrialRequest) -> TrialAccepted:
    """Have the arms measured; `scope` is a steward's.

    Raises:
        NotFoundError: no such index or eval set.
        InvalidInputError: see plan_arms and check_room, or the eval set asks another index.
        DiskFullError: see check_room.
    """
    index = await require_index(scope, request.index)
    arms = plan_arms(request)
    await require_eval(scope, request.eval, index)
    await _check_room(scope, settings, index, list(arms))
    plan = TrialPlan(
        index=index.name,
        eval=request.eval,
        k=request.k,
        arms=list(arms.items()),
        principal=scope.actor.principal,
    )
    return TrialAccepted(
        job_id=await _defer(scope, "trial", index.name, plan), index=index.name, eval=request.eval
    )


async def defer_autotune(scope: Scope, settings: Settings, request: AutotuneRequest) -> TrialAccepted:
    """Have the cheapest config found; without an eval set one is made of the index's rows, `<index>_rows`.

    Raises:
        NotFoundError: no such index, eval set or profile.
        ProfileNotBoundError: the profile may not search the index.
        InvalidInputError: see plan_target, check_profile and check_room, or the eval set asks another index.
        DiskFullError: see check_room.
    """
    index = await require_index(scope, request.index)
    if request.profile is not None:
        profile = await get_profile(scope, request.profile)
        [reader] = await scope.fetch(Reader, QUERIES["reader"], {"profile": profile.id, "index_id": index.id})
        check_profile(profile, index.name, reader)
    plan_target(request, 1_000_000)  # what no eval set could show is refused before one is made
    await _check_room(scope, settings, index, LADDER)
    found = await _eval_of(scope, request, index)
    plan_target(request, found.queries)
    plan = TunePlan(
        index=index.name,
        eval=found.name,
        k=request.k,
        target_recall=request.target_recall,
        profile=request.profile,
        principal=scope.actor.principal,
    )
    job_id = await _defer(scope, "autotune", index.name, plan)
    return TrialAccepted(job_id=job_id, index=index.name, eval=found.name)


async def _eval_of(scope: Scope, request: AutotuneRequest, index: IndexRow) -> EvalSet:
    if request.eval is not None:
        return await require_eval(scope, request.eval, index)
    name = f"{index.name[:43]}_rows"
    found = await find_eval_set(scope, name)
    if found is not None and found.index == index.name and found.queries:
        return found
    return await generate_eval(scope, name, AutogenRequest(index=index.name, queries=GENERATED))


async def _check_room(
    scope: Scope, settings: Settings, index: IndexRow, builds: "list[Build] | tuple[Build, ...]"
) -> None:
    rows = await scope.fetch_value(count_chunks(table(index.table_name)))
    check_room(plan_estimate(rows, index.dimensions, builds), await find_room(settings))


async def _defer(scope: Scope, kind: Kind, index: str, plan: msgspec.Struct) -> str:
    async with scope.begin() as transaction:
        return await defer_job(
            transaction,
            kind=kind,
            subject=index,
            args=msgspec.to_builtins(plan),
            unit="steps",
            lock=LOCK,
            created_by=scope.actor.principal,
        )


async def list_trials(
    scope: Scope, index: str, eval_name: str | None, job: str | None, limit: int, cursor: str | None
) -> Page[Measurement]:
    """What was measured on an index of that name, newest first: under each of its models, and when it is gone.

    Raises:
        NotFoundError: no such index, and nothing was ever measured on one of that name.
    """
    before = decode_cursor(cursor, int) if cursor else None
    rows = await _measurements(
        scope, index, present=False, eval_name=eval_name, job=job, before=before, limit=limit + 1
    )
    if not rows and not await scope.fetch_value(QUERIES["was_measured"], {"index": index, "eval": None}):
        await require_index(scope, index)
    return plan_page(rows, limit, lambda row: row.id)


async def find_best(
    scope: Scope, index: str, metric: Metric, eval_name: str | None, k: int | None, min_recall: float
) -> Best:
    """The best of what was measured with one eval set and one k: those asked for, else those of the last measurement.

    Of an arm that was measured more than once the last counts, and only what the index's present model made. With an
    eval set that is there only what was measured when it had the questions that it has now.

    Raises:
        NotFoundError: no such index or eval set.
        InvalidInputError: the eval set asks another index.
    """
    rows = _comparable(await _present(scope, await require_index(scope, index), eval_name, k))
    return Best(
        index=index,
        metric=metric,
        eval=rows[0].eval if rows else eval_name,
        k=rows[0].k if rows else k or 10,
        min_recall=min_recall if metric == "latency" else 0.0,
        items=pick_best(latest_of_each(rows), metric, min_recall),
    )


async def _present(scope: Scope, index: IndexRow, eval_name: str | None, k: int | None) -> list[Measurement]:
    """What compares with what would be measured now."""
    rows = await _measurements(scope, index.name, present=True, eval_name=eval_name, k=k)
    if not rows and eval_name is not None:
        found = await find_eval_set(scope, eval_name)
        if found is not None:
            check_same(EvalId(id=0, index=found.index), eval_name, index)
        elif not await scope.fetch_value(QUERIES["was_measured"], {"index": index.name, "eval": eval_name}):
            raise NotFoundError(
                f"no eval set {eval_name[:60]!r}, and nothing of index {index.name!r} was measured with one"
            )
    return rows


async def plot_trials(
    scope: Scope, index: str, eval_name: str | None, job: str | None, k: int | None = None
) -> str:
    """A picture of what `find_best` compares, as SVG; with `job` of that job's measurements, whatever came since.

    Raises:
        NotFoundError: no such index or eval set, or nothing measured that could be drawn.
        InvalidInputError: the eval set asks another index.
    """
    tuning: list[Tuning] = []
    if job is None:
        found = await _present(scope, await require_index(scope, index), eval_name, k)
    else:
        tuning = await scope.fetch(Tuning, QUERIES["tuning"], {"job_id": _job_id(job)})
        found = await _measurements(scope, index, present=False, eval_name=eval_name, k=k, job=job)
    if not found:
        raise NotFoundError(_say_nothing(index, eval_name, job, k))
    rows = latest_of_each(_comparable(found))
    return draw_plot(rows, f"{index}: recall against time", _about(rows), next(iter(tuning), None))


def _say_nothing(index: str, eval_name: str | None, job: str | None, k: int | None) -> str:
    by = "nothing was measured" if job is None else f"job {job[:40]!r} has measured nothing"
    asked = f" with eval set {eval_name[:60]!r}" if eval_name else ""
    hits = f" for {k} hits" if k else ""
    now = "" if job else ", under the model and with the questions that there are now"
    return f"{by} of index {index[:60]!r}{asked}{hits}{now}: there is nothing to draw"


def _about(rows: list[Measurement]) -> str:
    first = rows[0]
    return (
        f"recall@{first.k} of {first.queries:,} queries ({first.eval}) among {first.vectors:,} vectors of "
        f"{first.model_name}; the number at a point is ef_search"
    )


def _comparable(rows: list[Measurement]) -> list[Measurement]:
    """Those that were asked the same, for as many hits, under the same model as the newest.

    Of the same version of a set fewer questions are asked when texts that they are parts of are gone.
    """
    return [row for row in rows if _kind(row) == _kind(rows[0])]


def _kind(row: Measurement) -> tuple[str | int | None, ...]:
    return row.eval, row.eval_version, row.queries, row.k, row.model_name, row.model_version


async def _measurements(
    scope: Scope,
    index: str,
    *,
    present: bool,
    eval_name: str | None = None,
    k: int | None = None,
    job: str | None = None,
    before: int | None = None,
    limit: int = LOOKED_AT,
) -> list[Measurement]:
    parameters = {
        "index": index,
        "index_id": None,
        "present": present,
        "eval": eval_name,
        "k": k,
        "job_id": _job_id(job),
        "before": before,
        "limit": limit,
    }
    return await scope.fetch(Measurement, QUERIES["measurements"], parameters)


def _job_id(job: str | None) -> str | None:
    if job is None:
        return None
    try:
        return str(UUID(job))
    except ValueError as exc:
        raise NotFoundError(f"no job {job[:40]!r}") from exc


async def get_cache_stats(scope: Scope, limit: int, cursor: str | None, *, admin: bool) -> CacheStats:
    """How the indexes that the scope may search are kept in memory, by index and profile.

    Counters are of all readers of an index, so `admin` alone is told. Whether an index is warm is seen by its hit ratio
    since the server's counters began.
    """
    index, profile = decode_cursor(cursor, tuple[str, str]) if cursor else (None, None)
    parameters = {"admin": admin, "after_index": index, "after_profile": profile, "limit": limit + 1}
    rows = await scope.fetch(IndexCache, QUERIES["cache_stats"], parameters)
    page = plan_page(rows, limit, lambda row: (row.index, row.profile))
    size = await scope.fetch_value(QUERIES["shared_buffers"]) if admin else None
    return CacheStats(shared_buffers_bytes=size, items=page.items, next_cursor=page.next_cursor)
