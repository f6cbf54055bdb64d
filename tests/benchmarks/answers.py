"""A million rows as an answer over HTTP, beside the engine alone; and an aggregate of them from the hot cache."""

import http.client
import json
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
from datafusion import SessionContext

from tests.benchmarks.figures import Figure
from tests.benchmarks.home import QUICK, Home
from tests.benchmarks.http import serving
from tests.benchmarks.tpch import ARROW, Client

ROWS = 100_000 if QUICK else 1_000_000
TURNS = 3 if QUICK else 7
ROWS_TARGET, FIRST_TARGET, CACHE_TARGET = 0.5, 0.5, 5.0
ALL = "select id, day, value, name from million"
AGGREGATE = "select name, count(*) as n, sum(value) as total, max(day) as last from million group by name order by name"


def write_file(path: Path) -> None:
    """Numbers, days and names in a Parquet file."""
    ids = range(ROWS)
    table = pa.table(
        {
            "id": ids,
            "day": pa.array([n % 5000 for n in ids], pa.int32()).cast(pa.date32()),
            "value": [n * 0.25 for n in ids],
            "name": [f"name number {n % 1000}" for n in ids],
        }
    )
    path.parent.mkdir(parents=True)
    pq.write_table(table, path)


def _stream(port: int, key: str) -> tuple[float, float]:
    """Seconds until the first batch is there, and until the last."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    started = time.perf_counter()
    headers = {"X-API-Key": key, "Content-Type": "application/json", "Accept": ARROW}
    connection.request("POST", "/query/sql", json.dumps({"sql": ALL, "max_rows": ROWS}), headers)
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    first, rows = 0.0, 0
    for batch in pa.ipc.open_stream(answer):
        rows += batch.num_rows
        first = first or time.perf_counter() - started
    seconds = time.perf_counter() - started
    assert rows == ROWS
    return first, seconds


def _engine(path: Path) -> float:
    context = SessionContext()
    context.register_parquet("million", str(path))
    started = time.perf_counter()
    rows = sum(batch.to_pyarrow().num_rows for batch in context.sql(ALL).execute_stream())
    assert rows == ROWS
    return time.perf_counter() - started


@contextmanager
def serving_s3() -> Iterator[dict[str, str]]:
    """A moto server with a bucket; what Lakeward's environment must say of it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(Path(sys.executable).with_name("moto_server")), "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while not _put(port, "/bench"):
            assert process.poll() is None and time.monotonic() < deadline, "moto does not start"
            time.sleep(0.05)
        buckets = [
            {"name": "local", "url": "buckets/local"},
            {
                "name": "remote",
                "url": "s3://bench",
                "endpoint": f"http://127.0.0.1:{port}",
                "region": "us-east-1",
                "secret_ref": "env:BENCH_S3",
                "allow_http": True,
            },
        ]
        yield {"LAKEWARD_BUCKETS": json.dumps(buckets), "BENCH_S3": "bench:bench"}
    finally:
        process.terminate()
        process.wait(timeout=10)


def _put(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("PUT", path)
        return connection.getresponse().status == 200
    except OSError:
        return False


def _ingest(port: int, key: str, path: Path) -> None:
    """The rows as a dataset of the S3 bucket; what is attached may change and is not cached."""
    answer = httpx.post(
        f"http://127.0.0.1:{port}/ingest/file",
        files={"file": (path.name, path.read_bytes())},
        data={"dataset": "remote_million", "row_key": "id", "home": "bucket"},
        headers={"X-API-Key": key, "X-Lakehouse-Bucket": "remote"},
        timeout=120,
    )
    assert answer.status_code == 201, answer.text


def _seconds(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def measure(home: Home) -> list[Figure]:
    """In turns; the cache is emptied before each of its first reads."""
    path = home.settings.home / "buckets" / "local" / "answers" / "million.parquet"
    write_file(path)
    with (
        serving_s3() as buckets,
        serving(home, {"LAKEWARD_QUERY_MAX_ROWS": str(ROWS), **buckets}) as port,
    ):
        key = home.settings.admin_key_file.read_text().strip()
        admin = Client(port, key)
        admin.post("/catalog/datasets/attach", {"name": "million", "path": "answers/million.parquet"})
        _stream(port, key), _engine(path)
        turns = [(*_stream(port, key), _engine(path)) for _ in range(TURNS)]
        first, ours, engine = (statistics.median(times) for times in zip(*turns, strict=True))
        _ingest(port, key, path)
        question = AGGREGATE.replace("million", "remote_million")
        answer = admin.ask(AGGREGATE)
        reads = []
        for _ in range(TURNS):
            admin.post("/query/cache/evict", {"dataset": "remote_million"})
            admin.post("/query/cache/pin", {"dataset": "remote_million"})
            cold = _seconds(lambda: admin.ask(question))
            reads.append((cold, _seconds(lambda: admin.ask(question))))
        assert admin.ask(question) == answer
        cold, hot = (statistics.median(times) for times in zip(*reads, strict=True))
    return [
        Figure(
            name=f"{ROWS:,} rows as Arrow over HTTP",
            ours=f"{ours * 1000:.0f} ms",
            peer=f"{engine * 1000:.0f} ms (the engine alone)",
            value=engine / ours,
            unit="x",
            relation=">=",
            target=ROWS_TARGET,
        ),
        Figure(
            name="… their first batch",
            ours=f"{first * 1000:.0f} ms",
            peer=f"{ours * 1000:.0f} ms (the last)",
            value=first / ours,
            unit="x",
            relation="<=",
            target=FIRST_TARGET,
        ),
        Figure(
            name=f"hot cache: an aggregate of {ROWS:,} rows",
            ours=f"{hot * 1000:.0f} ms",
            peer=f"{cold * 1000:.0f} ms (first read from S3)",
            value=cold / hot,
            unit="x",
            relation=">=",
            target=CACHE_TARGET,
        ),
    ]
