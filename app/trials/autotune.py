"""Autotune: the fastest config whose recall is shown to reach a target, found with few builds.

On one graph recall grows with ef_search, and so does time. So on each graph the least ef_search that reaches the target
is searched for: doubled until it does, then halved between. A larger graph needs a smaller beam; graphs are tried from
the cheapest on, and the search ends at the first that is no faster than the best so far, or when the beam is as small
as it gets. What "reaches" means is the lower end of the interval: a config that reached it by luck is not offered.
"""

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from app.jobs.queue import JobContext
from app.models.embedders import Embedders
from app.profiles.models import HnswConfig
from app.profiles.service import get_profile
from app.trials.models import Build, Measurement, ProfileOffer, Tuned
from app.trials.trial import TrialPlan, list_measured, measuring

#: From the cheapest to build on; the first is what a profile has by default.
LADDER = tuple(
    Build(m=m, ef_construction=ef, type="halfvec") for m, ef in ((16, 80), (24, 200), (32, 300), (48, 500))
)
WIDEST = 1000
#: Beams are found to within this share; below so few a larger graph has nothing to win.
STEP, NARROW = 0.08, 24
#: A graph must be so much faster than the one before, or the next is not tried.
GAIN = 0.95
Measure = Callable[[Build, int], Awaitable[Measurement]]


class TunePlan(msgspec.Struct, frozen=True):
    """The arguments of an autotune's job."""

    index: str
    eval: str
    k: int
    target_recall: float
    profile: str | None = None
    principal: str = ""


async def find_config(
    measure: Measure, target: float, k: int, ladder: Sequence[Build] = LADDER
) -> Measurement | None:
    """The fastest measurement that reaches `target`, or None when no config of the ladder does."""
    best: Measurement | None = None
    for build in ladder:
        found = await find_beam(measure, build, target, k, best.p50_us if best else None)
        if best is not None and (found is None or found.p50_us > best.p50_us * GAIN):
            return found if found is not None and found.p50_us < best.p50_us else best
        if found is not None:
            best = found
            if found.arm.ef_search <= max(NARROW, k):
                return best
    return best


async def find_beam(
    measure: Measure, build: Build, target: float, k: int, slowest_us: float | None = None
) -> Measurement | None:
    """The least beam of one graph that reaches the target; None when none does within `slowest_us`."""
    low, beam = k - 1, max(k, 40)
    found: Measurement | None = None
    while found is None:
        row = await measure(build, beam)
        if row.recall_low >= target:
            found = row
        elif beam == WIDEST or (slowest_us is not None and row.p50_us > slowest_us):
            return None
        else:
            low, beam = beam, min(beam * 2, WIDEST)
    high = found.arm.ef_search
    while high - low > max(1, round(high * STEP)):
        beam = (low + high) // 2
        row = await measure(build, beam)
        if row.recall_low >= target:
            found, high = row, beam
        else:
            low = beam
    return found


async def run_autotune(context: JobContext, embedders: Embedders, plan: TunePlan) -> Tuned:
    """Measure until the config is found; it is answered, and applied to nothing.

    Raises:
        NotFoundError: the index, the eval set or the profile is gone.
    """
    owner = context.database.owner()
    work_plan = TrialPlan(index=plan.index, eval=plan.eval, k=plan.k, arms=[], principal=plan.principal)
    done = 0
    async with measuring(context, embedders, "autotune", work_plan, LADDER) as (work, bench):
        evidence = await list_measured(owner, bench, context.job_id)
        known = {(row.arm.m, row.arm.ef_construction, row.arm.ef_search): row for row in evidence}

        async def measure(build: Build, ef_search: int) -> Measurement:
            nonlocal done
            row = known.get((build.m, build.ef_construction, ef_search))
            if row is None:
                row = await work.measure(build, ef_search)
            done += 1
            await context.report(done)
            return row

        found = await find_config(measure, plan.target_recall, plan.k)
        evidence = await list_measured(owner, bench, context.job_id)
    best = found or max(evidence, key=lambda row: (row.recall_low, -row.p50_us))
    config = HnswConfig(m=best.arm.m, ef_construction=best.arm.ef_construction, ef_search=best.arm.ef_search)
    await context.report(done, done)
    return Tuned(
        index=plan.index,
        eval=plan.eval,
        target_recall=plan.target_recall,
        reached=found is not None,
        config=config,
        best=best,
        evidence=evidence,
        plot=f"/vectors/hnsw/trials/{plan.index}/plot?job={context.job_id}",
        offer=await _offer(context, plan.profile, config),
    )


async def _offer(context: JobContext, profile: str | None, config: HnswConfig) -> ProfileOffer | None:
    """The profile as it is, with this config."""
    if profile is None:
        return None
    found = await get_profile(context.database.steward(), profile)
    body = {
        "id": found.id,
        "description": found.description,
        "ollama_name": found.ollama_name,
        "bound_datasets": found.bound_datasets,
        "hnsw_config": msgspec.to_builtins(config),
        "embed_model": found.embed_model,
        "access_role": found.access_role,
        "vector_backend": found.vector_backend,
    }
    return ProfileOffer(method="POST", path="/catalog/profiles", body=body)
