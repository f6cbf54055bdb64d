"""Many profiles: what one more profile, a search and a whoami cost among 1,000 profiles, beside the same among 10."""

import sys
import time
from collections.abc import Awaitable, Callable, Sequence

import msgspec
import psycopg
import uvloop

from app.access.service import get_whoami
from app.catalog.models import ColumnRequest, DatasetRequest
from app.catalog.service import create_or_update_dataset
from app.db.database import Database, open_database
from app.models.embedders import Embedders
from app.models.fake import FakeEmbedder
from app.profiles.models import ProfileRequest
from app.profiles.service import create_or_update_profile, delete_profile, get_profile
from app.vectors.activation import activate
from app.vectors.indexing import index_pending
from app.vectors.models import IndexRequest, SearchRequest
from app.vectors.search import Searcher
from app.vectors.service import create_index
from app.web.identity import Principal
from tests.benchmarks.figures import Figure, Timing, summarise
from tests.benchmarks.home import QUICK, Home, open_home

FEW, MANY = 10, 100 if QUICK else 1_000
ROWS = 2_000
TARGET = 1.2
DATASETS = [f"dataset_{n}" for n in range(20)]
COLUMNS = ("id", "name", "city", "email", "note")

Act = Callable[[int], Awaitable[float]]


class Site(msgspec.Struct, frozen=True):
    """A database with so many profiles, each bound to all datasets, and one of them as it is served."""

    profiles: int
    database: Database
    searcher: Searcher
    reader: Principal

    async def create(self, n: int) -> float:
        """Seconds that one more profile takes; it is gone again afterwards."""
        scope = self.database.steward()
        request = ProfileRequest(id=f"more_{n}", bound_datasets=DATASETS)
        started = time.perf_counter()
        await create_or_update_profile(scope, request)
        seconds = time.perf_counter() - started
        await delete_profile(scope, request.id)
        return seconds

    async def search(self, n: int) -> float:
        """Seconds of one search in an index that every profile may search."""
        assert self.reader.profile is not None
        request = SearchRequest(index="dataset_0_v1", query=f"note {n} of somebody")
        started = time.perf_counter()
        answer = await self.searcher.search(self.reader.scope(self.database), self.reader.profile, request)
        seconds = time.perf_counter() - started
        assert answer.returned == 10, answer
        return seconds

    async def first_search(self, n: int) -> float:
        """The same when nothing is remembered: the catalog has just changed."""
        self.database.changes.bump()
        return await self.search(n)

    async def whoami(self, n: int) -> float:
        """Seconds of one whoami."""
        started = time.perf_counter()
        who = await get_whoami(self.reader.scope(self.database), self.reader)
        assert len(who.relations) == len(DATASETS)
        return time.perf_counter() - started


async def _prepare(home: Home, count: int) -> Site:
    database = await open_database(home.service_dsn, home.settings)
    steward = database.steward()
    columns = [ColumnRequest(name=name, type="text") for name in COLUMNS]
    for name in DATASETS:
        await create_or_update_dataset(steward, DatasetRequest(name=name, row_key="id", columns=columns))
    async with database.owner().begin() as transaction:
        await transaction.execute(
            "insert into lake.dataset_0 select n, 'name ' || n, 'city', n || '@example.org', 'note ' || n "
            "from generate_series(1, %s) n",
            [ROWS],
        )
    embedder = FakeEmbedder()
    await create_index(steward, embedder, IndexRequest(source="dataset_0", text_columns=["note"]))
    await index_pending(database, Embedders(embedder), "dataset_0_v1", _unheard)
    for n in range(count):
        await create_or_update_profile(steward, ProfileRequest(id=f"reader_{n}", bound_datasets=DATASETS))
        if n % 100 == 99:
            print(f"bench: {n + 1} profiles", file=sys.stderr, flush=True)
    reader = await get_profile(steward, f"reader_{count // 2}")
    await activate(database, steward, reader.id)
    with psycopg.connect(home.admin_dsn, autocommit=True) as admin:
        admin.execute("vacuum analyze")
    principal = Principal(
        id="bench",
        name="bench",
        kind="reader",
        access_role="agent",
        profile=reader.id,
        role_name=reader.role_name,
    )
    return Site(
        profiles=count, database=database, searcher=Searcher(database, Embedders(embedder)), reader=principal
    )


async def _unheard(*_: object, **__: object) -> None:
    """Progress that nobody watches."""


async def _compare(few: Site, many: Site) -> list[Figure]:
    figures = []
    for name, calls, acts in (
        ("one more profile with 20 bindings", 10 if QUICK else 40, (few.create, many.create)),
        ("scoped search", 100 if QUICK else 400, (few.search, many.search)),
        ("scoped search after a catalog change", 50 if QUICK else 200, (few.first_search, many.first_search)),
        ("whoami", 100 if QUICK else 400, (few.whoami, many.whoami)),
    ):
        peer, ours = await _take_turns(acts, calls)
        figures.append(
            Figure(
                name=f"{name}, among {many.profiles:,} profiles",
                ours=f"{ours.p50:.2f} ms (p95 {ours.p95:.2f})",
                peer=f"{peer.p50:.2f} ms (p95 {peer.p95:.2f})",
                value=ours.p50 / peer.p50,
                unit="x",
                relation="<=",
                target=TARGET,
                note=f"p50, in process; peer: among {few.profiles} profiles, on a server of its own, in turns",
            )
        )
    return figures


async def _take_turns(acts: Sequence[Act], calls: int) -> list[Timing]:
    """One call of each in turn, so that both meet the machine as it is; the first tenth warms."""
    samples: list[list[float]] = [[] for _ in acts]
    for n in range(calls + calls // 10):
        for act, kept in zip(acts, samples, strict=True):
            seconds = await act(n)
            if n >= calls // 10:
                kept.append(seconds)
    return [summarise(kept) for kept in samples]


async def _measure(home: Home, other: Home) -> list[Figure]:
    few = await _prepare(other, FEW)
    started = time.perf_counter()
    many = await _prepare(home, MANY)
    print(
        f"bench: {MANY} profiles made in {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True
    )
    try:
        return await _compare(few, many)
    finally:
        await few.database.close()
        await many.database.close()


def measure() -> list[Figure]:
    """The figures of this module, on two servers of its own."""
    with open_home() as home, open_home() as other:
        return uvloop.run(_measure(home, other))
