"""Building a graph: an activation on the live index beside a bare CREATE INDEX on a copy of its vectors, in turns."""

import asyncio
import statistics
import time

import psycopg

from app.db.database import Database, open_database
from app.profiles.models import HnswConfig, ProfileRequest
from app.profiles.service import create_or_update_profile
from app.vectors.activation import activate
from tests.benchmarks.figures import Figure
from tests.benchmarks.home import QUICK, Home
from tests.benchmarks.setup import DATASET, INDEX

M, BUILDER = 16, "builder"
#: A turn each; an activation builds only what is not there. The one graph is dropped by the next.
TURNS = (81,) if QUICK else (81, 82, 83)


async def _ours(database: Database, ef_construction: int) -> float:
    """Vectors per second."""
    steward = database.steward()
    config = HnswConfig(m=M, ef_construction=ef_construction)
    await create_or_update_profile(
        steward, ProfileRequest(id=BUILDER, bound_datasets=[DATASET], hnsw_config=config)
    )
    [warmed] = (await activate(database, steward, BUILDER)).warmed
    assert warmed.built
    return warmed.vectors / warmed.build_ms * 1000


def _raw(admin: psycopg.Connection, ef_construction: int) -> float:
    """Vectors per second of what somebody types who has the table, with as much memory as it wants."""
    started = time.perf_counter()
    admin.execute(
        "create index bench_raw_graph on bench_raw using hnsw (embedding ext.halfvec_cosine_ops) "
        f"with (m = {M}, ef_construction = {ef_construction})"
    )
    seconds = time.perf_counter() - started
    row = admin.execute("select count(*) from bench_raw").fetchone()
    admin.execute("drop index bench_raw_graph")
    assert row is not None
    return float(row[0] / seconds)


async def _measure(home: Home) -> list[Figure]:
    database = await open_database(home.service_dsn, home.settings)
    ours, raw = [], []
    try:
        with psycopg.connect(home.admin_dsn, autocommit=True) as admin:
            admin.execute(f"create table bench_raw as select chunk_id, embedding from vec.{INDEX}")
            admin.execute("vacuum analyze bench_raw")
            admin.execute("set maintenance_work_mem = '1GB'")
            for ef_construction in TURNS:
                raw.append(await asyncio.to_thread(_raw, admin, ef_construction))
                ours.append(await _ours(database, ef_construction))
            admin.execute("drop table bench_raw")
    finally:
        await database.close()
    mine, theirs = statistics.median(ours), statistics.median(raw)
    return [
        Figure(
            name=f"HNSW build, m {M}, ef_construction {TURNS[0]}",
            ours=f"{mine:,.0f} vectors/s",
            peer=f"{theirs:,.0f} vectors/s",
            value=mine,
            unit="vectors/s",
            relation=">=",
            target=3000,
            note=f"{mine / theirs:.2f} x the peer: a bare CREATE INDEX, in turns; "
            f"{', '.join(f'{o:,.0f}:{r:,.0f}' for o, r in zip(ours, raw, strict=True))}",
        )
    ]


def measure(home: Home) -> list[Figure]:
    """The figure of this module; the index is the one that `search` left."""
    return asyncio.run(_measure(home))
