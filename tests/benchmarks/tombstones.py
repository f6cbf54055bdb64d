"""What tombstones cost: 10,000 of them beside the bare DELETE of the same rows; searches among them."""

import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import psycopg
import uvloop
from psycopg import sql
from psycopg.conninfo import make_conninfo

from app.db.database import Database, open_database
from app.ingest.requests import IngestPlan
from app.ingest.service import ingest
from app.models.embedders import Embedders
from app.models.fake import FakeEmbedder
from app.profiles.service import get_profile
from app.tombstones.models import TombstoneRequest
from app.tombstones.service import create_tombstones
from app.vectors.models import IndexRequest, SearchRequest
from app.vectors.search import Searcher
from app.vectors.service import create_index
from app.views.models import ViewRequest
from app.views.service import create_or_update_view
from tests.benchmarks.corpus import Corpus
from tests.benchmarks.figures import Figure, rounds, summarise
from tests.benchmarks.home import QUICK, Home
from tests.benchmarks.setup import DATASET, INDEX, PROFILE
from tests.benchmarks.views import GENERATE

ROWS, CHUNKS, KEYS = (100_000, 10_000, 1_000) if QUICK else (1_000_000, 100_000, 10_000)
ROUNDS = 5
TWIN = "lakeward_twin"
#: What bench.json calls them.
COST, HARSH = "tombstones", "tombstones, each with a chunk"


class Costs(msgspec.Struct, frozen=True):
    """Seconds of one round."""

    ours: float
    peer: float


async def _load(database: Database, path: Path) -> None:
    plan = IngestPlan(
        dataset="subjects",
        path=str(path),
        filename=path.name,
        content_sha256="1" * 64,
        row_key="id",
        principal="bench",
    )
    await ingest(database, plan)
    view = ViewRequest(
        name="indexed", base_dataset="subjects", columns=["id", "note"], row_filter=f"id < {CHUNKS}"
    )
    steward = database.steward(timeout_ms=600_000)
    await create_or_update_view(steward, view)
    await create_index(
        steward, FakeEmbedder(), IndexRequest(source="indexed", text_columns=["note"], name="indexed_v1")
    )


def _fill_index(admin: "psycopg.Connection[Any]") -> None:
    """A chunk for each row of the view, with a vector of no meaning; nothing of this is measured."""
    admin.execute(
        "insert into vec.indexed_v1 (row_key, chunk_no, embedding) select s.row_key, 0, "
        "(select array_agg(random()) from generate_series(1, 384) n where s.row_key is not null)::ext.halfvec "
        "from vec.indexed_v1_source s"
    )
    admin.execute(
        "insert into vec.indexed_v1_text select c.chunk_id, s.t1, 0, length(s.t1) "
        "from vec.indexed_v1 c join vec.indexed_v1_source s using (row_key)"
    )
    admin.execute("truncate vec.indexed_v1_pending")
    admin.execute("create table lake.plain as select * from lake.subjects")
    admin.execute("create unique index on lake.plain (id)")
    admin.execute(
        "vacuum (analyze) lake.subjects, lake.plain, vec.indexed_v1, vec.indexed_v1_text, vec.indexed_v1_pending"
    )
    admin.execute("checkpoint")


async def _delete_both(
    database: Database, admin: "psycopg.Connection[Any]", keys: list[int], *, first: bool
) -> Costs:
    """The same keys as tombstones and, of the plain copy, as a DELETE that commits."""
    request = TombstoneRequest(row_key_column="id", row_key_values=list(keys), reason="bench")
    peer = _bare(admin, keys) if first else 0.0
    started = time.perf_counter()
    answer = await create_tombstones(database.steward(timeout_ms=600_000), "subjects", request)
    ours = time.perf_counter() - started
    assert answer.tombstoned == len(keys), answer
    return Costs(ours=ours, peer=peer or _bare(admin, keys))


def _bare(admin: "psycopg.Connection[Any]", keys: list[int]) -> float:
    started = time.perf_counter()
    deleted = admin.execute("delete from lake.plain where id = any(%s)", [keys]).rowcount
    seconds = time.perf_counter() - started
    assert deleted == len(keys)
    return seconds


async def _measure_cost(database: Database, home: Home) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "subjects.parquet"
        duckdb.sql(GENERATE.format(rows=ROWS, path=path))
        await _load(database, path)
    with psycopg.connect(home.admin_dsn, autocommit=True) as admin:
        _fill_index(admin)
        ids = list(range(ROWS))
        picked = random.Random(7)
        picked.shuffle(ids)
        anywhere = iter([key for key in ids if key >= CHUNKS or key % 2 == 0])
        indexed = iter([key for key in ids if key < CHUNKS and key % 2 == 1])
        figures = []
        for name, source in ((COST, anywhere), (HARSH, indexed)):
            costs = []
            for turn in range(ROUNDS):
                keys = [next(source) for _ in range(KEYS)]
                costs.append(await _delete_both(database, admin, keys, first=turn % 2 == 0))
            ours = statistics.median(cost.ours for cost in costs)
            peer = statistics.median(cost.peer for cost in costs)
            figures.append(
                Figure(
                    name=f"{KEYS:,} {name}, of {ROWS:,} rows, {CHUNKS:,} chunks",
                    ours=f"{ours * 1000:,.0f} ms",
                    peer=f"{peer * 1000:,.0f} ms",
                    value=ours / peer,
                    unit="x",
                    relation="<=",
                    target=5,
                    note="in process, committed; peer: bare DELETE of the same rows of a plain copy with the same key",
                )
            )
    return figures


async def _tombstone_some(database: Database, corpus: Corpus) -> int:
    """Tombstones on 1% of the corpus, and what autovacuum would have done by then."""
    ids = [gloss.id for gloss in corpus.glosses]
    keys: list[str | int | float] = list(random.Random(7).sample(ids, len(ids) // 100))
    request = TombstoneRequest(row_key_column="id", row_key_values=keys, reason="bench")
    answer = await create_tombstones(database.steward(timeout_ms=600_000), DATASET, request)
    assert answer.tombstoned == len(keys)
    return answer.tombstoned


async def _search_all(database: Database, requests: list[SearchRequest], part: list[int]) -> list[float]:
    searcher = Searcher(database, Embedders(FakeEmbedder()))
    scope = database.reader((await get_profile(database.steward(), PROFILE)).role_name)
    samples = []
    for n in part:
        started = time.perf_counter()
        answer = await searcher.search(scope, PROFILE, requests[n])
        samples.append(time.perf_counter() - started)
        assert answer.returned == requests[n].k and answer.method == "hnsw", answer
    return samples


async def _compare(
    database: Database, twin: Database, requests: list[SearchRequest]
) -> tuple[list[float], list[float]]:
    """The seconds of each search in the twin and in the original, taken in turns."""
    everything = list(range(len(requests)))
    for each in (database, twin):
        await _search_all(each, requests, everything[:100])
    without: list[float] = []
    among: list[float] = []
    for turn, part in enumerate(rounds(everything, 20)):
        for each, samples in ((database, without), (twin, among))[:: 1 if turn % 2 else -1]:
            samples += await _search_all(each, requests, part)
    return among, without


async def _measure_search(database: Database, twin: Database, corpus: Corpus) -> Figure:
    requests = [
        SearchRequest(index=INDEX, vector=[float(x) for x in vector], k=10) for vector in corpus.queries
    ]
    # a copy is a few percent slower or faster than its original before anything is deleted from it
    copied, original = (statistics.median(samples) for samples in await _compare(database, twin, requests))
    gone = await _tombstone_some(twin, corpus)
    among, without = await _compare(database, twin, requests)
    mine, theirs = summarise(among), summarise(without)
    return Figure(
        name=f"search with tombstones on {gone:,} of {len(corpus.glosses):,} rows",
        ours=f"{mine.p50:.2f} ms (p95 {mine.p95:.2f})",
        peer=f"{theirs.p50:.2f} ms (p95 {theirs.p95:.2f})",
        value=mine.p50 / theirs.p50 / (copied / original),
        unit="x",
        relation="<=",
        target=1.05,
        note=f"p50, in process, HNSW, not vacuumed; in a copy of the peer's database, which took "
        f"{copied / original:.2f} x the original's time before",
    )


def _make_twin(home: Home) -> str:
    """A copy of the database as it is, by its files; its name is the twin's DSN for the service."""
    with psycopg.connect(make_conninfo(home.admin_dsn, dbname="postgres"), autocommit=True) as admin:
        name = sql.Identifier(psycopg.conninfo.conninfo_to_dict(home.admin_dsn)["dbname"])
        admin.execute(
            sql.SQL("create database {} template {} strategy file_copy").format(sql.Identifier(TWIN), name)
        )
    return make_conninfo(home.service_dsn, dbname=TWIN)


async def _measure(home: Home, corpus: Corpus, twin_dsn: str) -> list[Figure]:
    database = await open_database(home.service_dsn, home.settings)
    twin = await open_database(twin_dsn, home.settings)
    try:
        return [await _measure_search(database, twin, corpus), *await _measure_cost(database, home)]
    finally:
        await database.close()
        await twin.close()


def measure(home: Home, corpus: Corpus) -> list[Figure]:
    """The figures of this module; needs the index that the search figures leave in place."""
    return uvloop.run(_measure(home, corpus, _make_twin(home)))
