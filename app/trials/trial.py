"""What a job measures goes to the trial journal row by row; the trial itself: every beam of every arm."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from pgvector import HalfVector

from app.db.database import Database
from app.db.queries import load_queries
from app.db.scope import Scope
from app.jobs.queue import JobContext
from app.models.embedders import Embedders
from app.trials.bench import Beam, Bench, Built, Timed, open_bench
from app.trials.evals import read_questions
from app.trials.models import Build, Kind, Measurement
from app.trials.plan import GRAPHS, check_name, plan_estimate
from app.trials.statements import count_chunks
from app.trials.truth import get_truth
from app.vectors.indexing import get_index_row
from app.vectors.models import IndexRow
from app.vectors.statements import table

QUERIES = load_queries(__file__)


class TrialPlan(msgspec.Struct, frozen=True):
    """The arguments of a trial's job."""

    index: str
    eval: str
    k: int
    arms: list[tuple[Build, list[int]]]
    principal: str = ""


class Measuring:
    """A bench with its questions and their truth: measures beams of graphs, and keeps what came of it."""

    def __init__(
        self,
        owner: Scope,
        bench: Bench,
        queries: Sequence[HalfVector],
        truth: NDArray[np.float32],
        entry: Mapping[str, Any],
    ) -> None:
        self._owner = owner
        self._bench = bench
        self._queries = queries
        self._truth = truth
        self._entry = entry
        self._built: dict[int, Built] = {}

    @property
    def builds(self) -> list[Build]:
        """The graphs that are there."""
        return [built.build for built in self._built.values()]

    async def build(self, build: Build) -> Built:
        """The arm's graph, unless it is there. There are GRAPHS at most: the one used longest ago makes way."""
        slot = next((slot for slot, built in self._built.items() if built.build == build), None)
        if slot is not None:
            found = self._built.pop(slot)
        else:
            free = [slot for slot in range(GRAPHS) if slot not in self._built]
            slot = free[0] if free else next(iter(self._built))
            self._built.pop(slot, None)
            found = await self._bench.build(build, slot)
        self._built[slot] = found
        return found

    async def measure(self, configs: Sequence[tuple[Build, int]]) -> list[Measurement]:
        """A row of the journal for each beam of at most GRAPHS graphs, appended; all of them measured in turns."""
        k: int = self._entry["k"]
        beams = [Beam(built=await self.build(build), ef_search=beam) for build, beam in configs]
        timed = await self._bench.time(beams, k, self._queries, self._truth)
        rows: list[Measurement] = []
        for beam, figures in zip(beams, timed, strict=True):
            async with self._owner.begin() as transaction:
                entry = {**self._entry, **_figures(beam.built, beam.ef_search, figures)}
                row_id = await transaction.fetch_value(QUERIES["append_trial"], entry)
            rows += await self.list_measured(row_id)
        return rows

    async def list_measured(self, row_id: int | None = None) -> list[Measurement]:
        """What the job has measured here, oldest first; with `row_id` that row alone.

        An earlier attempt of the job may have measured the version of the index that was live before, or asked what the
        eval set had before: that is not the same.
        """
        parameters = {
            "index": self._bench.index.name,
            "index_id": self._bench.index.id,
            "present": False,
            "eval": None,
            "k": None,
            "job_id": self._entry["job_id"],
            "before": None if row_id is None else row_id + 1,
            "limit": 100_000 if row_id is None else 1,
        }
        rows = await self._owner.fetch(Measurement, QUERIES["measurements"], parameters)
        return [row for row in rows[::-1] if row.eval_version == self._entry["eval_version"]]


def _figures(built: Built, ef_search: int, timed: Timed) -> dict[str, Any]:
    return {
        **msgspec.structs.asdict(built.build),
        "ef_search": ef_search,
        "recall": timed.recall.mean,
        "recall_low": timed.recall.low,
        "recall_high": timed.recall.high,
        "p50_us": timed.p50_us,
        "p95_us": timed.p95_us,
        "p99_us": timed.p99_us,
        "build_s": built.build_s,
        "bytes": built.bytes,
    }


async def require_index(scope: Scope, name: str) -> IndexRow:
    """The live version of the index.

    Raises:
        NotFoundError: no such index.
    """
    check_name(name)
    return await get_index_row(scope, name)


@asynccontextmanager
async def measuring(
    context: JobContext, embedders: Embedders, kind: Kind, plan: "TrialPlan", builds: Sequence[Build]
) -> AsyncIterator[Measuring]:
    """Questions embedded, vectors copied, truth known: ready to measure for the job of `context`.

    Raises:
        NotFoundError: the index or the eval set is gone.
        ConflictError: another model is configured than the index's own.
        JobStoppedError: the job was cancelled.
    """
    owner = context.database.owner()
    index = await require_index(owner, plan.index)
    questions = await read_questions(owner, embedders, index, plan.eval)

    async def tick() -> None:
        await context.report(context.done, context.total)

    rows = await count_vectors(context.database, index.table_name)
    estimate = plan_estimate(rows, index.dimensions, builds)
    async with open_bench(context.database, index, context.job_id, estimate, tick) as bench:
        truth, _ = await get_truth(
            owner, bench.connection, plan.eval, bench.version, bench.name, questions, tick
        )
        entry = {
            "job_id": context.job_id,
            "kind": kind,
            "index_id": index.id,
            "index_name": index.name,
            "eval_name": plan.eval,
            "model_name": index.model_name,
            "model_version": index.model_version,
            "version": bench.version,
            "vectors": bench.vectors,
            "k": plan.k,
            "queries": len(questions.questions),
            "eval_version": questions.version,
            "measured_by": plan.principal,
        }
        queries = [HalfVector(vector) for vector in questions.vectors]
        yield Measuring(owner, bench, queries, truth, entry)


async def count_vectors(database: Database, table_name: str) -> int:
    """How many chunks an index has."""
    count: int = await database.owner().fetch_value(count_chunks(table(table_name)))
    return count


async def run_trial(context: JobContext, embedders: Embedders, plan: TrialPlan) -> list[Measurement]:
    """Measure every beam of every arm; what this job has measured in an earlier attempt is not measured again.

    As many arms as there may be graphs are taken at a time, and all of their beams in turns: their times compare
    whatever else the machine does.
    """
    total = sum(len(beams) + 1 for _, beams in plan.arms)
    await context.report(0, total)
    done = 0
    async with measuring(context, embedders, "trial", plan, [build for build, _ in plan.arms]) as work:
        known = [row.arm for row in await work.list_measured()]
        for first in range(0, len(plan.arms), GRAPHS):
            arms = plan.arms[first : first + GRAPHS]
            left = {
                build: [beam for beam in beams if not any(_is(arm, build, beam) for arm in known)]
                for build, beams in arms
            }
            for build, beams in left.items():
                if beams:
                    await work.build(build)
                done += 1
                await context.report(done, total)
            if any(left.values()):
                await work.measure([(build, beam) for build, beams in left.items() for beam in beams])
            done += sum(len(beams) for _, beams in arms)
            await context.report(done, total)
        return await work.list_measured()


def _is(arm: Any, build: Build, ef_search: int) -> bool:
    return (arm.m, arm.ef_construction, arm.type, arm.ef_search) == (
        build.m,
        build.ef_construction,
        build.type,
        ef_search,
    )
