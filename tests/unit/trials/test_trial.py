"""Of a trial's graphs there are three at a time, and the one used longest ago makes way."""

from types import SimpleNamespace
from typing import Any, cast

import msgspec
import numpy as np

from app.trials.bench import Bench, Built
from app.trials.models import Build
from app.trials.plan import GRAPHS
from app.trials.trial import Measuring
from tests.unit.trials.test_plan import row

BUILDS = [Build(m=m, ef_construction=100, type="halfvec") for m in (8, 16, 24, 32)]


class Builder:
    """Builds nothing, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.built: list[tuple[int, int]] = []

    async def build(self, build: Build, slot: int) -> Built:
        self.built.append((build.m, slot))
        return Built(build=build, slot=slot, build_s=1.0, bytes=1)


async def test_the_graph_that_was_used_longest_ago_makes_way() -> None:
    builder = Builder()
    work = Measuring(cast("Any", None), cast("Bench", builder), [], np.zeros((0, 1), np.float32), {})
    for build in (*BUILDS[:GRAPHS], BUILDS[0]):
        await work.build(build)
    assert builder.built == [(8, 0), (16, 1), (24, 2)], "what is there is not built again"
    await work.build(BUILDS[3])
    assert builder.built[-1] == (32, 1) and {build.m for build in work.builds} == {8, 24, 32}


async def test_what_an_earlier_attempt_asked_of_other_questions_is_not_counted() -> None:
    class Journal:
        async def fetch(self, *_: Any) -> list[Any]:
            return [row(2, 0.9, 1), msgspec.structs.replace(row(1, 0.8, 1), eval_version="0")]

    bench = SimpleNamespace(index=SimpleNamespace(name="ix", id=1))
    entry = {"job_id": "j", "eval_version": "1"}
    work = Measuring(cast("Any", Journal()), cast("Bench", bench), [], np.zeros((0, 1), np.float32), entry)
    assert [found.id for found in await work.list_measured()] == [2]
