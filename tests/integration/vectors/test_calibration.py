"""The costs of a search are measured where it will run."""

import random
from typing import Any

import pytest

from app.db.database import open_database
from app.vectors.calibration import Calibration, measure_costs
from app.vectors.router import Costs
from tests.integration.api.conftest import Api, api

__all__ = ["api"]
SYLLABLES = ("ba", "co", "du", "fe", "gi", "lo", "mu", "ne", "ra", "si")


def write(seed: int) -> str:
    pick = random.Random(seed).choices
    return " ".join("".join(pick(SYLLABLES, k=3)) for _ in range(12))


@pytest.fixture
async def database(api: Api) -> Any:
    opened = await open_database(api.deployed.service_dsn, api.settings)
    yield opened
    await opened.close()


async def test_of_a_small_index_nothing_is_concluded(api: Api, database: Any) -> None:
    assert await measure_costs(database) is None
    calibration = Calibration(database)
    await calibration.measure()
    assert calibration.costs == Costs()


async def test_the_largest_index_says_what_a_step_costs(api: Api, database: Any) -> None:
    lines = ["id,note", *(f"{n},{write(n)}" for n in range(1200))]
    assert api.ingest("notes", "\n".join(lines), row_key="id").status_code == 201
    api.index("notes", "note", name="notes_v1")
    api.profile("reader", "notes")
    exact_only = await measure_costs(database)
    assert exact_only is not None and exact_only.visit_us == Costs().visit_us
    assert api.admin.post("/vectors/profile/reader/activate").json()["failures"] == []
    costs = await measure_costs(database)
    assert costs is not None and costs.visit_us != Costs().visit_us
    # microseconds of a step, on whatever machine
    assert 0.02 <= costs.distance_us < 100 and 0.1 <= costs.check_us < 1000 and 0.1 <= costs.visit_us < 1000
