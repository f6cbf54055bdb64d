"""Autotune on real embeddings: is what it finds as fast as what somebody found by hand, and is it found again?"""

import asyncio
from pathlib import Path
from typing import Any

import msgspec

from app.db.database import Database, open_database
from app.jobs.queue import JobContext
from app.jobs.runner import Registration, Runner
from app.jobs.service import get_job
from app.models.embedders import Embedders
from app.models.fake import FakeEmbedder
from app.profiles.models import HnswConfig
from app.trials.autotune import TunePlan, run_autotune
from app.trials.evals import create_eval
from app.trials.models import (
    Arm,
    AutotuneRequest,
    EvalQuery,
    EvalRequest,
    Measurement,
    TrialRequest,
    Tuned,
)
from app.trials.service import defer_autotune, defer_trial, list_trials, plot_trials
from app.trials.trial import TrialPlan, run_trial
from tests.benchmarks.corpus import Corpus
from tests.benchmarks.figures import Figure
from tests.benchmarks.home import QUICK, Home
from tests.benchmarks.setup import INDEX

TARGET, K, EVAL = 0.99, 10, "bench"
#: Found by hand on these vectors: recall .994.
BY_HAND = Arm(m=24, ef_construction=200, ef_search=[100])


async def _run(database: Database, kind: str, job_id: str) -> dict[str, Any]:
    """The job's result, run here as a worker would."""

    async def handle(context: JobContext) -> dict[str, Any]:
        if kind == "autotune":
            plan = msgspec.convert(context.args, TunePlan)
            return dict(msgspec.to_builtins(await run_autotune(context, Embedders(FakeEmbedder()), plan)))
        rows = await run_trial(context, Embedders(FakeEmbedder()), msgspec.convert(context.args, TrialPlan))
        return {"rows": len(rows)}

    await Runner(database).run(Registration(kind, handle, 1), job_id)
    job = await get_job(database.steward(), job_id)
    assert job.state == "succeeded" and job.result is not None, job
    return job.result


async def _tune(home: Home, database: Database) -> tuple[Tuned, str]:
    """What was found, and the picture of how."""
    request = AutotuneRequest(index=INDEX, target_recall=TARGET, eval=EVAL, k=K)
    accepted = await defer_autotune(database.steward(), home.settings, request)
    tuned = msgspec.convert(await _run(database, "autotune", accepted.job_id), Tuned)
    return tuned, await plot_trials(database.steward(), INDEX, None, accepted.job_id)


async def _trial(home: Home, database: Database, arms: list[Arm]) -> list[Measurement]:
    accepted = await defer_trial(
        database.steward(), home.settings, TrialRequest(index=INDEX, eval=EVAL, arms=arms, k=K)
    )
    await _run(database, "trial", accepted.job_id)
    page = await list_trials(database.steward(), INDEX, None, accepted.job_id, 500, None)
    return page.items


async def _measure(home: Home, corpus: Corpus) -> tuple[list[Figure], HnswConfig]:
    database = await open_database(home.service_dsn, home.settings)
    try:
        queries = [EvalQuery(vector=[float(x) for x in vector]) for vector in corpus.queries]
        await create_eval(database.steward(), EvalRequest(name=EVAL, index=INDEX, queries=queries))
        tuned = []
        for number in range(1, 2 if QUICK else 3):
            result, picture = await _tune(home, database)
            tuned.append(result)
            Path(f"bench-autotune-{number}.svg").write_text(picture)
        config = tuned[0].config
        found = Arm(m=config.m, ef_construction=config.ef_construction, ef_search=[config.ef_search])
        # these are few enough to be measured in turns
        rows = await _trial(home, database, [BY_HAND, found])
    finally:
        await database.close()
    return _figures(tuned, rows, BY_HAND, found), config


def _figures(tuned: list[Tuned], rows: list[Measurement], by_hand: Arm, found: Arm) -> list[Figure]:
    def row_of(arm: Arm) -> Measurement:
        return next(
            row
            for row in rows
            if (row.arm.m, row.arm.ef_construction, row.arm.ef_search)
            == (arm.m, arm.ef_construction, arm.ef_search[0])
        )

    ours, theirs = row_of(found), row_of(by_hand)
    graphs = len({(row.arm.m, row.arm.ef_construction) for row in tuned[0].evidence})
    figures = [
        Figure(
            name=f"autotune at recall@{K} >= {TARGET}: time of a search with the config it finds",
            ours=f"{ours.p50_us / 1000:.2f} ms, recall {ours.recall:.4f}",
            peer=f"{theirs.p50_us / 1000:.2f} ms, recall {theirs.recall:.4f}",
            value=ours.p50_us / theirs.p50_us,
            unit="x",
            relation="<=",
            # one graph is not quite like another of the same config, and one run not quite like the next
            target=1.05,
            note=f"found m {ours.arm.m}, ef_construction {ours.arm.ef_construction}, ef_search {ours.arm.ef_search} in "
            f"{len(tuned[0].evidence)} measurements of {graphs} graphs; "
            "peer: m 24, ef_construction 200, ef_search 100, found by hand; in turns",
        ),
    ]
    if len(tuned) > 1:
        first, second = tuned[0].best, tuned[1].best
        figures.append(
            Figure(
                name="autotune run twice: difference of the recalls, in half widths of the interval",
                ours=f"{second.recall:.4f} (m {second.arm.m}, ef_search {second.arm.ef_search})",
                peer=f"{first.recall:.4f} (m {first.arm.m}, ef_search {first.arm.ef_search})",
                value=abs(first.recall - second.recall) / ((first.recall_high - first.recall_low) / 2),
                unit="",
                relation="<=",
                target=1,
                note="peer: the first run",
            )
        )
    return figures


def measure(home: Home, corpus: Corpus) -> tuple[list[Figure], HnswConfig]:
    """The figures of this module, and the config that was found; the index is the one that `search` left."""
    return asyncio.run(_measure(home, corpus))
