"""A graph is built in memory, with as much as it takes; where there is less, the log says why it takes so long."""

import logging

import pytest

from app.db import builder
from app.db.database import open_database
from app.profiles.models import HnswConfig, ProfileRequest
from app.profiles.service import create_or_update_profile
from app.vectors import activation
from tests.integration.api.conftest import Api, api

__all__ = ["api"]

ROWS = 3_000


@pytest.fixture(autouse=True)
def no_more_memory_than_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builder, "LEAST_MEMORY", 1024 * 1024)


def fill(api: Api, dataset: str) -> None:
    """An index of random vectors."""
    assert api.ingest(dataset, "id,t\n0,amber\n", row_key="id").status_code == 201
    name = api.index(dataset, "t")
    with api.deployed.connect("owner") as owner:
        owner.execute(
            f"insert into vec.{name} (row_key, chunk_no, embedding) "
            "select n, 0, array_agg(random() - 0.5)::real[]::ext.halfvec "
            "from generate_series(1, %s) n, generate_series(1, 384 + n * 0) group by n",
            [ROWS],
        )


async def activate(api: Api, dataset: str, caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the log says meanwhile."""
    database = await open_database(api.deployed.service_dsn, api.settings)
    try:
        config = HnswConfig(m=16, ef_construction=40)
        request = ProfileRequest(id=dataset, bound_datasets=[dataset], hnsw_config=config)
        await create_or_update_profile(database.steward(), request)
        with caplog.at_level(logging.WARNING, logger="app.db.builder"):
            [warmed] = (await activation.activate(database, database.steward(), dataset)).warmed
    finally:
        await database.close()
    assert warmed.built and warmed.vectors > 0.95 * ROWS
    return [record.message for record in caplog.records if record.name == "app.db.builder"]


async def test_the_memory_it_asks_for_is_enough(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    fill(api, "enough")
    assert await activate(api, "enough", caplog) == []


async def test_with_less_the_log_says_so(
    api: Api, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So much was asked for once, and a graph of 107,525 vectors took 45 s instead of 27."""
    fill(api, "less")
    monkeypatch.setattr(activation, "plan_graph_memory", lambda *_: ROWS * (2 * 384 + 16 * 24))
    [said] = await activate(api, "less", caplog)
    assert "no longer fits into maintenance_work_mem" in said and "on disk" in said
