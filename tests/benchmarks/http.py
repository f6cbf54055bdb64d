"""The same searches over HTTP: one connection, and eight clients at once beside eight raw connections."""

import http.client
import json
import multiprocessing
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.queues import Queue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.corpus import Corpus
from tests.benchmarks.figures import Figure, rounds, summarise
from tests.benchmarks.home import QUICK, Home
from tests.benchmarks.search import K, RawSearch
from tests.benchmarks.setup import INDEX, PROFILE

CLIENTS = 8
CALLS = 100 if QUICK else 400
PATH = f"/vectors/profile/{PROFILE}/search"


class HttpSearch:
    """One keep-alive connection that asks and reads the whole answer."""

    def __init__(self, port: int, key: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port)
        self._headers = {"X-API-Key": key, "Content-Type": "application/json"}

    def __call__(self, body: bytes) -> bytes:
        self._connection.request("POST", PATH, body, self._headers)
        answer = self._connection.getresponse()
        content = answer.read()
        assert answer.status == 200, content
        return content


def bodies(queries: NDArray[np.float32]) -> list[bytes]:
    """The requests as a client sends them."""
    return [
        json.dumps({"index": INDEX, "k": K, "vector": [round(float(x), 6) for x in vector]}).encode()
        for vector in queries
    ]


@contextmanager
def serving(home: Home, settings: Mapping[str, str] | None = None) -> Iterator[int]:
    """`lakeward serve` on the prepared home, with some settings as its environment; its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "app.cli.main",
        "serve",
        "--home",
        str(home.settings.home),
        "--port",
        str(port),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, **(settings or {})})
    try:
        wait_ready(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=20)


def wait_ready(port: int, process: "subprocess.Popen[Any]", timeout_s: float = 60) -> None:
    """Until GET /ready answers 200."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline and process.poll() is None:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/ready")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        time.sleep(0.02)
    raise RuntimeError("the API did not become ready")


def _http_client(
    port: int, key: str, vectors: NDArray[np.float32], spans: "Queue[tuple[float, float]]"
) -> None:
    search, requests = HttpSearch(port, key), bodies(vectors)
    _run(search, requests, spans)


def _raw_client(
    dsn: str, variant_id: int, vectors: NDArray[np.float32], spans: "Queue[tuple[float, float]]"
) -> None:
    _run(RawSearch(dsn, variant_id), list(vectors), spans)


def _run(call: Callable[[Any], Any], arguments: list[Any], spans: "Queue[tuple[float, float]]") -> None:
    for argument in arguments[:30]:
        call(argument)
    started = time.time()
    for argument in arguments:
        call(argument)
    spans.put((started, time.time()))


def throughput(target: Callable[..., None], *arguments: Any) -> float:
    """Searches per second of eight processes."""
    spawn = multiprocessing.get_context("spawn")
    spans: Any = spawn.Queue()
    processes = [spawn.Process(target=target, args=(*arguments, spans)) for _ in range(CLIENTS)]
    for process in processes:
        process.start()
    times = [spans.get(timeout=300) for _ in processes]
    for process in processes:
        process.join()
    return CLIENTS * CALLS / (max(end for _, end in times) - min(start for start, _ in times))


def measure(home: Home, corpus: Corpus, variant_id: int) -> list[Figure]:
    """Latency on one connection and throughput with eight, raw beside it in turns."""
    key = home.settings.admin_key_file
    with serving(home) as port:
        search, raw = HttpSearch(port, key.read_text().strip()), RawSearch(home.admin_dsn, variant_id)
        requests = bodies(corpus.queries)
        ours: list[float] = []
        peer: list[float] = []
        for n in range(50):
            search(requests[n])
            raw(corpus.queries[n])
        for part in rounds(range(len(requests)), 10):
            for call, arguments, samples in ((search, requests, ours), (raw, corpus.queries, peer)):
                for n in part:
                    started = time.perf_counter()
                    call(arguments[n])  # type: ignore[operator, arg-type, index]
                    samples.append(time.perf_counter() - started)
        vectors = corpus.queries[:CALLS]
        rates = [
            (
                throughput(_http_client, port, key.read_text().strip(), vectors),
                throughput(_raw_client, home.admin_dsn, variant_id, vectors),
            )
            for _ in range(1 if QUICK else 3)
        ]
    mine, theirs = summarise(ours), summarise(peer)
    http_rate, raw_rate = sorted(rates, key=lambda pair: pair[0] / pair[1])[len(rates) // 2]
    return [
        Figure(
            name="scoped search over HTTP, p50 beyond raw",
            ours=f"{mine.p50:.2f} ms (p95 {mine.p95:.2f})",
            peer=f"{theirs.p50:.2f} ms (p95 {theirs.p95:.2f})",
            value=mine.p50 - theirs.p50,
            unit="ms",
            relation="<=",
            target=2.0,
            note="one keep-alive connection, the vector in the body",
        ),
        Figure(
            name="throughput, 8 HTTP clients",
            ours=f"{http_rate:,.0f}/s",
            peer=f"{raw_rate:,.0f}/s",
            value=http_rate / raw_rate,
            unit="x",
            relation=">=",
            target=0.5,
            note="peer: 8 processes with raw psycopg; clients share the 2 cores with the server",
        ),
    ]
