"""kill -9 in the middle of a trial's build: the server ends the build by itself, and the copy is swept."""

import asyncio
import subprocess
import sys
import time
from typing import Any

import pytest

from app.db.database import open_database
from app.trials.bench import sweep_copies

#: A worker in the middle of a build that takes long.
WORKER = """
import asyncio, sys
from pathlib import Path
from psycopg import sql
from app.db.database import open_database
from app.settings import Settings
from app.trials import statements
from app.trials.bench import open_bench
from app.trials.models import Build
from app.trials.plan import Estimate
from app.vectors.indexing import get_index_row

statements.create_graph = lambda *_: sql.SQL("select count(*) from generate_series(1, 2000000000)")

async def tick():
    pass

async def main():
    database = await open_database(sys.argv[1], Settings(home=Path(sys.argv[2])))
    index = await get_index_row(database.owner(), "people_note")
    job = "11111111-1111-1111-1111-111111111111"
    async with open_bench(database, index, job, Estimate(0, 0), tick) as bench:
        print("building", flush=True)
        await bench.build(Build(m=4, ef_construction=8, type="halfvec"), 0)

asyncio.run(main())
"""


@pytest.mark.slow
def test_what_a_killed_worker_built_ends_and_its_copy_is_swept(world: Any, settings: Any) -> None:
    deployed = world.deployed
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, deployed.service_dsn, str(deployed.home)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert worker.stdout is not None and worker.stdout.readline() == "building\n"
    time.sleep(0.5)

    async def sweep() -> int:
        database = await open_database(deployed.service_dsn, settings)
        try:
            return await sweep_copies(database)
        finally:
            await database.close()

    assert asyncio.run(sweep()) == 0, "its worker is alive"
    worker.kill()
    worker.wait()
    worker.stdout.close()
    deadline = time.monotonic() + 20
    while asyncio.run(sweep()) == 0:
        assert time.monotonic() < deadline, "the build goes on though nobody waits for it"
        time.sleep(0.5)
    with deployed.connect("owner") as owner:
        assert owner.execute("select count(*) from pg_class where relname like '\\_trial%'").fetchone() == (
            0,
        )
