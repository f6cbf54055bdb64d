"""Autotune: the fastest config whose recall is shown to reach a target, found with few builds.

On one graph recall grows with ef_search, and so does time. So on each graph the least ef_search that reaches the target
is searched for: doubled until it does, then halved between. A larger graph needs a smaller beam; graphs are tried from
the cheapest on, and the search ends at the first that is no faster than the best so far (measured in turns), or when
the beam is as small as it gets. At the end all beams of all these graphs are measured once more, in turns: a machine's
pace was seen to change by 40% within minutes, which is more than configs differ by. What "reaches" means is the lower
end of the interval: a config that reached it by luck is not offered.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from app.jobs.queue import JobContext
from app.models.embedders import Embedders
from app.profiles.models import HnswConfig
from app.profiles.service import get_profile
from app.trials.models import Build, Measurement, ProfileOffer, Tuned
from app.trials.plan import latest_of_each
from app.trials.trial import Measuring, TrialPlan, measuring

#: From the cheapest to build on; the first is what a profile has by default. On 107,525 real texts (20, 300) reaches
#: .9928 in 1.97 ms where (24, 200) takes 2.10 for .9932 and (16, 400) 2.30 for .9931: links cost each step, care in
#: building the graph costs nothing afterwards.
LADDER = tuple(
    Build(m=m, ef_construction=ef, type="halfvec") for m, ef in ((16, 80), (20, 300), (32, 300), (48, 500))
)
#: Tried for speed; what comes after takes long to build, and is tried when nothing else reaches the target.
FOR_SPEED = 3
WIDEST = 1000
#: Beams are found to within this share; below so few a larger graph has nothing to win.
STEP, NARROW = 0.08, 24
#: A graph must be so much faster than the one before, or the next is not tried; so much slower, and it is given up.
GAIN, HOPELESS = 0.95, 1.5


class TunePlan(msgspec.Struct, frozen=True):
    """The arguments of an autotune's job."""

    index: str
    eval: str
    k: int
    target_recall: float
    profile: str | None = None
    principal: str = ""


class Contest(Protocol):
    """What measures: one config, or several in turns so that their times compare."""

    async def measure(self, build: Build, ef_search: int) -> Measurement:
        """One config."""
        ...

    async def race(self, first: Measurement, second: Measurement) -> tuple[Measurement, Measurement]:
        """Both again, in turns."""
        ...

    async def settle(self) -> list[Measurement]:
        """All beams that were measured of the graphs that are still there, once more and in turns."""
        ...


async def find_config(
    contest: Contest, target: float, k: int, ladder: Sequence[Build] = LADDER
) -> Measurement | None:
    """The fastest measurement that reaches `target`, or None when no config of the ladder does."""
    best = await _climb(contest, target, k, ladder)
    reached = [row for row in await contest.settle() if row.recall_low >= target]
    return min(reached, key=lambda row: row.p50_us, default=best)


async def _climb(contest: Contest, target: float, k: int, ladder: Sequence[Build]) -> Measurement | None:
    """The best as far as it is known: graphs were measured one after another, but for the last two beams."""
    best: Measurement | None = None
    for number, build in enumerate(ladder):
        if best is not None and (number >= FOR_SPEED or best.arm.ef_search <= max(NARROW, k)):
            return best
        found = await find_beam(contest, build, target, k, best)
        if best is None:
            best = found
        elif found is None:
            return best
        else:
            best, found = await contest.race(best, found)
            if found.p50_us > best.p50_us * GAIN:
                return found if found.p50_us < best.p50_us else best
            best = found
    return best


async def find_beam(
    contest: Contest, build: Build, target: float, k: int, best: Measurement | None = None
) -> Measurement | None:
    """The least beam of one graph that reaches the target; None when none does in a time that could be `best`."""
    low, beam = k - 1, max(k, 40)
    found: Measurement | None = None
    while found is None:
        row = await contest.measure(build, beam)
        if row.recall_low >= target:
            found = row
        elif beam == WIDEST or (best is not None and await _is_hopeless(contest, best, row)):
            return None
        else:
            low, beam = beam, min(beam * 2, WIDEST)
    high = found.arm.ef_search
    while high - low > max(1, round(high * STEP)):
        beam = (low + high) // 2
        row = await contest.measure(build, beam)
        if row.recall_low >= target:
            found, high = row, beam
        else:
            low = beam
    return found


async def _is_hopeless(contest: Contest, best: Measurement, row: Measurement) -> bool:
    if row.p50_us <= best.p50_us * HOPELESS:
        return False
    # the best was measured at another hour: it may be the machine that is slower now
    best, row = await contest.race(best, row)
    return row.p50_us > best.p50_us * HOPELESS


def build_of(row: Measurement) -> Build:
    """The graph that was measured."""
    return Build(m=row.arm.m, ef_construction=row.arm.ef_construction, type=row.arm.type)


class _Job:
    """The contest of a job: counts its measurements, and repeats none that an earlier attempt has kept."""

    def __init__(self, context: JobContext, work: Measuring, evidence: Sequence[Measurement]) -> None:
        self._context = context
        self._work = work
        self._known = {(build_of(row), row.arm.ef_search): row for row in evidence}
        self.done = 0

    async def measure(self, build: Build, ef_search: int) -> Measurement:
        row = self._known.get((build, ef_search))
        if row is None:
            [row] = await self._work.measure([(build, ef_search)])
            self._known[build, ef_search] = row
        self.done += 1
        await self._context.report(self.done)
        return row

    async def race(self, first: Measurement, second: Measurement) -> tuple[Measurement, Measurement]:
        pair = [(build_of(row), row.arm.ef_search) for row in (first, second)]
        before, after = await self._work.measure(pair)
        self.done += 1
        await self._context.report(self.done)
        return before, after

    async def settle(self) -> list[Measurement]:
        there = self._work.builds
        ascending = sorted(self._known, key=lambda config: (config[0].m, config[1]))
        beams = [(build, beam) for build, beam in ascending if build in there]
        rows = await self._work.measure(beams)
        self.done += len(beams)
        await self._context.report(self.done)
        return rows


async def run_autotune(context: JobContext, embedders: Embedders, plan: TunePlan) -> Tuned:
    """Measure until the config is found; it is answered, and applied to nothing.

    Raises:
        NotFoundError: the index, the eval set or the profile is gone.
    """
    work_plan = TrialPlan(index=plan.index, eval=plan.eval, k=plan.k, arms=[], principal=plan.principal)
    async with measuring(context, embedders, "autotune", work_plan, LADDER) as work:
        job = _Job(context, work, await work.list_measured())
        found = await find_config(job, plan.target_recall, plan.k)
        evidence = latest_of_each(await work.list_measured())
    best = found or max(evidence, key=lambda row: (row.recall_low, -row.p50_us))
    config = HnswConfig(m=best.arm.m, ef_construction=best.arm.ef_construction, ef_search=best.arm.ef_search)
    await context.report(job.done, job.done)
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
