"""The search for the cheapest config, on graphs that are formulas."""

import msgspec

from app.trials.autotune import LADDER, find_beam, find_config
from app.trials.models import Build, MeasuredArm, Measurement
from tests.unit.trials.test_plan import row


class Graphs:
    """Recall grows with the beam and with m, time with both; counts what is measured."""

    def __init__(self, slowness: float = 1.0) -> None:
        self.asked: list[tuple[int, int]] = []
        self.raced: list[tuple[int, int]] = []
        #: By how much the machine is slower when one is measured alone.
        self.pace = 1.0
        self.settled_us: dict[int, float] = {}
        self._slowness = slowness
        self._found: list[Measurement] = []

    async def race(self, first: Measurement, second: Measurement) -> tuple[Measurement, Measurement]:
        self.raced.append((first.arm.m, second.arm.m))
        if self.pace == 1.0:
            return first, second
        return first, msgspec.structs.replace(second, p50_us=second.p50_us / self.pace)

    async def settle(self) -> list[Measurement]:
        """What was measured, with the pace that the machine has now."""
        self.settled = [
            msgspec.structs.replace(found, p50_us=self.settled_us.get(found.arm.m, found.p50_us))
            for found in self._found
        ]
        return self.settled

    def recall(self, build: Build, ef_search: int) -> float:
        return 1 - 0.8 / (ef_search * (build.m / 16) ** 2) - 0.003

    async def measure(self, build: Build, ef_search: int) -> Measurement:
        self.asked.append((build.m, ef_search))
        arm = MeasuredArm(
            m=build.m, ef_construction=build.ef_construction, type="halfvec", ef_search=ef_search
        )
        time = (100 + ef_search * 10) * (build.m / 16) ** self._slowness * self.pace
        found = row(len(self.asked), self.recall(build, ef_search), time)
        self._found.append(msgspec.structs.replace(found, arm=arm, recall_low=found.recall))
        return self._found[-1]


async def test_the_least_beam_of_a_graph_is_found() -> None:
    graphs = Graphs()
    found = await find_beam(graphs, LADDER[0], 0.99, 10)
    assert found is not None
    least = next(ef for ef in range(10, 1001) if graphs.recall(LADDER[0], ef) >= 0.99)
    assert least <= found.arm.ef_search <= least * 1.1 and found.recall_low >= 0.99
    assert len(graphs.asked) <= 10 and len(set(graphs.asked)) == len(graphs.asked)


async def test_a_beam_below_the_first_is_found_too() -> None:
    found = await find_beam(Graphs(), LADDER[0], 0.95, 10)
    assert found is not None and 17 <= found.arm.ef_search <= 19


async def test_a_target_that_no_beam_reaches() -> None:
    graphs = Graphs()
    assert await find_beam(graphs, LADDER[0], 0.998, 10) is None
    assert max(ef for _, ef in graphs.asked) == 1000
    assert await find_config(graphs, 0.9975, 10) is None


async def test_a_graph_that_is_much_slower_already_is_given_up() -> None:
    graphs = Graphs()
    best = row(9, 0.99, 300, m=12)
    assert await find_beam(graphs, LADDER[0], 0.99, 10, best) is None
    assert len(graphs.asked) == 1 and graphs.raced == [(12, 16)]


async def test_it_is_not_given_up_because_the_machine_is_slower_now() -> None:
    graphs = Graphs()
    graphs.pace = 3.0
    found = await find_beam(graphs, LADDER[0], 0.99, 10, row(9, 0.99, 700, m=12))
    assert found is not None and graphs.raced != []


async def test_a_larger_graph_is_taken_when_it_is_faster() -> None:
    graphs = Graphs(slowness=0.5)
    found = await find_config(graphs, 0.99, 10)
    assert found is not None and found.arm.m > 16 and found.recall_low >= 0.99
    # each was measured in turns with the best before it
    assert graphs.raced[0] == (16, LADDER[1].m)


async def test_what_is_measured_in_turns_decides() -> None:
    graphs = Graphs(slowness=0.5)
    graphs.settled_us = {16: 5.0}
    found = await find_config(graphs, 0.99, 10)
    # a larger graph was faster when it was measured, at a slower hour; what does not reach the target is not taken
    assert found is not None and found.arm.m == 16 and found.recall_low >= 0.99
    assert any(m > 16 for m, _ in graphs.asked)


async def test_the_largest_graph_is_not_built_for_speed() -> None:
    graphs = Graphs(slowness=0.1)
    assert await find_config(graphs, 0.9965, 10) is not None
    assert LADDER[3].m not in {m for m, _ in graphs.asked}


async def test_no_more_is_built_when_it_is_not() -> None:
    graphs = Graphs(slowness=4.0)
    found = await find_config(graphs, 0.99, 10)
    assert found is not None and found.arm.m == 16
    assert {m for m, _ in graphs.asked} == {16, LADDER[1].m}


async def test_a_beam_that_cannot_be_smaller_ends_it() -> None:
    graphs = Graphs(slowness=0.0)
    found = await find_config(graphs, 0.9, 10)
    assert found is not None and found.arm.m == 16 and {m for m, _ in graphs.asked} == {16}
