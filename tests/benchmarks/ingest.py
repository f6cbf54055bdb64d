"""A 1M-row, 8-column CSV with everything to be found out, against COPY of the same rows into a table made by hand."""

import asyncio
import random
import resource
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import psycopg

from tests.benchmarks.figures import Figure
from tests.benchmarks.home import QUICK, Home

ROWS = 100_000 if QUICK else 1_000_000
TURNS = 1 if QUICK else 3
TYPES = "id bigint, n bigint, x double precision, d date, ts timestamp, ok boolean, name text, zip text"


class Load(msgspec.Struct, frozen=True):
    """What one load took: seconds, and the peak of the process's memory in MiB."""

    seconds: float
    rows: int
    peak_mib: float


def write_csv(path: Path) -> None:
    """Integers, a float, a date, a timestamp, a boolean, words, and digits that are no number."""
    source = random.Random(7)
    with path.open("w") as file:
        file.write("id,n,x,d,ts,ok,name,zip\n")
        for row in range(ROWS):
            file.write(
                f"{row},{source.randrange(10**6)},{source.random():.6f},2024-{source.randrange(1, 13):02d}-"
                f"{source.randrange(1, 29):02d},2024-01-02 03:04:{row % 60:02d},{'true' if row % 2 else 'false'},"
                f"name number {row % 5000},{row % 100_000:05d}\n"
            )


def load(dsn: str, home: Path, path: Path, dataset: str) -> Load:
    """Through the service, in this process; the caller gives it one of its own."""
    from app.db.database import open_database
    from app.ingest.requests import IngestPlan
    from app.ingest.service import ingest
    from app.settings import load_settings

    async def run() -> Load:
        database = await open_database(dsn, load_settings({}, home=home))
        plan = IngestPlan(
            path=str(path), filename=path.name, dataset=dataset, content_sha256=dataset, row_key="id"
        )
        started = time.perf_counter()
        answer = await ingest(database, plan)
        seconds = time.perf_counter() - started
        await database.close()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return Load(seconds=seconds, rows=answer.rows, peak_mib=peak)

    return asyncio.run(run())


def copy(dsn: str, path: Path) -> float:
    """Seconds of the same work by hand: table, COPY, unique key and statistics in one transaction."""
    with psycopg.connect(dsn) as connection:
        started = time.perf_counter()
        connection.execute(f"create table lake.peer ({TYPES})")  # type: ignore[arg-type]
        with (
            connection.cursor().copy("copy lake.peer from stdin (format csv, header)") as target,
            path.open("rb") as file,
        ):
            while chunk := file.read(1024 * 1024):
                target.write(chunk)
        connection.execute("alter table lake.peer alter column id set not null")
        connection.execute("create unique index on lake.peer (id)")
        connection.execute("analyze lake.peer")
        connection.commit()
        seconds = time.perf_counter() - started
        connection.execute("drop table lake.peer")
    return seconds


def measure(home: Home) -> list[Figure]:
    """In turns, each of ours in a fresh process."""
    path = home.settings.home / "rows.csv"
    write_csv(path)
    ours: list[Load] = []
    peer: list[float] = []
    for turn in range(TURNS):
        command = [sys.executable, "-m", "tests.benchmarks.ingest"]
        arguments = msgspec.json.encode(
            [home.service_dsn, str(home.settings.home), str(path), f"rows_{turn}"]
        )
        # the DSN holds a password: it goes by standard input
        done = subprocess.run(command, input=arguments, capture_output=True, check=True)
        ours.append(msgspec.json.decode(done.stdout, type=Load))
        assert ours[-1].rows == ROWS
        peer.append(copy(home.admin_dsn, path))
    seconds, theirs = sorted(load.seconds for load in ours)[TURNS // 2], sorted(peer)[TURNS // 2]
    peak = max(load.peak_mib for load in ours)
    return [
        Figure(
            name=f"ingest of a {ROWS:,}-row CSV with detection",
            ours=f"{seconds:.2f} s",
            peer=f"{theirs:.2f} s",
            value=theirs / seconds,
            unit="x",
            relation=">=",
            target=0.4,
            note="peer: COPY into a table of the right types; both with unique key and statistics",
        ),
        Figure(
            name="peak memory of that ingest",
            ours=f"{peak:.0f} MiB",
            peer="-",
            value=peak,
            unit="MiB",
            relation="<=",
            target=600,
        ),
    ]


if __name__ == "__main__":
    dsn, home, path, dataset = msgspec.json.decode(sys.stdin.buffer.read(), type=list[str])
    sys.stdout.buffer.write(msgspec.json.encode(load(dsn, Path(home), Path(path), dataset)))
