"""Export and materialize of a million rows, as jobs, beside the bare drivers: ADBC and pyarrow's Parquet writer."""

import asyncio
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from adbc_driver_postgresql import dbapi
from deltalake import DeltaTable
from psycopg.conninfo import make_conninfo

from tests.benchmarks.figures import Figure
from tests.benchmarks.home import QUICK, Home

ROWS = 100_000 if QUICK else 1_000_000
TURNS = 1 if QUICK else 3
COLUMNS = {
    "id": "bigint",
    "n": "bigint",
    "x": "double precision",
    "d": "date",
    "ts": "timestamp",
    "ok": "boolean",
    "name": "text",
    "zip": "text",
}
FILL = """
insert into lake.moved select i, (i * 7919::bigint) % 1000003, sqrt(i), date '2024-01-01' + (i % 365)::int,
  timestamp '2024-01-02 03:04:05' + i * interval '1 second', i % 2 = 0, 'name number ' || i % 5000,
  lpad((i % 100000)::text, 5, '0')
from generate_series(1, {rows}) i
"""


class Move(msgspec.Struct, frozen=True):
    """What one job took: seconds, and the peak of the worker's memory in MiB."""

    seconds: float
    rows: int
    peak_mib: float


def move(dsn: str, home: Path, dataset: str, target: str, bucket: str | None) -> Move:
    """A job, run by a worker in this process; the caller gives it one of its own."""
    from app.db.database import open_database
    from app.delta.places import Places
    from app.jobs.queue import Queue
    from app.jobs.service import get_job
    from app.moves.models import MovePlan
    from app.moves.tasks import defer_move, register
    from app.settings import load_settings
    from app.storage.service import open_storage

    async def run() -> Move:
        settings = load_settings({}, home=home)
        database = await open_database(dsn, settings)
        queue = Queue(database)
        register(queue, Places(open_storage(settings, database)))
        worker = asyncio.create_task(queue.run(exclusive=True))
        job_id = await defer_move(database.steward(), MovePlan(dataset, target, bucket))
        while (job := await get_job(database.steward(), job_id)).state in ("queued", "running"):
            await asyncio.sleep(0.05)
        assert job.state == "succeeded" and job.result and job.started_at and job.finished_at, job
        worker.cancel()
        await asyncio.wait([worker])
        await database.close()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return Move((job.finished_at - job.started_at).total_seconds(), job.result["rows"], peak)

    return asyncio.run(run())


def prepare(home: Home, rows: int) -> None:
    """A dataset of so many rows, as the API makes one, with statistics and all its pages set."""
    from app.catalog.models import ColumnRequest, DatasetRequest
    from app.catalog.service import create_or_update_dataset
    from app.db.database import open_database

    async def create() -> None:
        database = await open_database(home.service_dsn, home.settings)
        columns = [ColumnRequest(name=name, type=kind) for name, kind in COLUMNS.items()]  # type: ignore[arg-type]
        request = DatasetRequest(name="moved", row_key="id", columns=columns)
        await create_or_update_dataset(database.steward(), request)
        async with database.owner().begin({"lakeward.journal_rows": "off"}) as transaction:
            await transaction.execute(FILL.format(rows=rows).encode())
        await database.close()

    asyncio.run(create())
    with psycopg.connect(home.admin_dsn, autocommit=True) as connection:
        connection.execute("vacuum (analyze) lake.moved")


def export_by_hand(dsn: str, path: Path) -> None:
    """ADBC's batches into a Parquet file, one after the other."""
    with dbapi.connect(make_conninfo(dsn)) as connection, connection.cursor() as cursor:
        cursor.execute(f"select {', '.join(COLUMNS)} from lake.moved")
        reader = cursor.fetch_record_batch()
        with pq.ParquetWriter(path, reader.schema) as writer:
            for batch in reader:
                writer.write_batch(batch)


def materialize_by_hand(dsn: str, batches: pa.Table, finish: bool) -> None:
    """The batches into a new table; with its unique key and statistics when it is to be finished."""
    with dbapi.connect(make_conninfo(dsn)) as connection, connection.cursor() as cursor:
        cursor.adbc_ingest("peer", batches.to_reader(), mode="create", db_schema_name="lake")
        if finish:
            cursor.execute("alter table lake.peer alter column id set not null")
            cursor.execute("create unique index on lake.peer (id)")
            cursor.execute("analyze lake.peer")
        connection.commit()
        cursor.execute("drop table lake.peer")
        connection.commit()


def files_of(home: Home, dataset: str) -> pa.Table:
    """What the dataset's files hold."""
    with psycopg.connect(home.admin_dsn) as connection:
        found = connection.execute(
            "select b.location from lakeward.bucket_dataset b join lakeward.dataset d on d.id = b.dataset_id "
            "where d.name = %s",
            [dataset],
        ).fetchone()
    assert found is not None
    root = home.settings.home / "buckets" / "local" / str(found[0])
    return ds.dataset(DeltaTable(root).file_uris()).to_table()


def measure(home: Home) -> list[Figure]:
    """In turns, each of ours in a fresh process."""
    prepare(home, ROWS)
    exported: list[Move] = []
    materialized: list[Move] = []
    by_hand: dict[str, list[float]] = {"export": [], "finished": [], "bare": []}
    path = home.settings.home / "by_hand.parquet"
    for turn in range(TURNS):
        exported.append(_run(home, "moved", f"exported_{turn}", "local"))
        by_hand["export"].append(_time(export_by_hand, home.admin_dsn, path))
        materialized.append(_run(home, f"exported_{turn}", f"materialized_{turn}", None))
        batches = files_of(home, f"exported_{turn}")
        for name in ("finished", "bare"):
            by_hand[name].append(_time(materialize_by_hand, home.admin_dsn, batches, name == "finished"))
    assert {found.rows for found in (*exported, *materialized)} == {ROWS}
    return [
        _compare(
            "export", exported, by_hand["export"], "peer: ADBC's batches into one Parquet file by pyarrow"
        ),
        _compare(
            "materialize",
            materialized,
            by_hand["finished"],
            "peer: adbc_ingest of the same batches from memory, unique key, statistics; without these two "
            f"{statistics.median(by_hand['bare']):.2f} s",
        ),
        _peak(max(found.peak_mib for found in (*exported, *materialized))),
    ]


def _run(home: Home, dataset: str, target: str, bucket: str | None) -> Move:
    arguments = [home.service_dsn, str(home.settings.home), dataset, target, bucket]
    # the DSN holds a password: it goes by standard input
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.moves"],
        input=msgspec.json.encode(arguments),
        stdout=subprocess.PIPE,
        check=True,
    )
    return msgspec.json.decode(done.stdout, type=Move)


def _time(call: Callable[..., Any], *arguments: Any) -> float:
    started = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - started


def _compare(name: str, ours: list[Move], peer: list[float], note: str) -> Figure:
    seconds = statistics.median(found.seconds for found in ours)
    theirs = statistics.median(peer)
    return Figure(
        name=f"{name} of {ROWS:,} rows",
        ours=f"{seconds:.2f} s",
        peer=f"{theirs:.2f} s",
        value=theirs / seconds,
        unit="x",
        relation=">=",
        target=0.7,
        note=note,
    )


def _peak(peak: float) -> Figure:
    return Figure(
        name="peak memory of the worker that exports and materializes",
        ours=f"{peak:.0f} MiB",
        peer="-",
        value=peak,
        unit="MiB",
        relation="<=",
        target=1500,
    )


if __name__ == "__main__":
    dsn, home, dataset, target, bucket = msgspec.json.decode(sys.stdin.buffer.read(), type=list[str | None])
    found = move(str(dsn), Path(str(home)), str(dataset), str(target), bucket)
    sys.stdout.buffer.write(msgspec.json.encode(found))
