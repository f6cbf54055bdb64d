"""kill -9 at each step of a model change, its way back, and a refresh: searches answer, and the next worker ends it.

Whatever was killed, an answer is by one model, right, and of what the rows say; nothing is left over of what is not a
version of the index.
"""

import asyncio
import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

import app
from app.catalog.models import ColumnRequest, DatasetRequest
from app.catalog.service import create_or_update_dataset
from app.db.database import Database, open_database
from app.models.embedders import Embedders
from app.profiles.models import HnswConfig, ProfileRequest
from app.profiles.service import create_or_update_profile, get_profile
from app.settings import PoolSettings, Settings
from app.vectors.activation import activate
from app.vectors.indexing import index_pending
from app.vectors.models import IndexRequest, SearchAnswer, SearchRequest
from app.vectors.search import Searcher
from app.vectors.service import create_index
from app.versions.models import SwapRequest
from app.versions.service import defer_rollback, defer_swap
from tests.conftest import Deployed
from tests.faults.swap_worker import STEPS, models
from tests.faults.test_moves import kill, next_line

ROWS, INDEX = 300, "notes_v1"
NURSERY = Path(__file__).with_name("swap_worker.py")


async def _unheard(done: int, total: int | None = None) -> None:
    """Progress that nobody watches."""


class Deployment:
    """A database with an index of notes, the workers that change its model, and what the notes say."""

    def __init__(self, deployed: Deployed, nursery: "subprocess.Popen[str]") -> None:
        self.deployed = deployed
        self.nursery = nursery
        self.embedders = Embedders(models()[0], [models()[1]])
        self.texts = {n: f"note w{n} x{n} y{n} z{n}" for n in range(ROWS)}
        self.moments = random.Random(1)

    def do(self, act: Callable[[Database], Any]) -> Any:
        """What `act` answers of the database, opened for it."""

        async def run() -> Any:
            pool = PoolSettings(min_size=1, max_size=4)
            settings = Settings(home=self.deployed.home, database_url=self.deployed.dsn, pool=pool)
            database = await open_database(self.deployed.service_dsn, settings)
            try:
                return await act(database)
            finally:
                await database.close()

        return asyncio.run(run())

    async def prepare(self, database: Database) -> None:
        """The notes, their index, and a profile whose searches go by its graph."""
        steward = database.steward()
        columns = [ColumnRequest(name="id", type="bigint"), ColumnRequest(name="note", type="text")]
        await create_or_update_dataset(steward, DatasetRequest(name="notes", row_key="id", columns=columns))
        async with database.owner().begin() as transaction:
            for n, text in self.texts.items():
                await transaction.execute("insert into lake.notes values (%s, %s)", [n, text])
        request = IndexRequest(source="notes", text_columns=["note"])
        await create_index(steward, self.embedders.default, request)
        await index_pending(database, self.embedders, INDEX, _unheard)
        # a beam that sees all of it: what a narrow one misses is not what is asked here
        await create_or_update_profile(
            steward,
            ProfileRequest(id="reader", bound_datasets=["notes"], hnsw_config=HnswConfig(ef_search=1000)),
        )
        assert not (await activate(database, steward, "reader")).failures

    def change(self, verb: str) -> None:
        """A note says something else, and the job waits that changes the model, or brings it up to date."""
        n = self.moments.randrange(ROWS)
        self.texts[n] = f"changed {self.moments.random()} v{n} u{n} t{n}"

        async def ask(database: Database) -> None:
            async with database.owner().begin() as transaction:
                await transaction.execute("update lake.notes set note = %s where id = %s", [self.texts[n], n])
            steward = database.steward()
            if verb == "refresh":
                async with steward.begin() as transaction:
                    await transaction.execute(
                        "select lakeward.defer_job('index', %s, %s, 'rows', %s, '')",
                        [INDEX, json.dumps({"index": INDEX}), f"index:{INDEX}"],
                    )
            elif verb == "rollback":
                await defer_rollback(steward, self.embedders, INDEX)
            else:
                other = "fake" if self.live() == "other" else "other"
                await defer_swap(steward, self.embedders, INDEX, SwapRequest(model=other))

        self.do(ask)

    def live(self) -> str:
        """The model that answers now."""
        with self.deployed.connect("owner") as owner:
            [(name,)] = owner.execute(
                "select model_name from lakeward.vector_index where name = %s", [INDEX]
            ).fetchall()
        return str(name)

    def run(self, end: str = "", kill_after_s: float = 60) -> int:
        """A worker until it ends, or is killed; its exit code."""
        there = {
            "dsn": self.deployed.service_dsn, "home": str(self.deployed.home), "url": self.deployed.dsn, "end": end
        }  # fmt: skip
        assert self.nursery.stdin is not None
        self.nursery.stdin.write(json.dumps(there) + "\n")
        timer = threading.Timer(kill_after_s, kill, [int(next_line(self.nursery).removeprefix("pid "))])
        timer.start()
        line = next_line(self.nursery)
        timer.cancel()
        return int(line.removeprefix("ended "))

    def check(self, *, current: bool = False) -> None:
        """Searches find what the notes say, by one model; and there is nothing but the index's versions.

        `current`: all of it can be found, since nothing waits any more.
        """
        for n, answer in self.do(self._search):
            top = answer.hits[0]
            if current or answer.stale_rows == 0 or top.doc_key == str(n):
                assert (top.doc_key, top.text) == (str(n), self.texts[n])
                assert top.distance < 0.01, "its vector is another model's, or of what it said before"
            assert all(hit.text == self.texts[int(hit.doc_key)] for hit in answer.hits)
            assert answer.method == "hnsw" and answer.returned == 5
        with self.deployed.connect("owner") as owner:
            versions = owner.execute("select table_name, state from lakeward.vector_index").fetchall()
            assert [state for _, state in versions].count("live") == 1
            made = "select relname from pg_class where relnamespace = 'vec'::regnamespace and relkind = 'r'"
            tables = {name for (name,) in owner.execute(made)}
            assert tables == {name + end for name, _ in versions for end in ("", "_text", "_pending")}
            graphs = (
                "select count(*) from pg_index where not indisvalid and indrelid::regclass::text like 'vec.%'"
            )
            assert owner.execute(graphs).fetchone() == (0,)

    async def _search(self, database: Database) -> list[tuple[int, SearchAnswer]]:
        searcher = Searcher(database, self.embedders)
        scope = database.reader((await get_profile(database.steward(), "reader")).role_name)
        changed = [n for n, text in self.texts.items() if text.startswith("changed")]
        asked = self.moments.sample(range(ROWS), 3) + changed[-2:]
        requests = [SearchRequest(index=INDEX, query=self.texts[n], k=5) for n in asked]
        return [
            (n, await searcher.search(scope, "reader", request))
            for n, request in zip(asked, requests, strict=True)
        ]

    def settle(self, model: str) -> None:
        """A worker that nobody kills ends everything that was begun."""
        assert self.run() == 0
        with self.deployed.connect("owner") as owner:
            bad = owner.execute("select kind, state, error from lakeward.job where state <> 'succeeded'")
            assert bad.fetchall() == []
            assert self.live() == model
            states = owner.execute("select state from lakeward.vector_index order by 1").fetchall()
            assert states in ([("live",)], [("live",), ("retired",)]), "a version is left over"
            [(table,)] = owner.execute(
                "select table_name from lakeward.vector_index where state = 'live'"
            ).fetchall()
            assert owner.execute(f'select count(*) from vec."{table}_pending"'.encode()).fetchone() == (0,)
        self.check(current=True)


@pytest.fixture(scope="module")
def nursery() -> Iterator["subprocess.Popen[str]"]:
    """Where workers come from."""
    nursery = subprocess.Popen(
        [sys.executable, str(NURSERY)],
        env={**os.environ, "PYTHONPATH": str(Path(app.__file__).parent.parent)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    assert next_line(nursery) == "ready"
    yield nursery
    nursery.kill()
    nursery.communicate()


@pytest.fixture(scope="module")
def here(
    clone: Callable[[], AbstractContextManager[Deployed]], nursery: "subprocess.Popen[str]"
) -> Iterator[Deployment]:
    with clone() as deployed:
        here = Deployment(deployed, nursery)
        here.do(here.prepare)
        yield here


SWAP = ["embed:2", *(f"{step}:{when}" for step in STEPS for when in ("before", "after"))]
ROLLBACK = [
    end for end in SWAP if end.split(":")[0] in ("index_pending", "build_graphs", "exchange", "drop_older")
]


def killed(here: Deployment, verb: str, end: str) -> None:
    """One change that is killed there, and ended by the next worker."""
    other = "fake" if here.live() == "other" else "other"
    here.change(verb)
    assert here.run(end) == -9, end
    here.check()
    here.settle(here.live() if verb == "refresh" else other)


def changed_once(here: Deployment) -> None:
    """So that there is a way back."""
    with here.deployed.connect("owner") as owner:
        found = owner.execute("select from lakeward.vector_index where state = 'retired'").fetchone()
    if found is None:
        here.change("swap")
        assert here.run() == 0


@pytest.mark.parametrize(
    "end",
    [
        end if end in ("embed:2", "exchange:after") else pytest.param(end, marks=pytest.mark.slow)
        for end in SWAP
    ],
)
def test_killed_in_a_change_of_the_model(here: Deployment, end: str) -> None:
    killed(here, "swap", end)


@pytest.mark.parametrize(
    "end",
    [end if end == "exchange:before" else pytest.param(end, marks=pytest.mark.slow) for end in ROLLBACK],
)
def test_killed_on_the_way_back(here: Deployment, end: str) -> None:
    changed_once(here)
    killed(here, "rollback", end)


def test_killed_in_a_refresh(here: Deployment) -> None:
    killed(here, "refresh", "embed:1")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_at_random_moments(here: Deployment) -> None:
    ended_early = 0
    for _ in range(30):
        changed_once(here)
        verb = here.moments.choice(["swap", "rollback", "refresh"])
        model = here.live()
        other = "fake" if model == "other" else "other"
        here.change(verb)
        # a job whose worker ends 20 times is given up
        for _ in range(10):
            if here.run(kill_after_s=here.moments.uniform(0.05, 0.6)) != -9:
                break
            ended_early += 1
            here.check()
        here.settle(model if verb == "refresh" else other)
    assert ended_early > 10
