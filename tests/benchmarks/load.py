"""Eight clients that search all the time: alone, and beside a refresh, a trial and tombstones."""

import multiprocessing
import multiprocessing.synchronize
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.queues import Queue
from typing import Any

import httpx
import numpy as np
import psycopg
from numpy.typing import NDArray

from tests.benchmarks.corpus import Corpus
from tests.benchmarks.figures import Figure
from tests.benchmarks.home import QUICK, Home
from tests.benchmarks.http import CLIENTS, HttpSearch, bodies, serving
from tests.benchmarks.setup import DATASET, INDEX

SECONDS = 15 if QUICK else 60
CHANGED, GONE = 500, 20
#: Of the rows that are tombstoned; the others are changed.
DOOMED = "abs(hashtext(id)) % 4 = 0"


def _client(
    port: int,
    key: str,
    vectors: NDArray[np.float32],
    stop: multiprocessing.synchronize.Event,
    found: "Queue[tuple[list[float], list[str]]]",
) -> None:
    search, requests = HttpSearch(port, key), bodies(vectors)
    took: list[float] = []
    errors: list[str] = []
    while not stop.is_set():
        started = time.perf_counter()
        try:
            search(requests[len(took) % len(requests)])
        except Exception as exc:  # whatever it is, it is counted
            errors.append(f"{type(exc).__name__}: {exc}"[:300])
            search = HttpSearch(port, key)
        took.append(time.perf_counter() - started)
    found.put((took, errors))


@contextmanager
def _working(home: Home) -> Iterator[None]:
    """`lakeward worker` beside the API."""
    command = [sys.executable, "-m", "app.cli.main", "worker", "--home", str(home.settings.home)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=60)


class Busy:
    """What goes on beside the searches, each in a thread: how often it was done."""

    def __init__(self, home: Home, admin: httpx.Client) -> None:
        self._home, self._admin = home, admin
        self._end = threading.Event()
        self.done = {"refreshes": 0, "trials": 0, "tombstones": 0}
        self.rows = 0
        self.errors: list[str] = []

    @contextmanager
    def going(self) -> Iterator[None]:
        """All of it, until the end; what was begun is waited for."""
        threads = [
            threading.Thread(target=self._repeat, args=(work,))
            for work in (self._refresh, self._try, self._bury)
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._end.set()
            for thread in threads:
                thread.join()

    def _repeat(self, work: Callable[[psycopg.Connection[Any]], None]) -> None:
        with psycopg.connect(self._home.admin_dsn, autocommit=True) as connection:
            while not self._end.is_set():
                try:
                    work(connection)
                except Exception as exc:
                    self.errors.append(f"{work.__name__}: {type(exc).__name__}: {exc}"[:300])
                    return

    def _refresh(self, connection: psycopg.Connection[Any]) -> None:
        connection.execute(
            f"update lake.{DATASET} set text = text || ' .' where id in "
            f"(select id from lake.{DATASET} where not {DOOMED} order by random() limit {CHANGED})"
        )
        answer = self._post(f"/vectors/refresh/{DATASET}", {})
        job = self._wait(answer["job_id"])
        self.rows += job["result"]["embedded"]
        self.done["refreshes"] += 1

    def _try(self, _: psycopg.Connection[Any]) -> None:
        arm = {"m": 16, "ef_construction": 80, "ef_search": [40, 100]}
        self._wait(
            self._post("/vectors/hnsw/trial", {"index": INDEX, "eval": "load", "arms": [arm]})["job_id"]
        )
        self.done["trials"] += 1

    def _bury(self, connection: psycopg.Connection[Any]) -> None:
        keys = connection.execute(
            f"select id from lake.{DATASET} where {DOOMED} order by random() limit {GONE}"
        ).fetchall()
        body = {"row_key_column": "id", "row_key_values": [key for (key,) in keys], "reason": "bench"}
        self._post(f"/catalog/datasets/by-name/{DATASET}/tombstone", body)
        self.done["tombstones"] += GONE
        self._end.wait(0.5)

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self._admin.post(path, json=body)
        assert answer.status_code < 300, f"{path}: {answer.text}"
        return dict(answer.json())

    def _wait(self, job_id: str) -> dict[str, Any]:
        while True:
            job = self._admin.get(f"/vectors/jobs/{job_id}").json()
            if job["state"] not in ("queued", "running"):
                assert job["state"] == "succeeded", job
                return dict(job)
            time.sleep(0.2)


def _searching(port: int, key: str, corpus: Corpus, beside: Any) -> tuple[NDArray[np.float64], list[str]]:
    """Seconds of each search, and the errors, of eight clients for a minute."""
    spawn = multiprocessing.get_context("spawn")
    stop, found = spawn.Event(), spawn.Queue()
    parts = np.array_split(corpus.queries, CLIENTS)
    clients = [spawn.Process(target=_client, args=(port, key, parts[n], stop, found)) for n in range(CLIENTS)]
    for client in clients:
        client.start()
    time.sleep(3)
    with beside:
        time.sleep(SECONDS)
        stop.set()
        answers = [found.get(timeout=60) for _ in clients]
    for client in clients:
        client.join()
    took = np.concatenate([part for part, _ in answers])
    return took, [error for _, errors in answers for error in errors]


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def measure(home: Home, corpus: Corpus) -> list[Figure]:
    """On the index that the search bench left, over HTTP, with a worker beside the API."""
    key = home.settings.admin_key_file.read_text().strip()
    with serving(home) as port, _working(home):
        base = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=base, headers={"X-API-Key": key}, timeout=120) as admin:
            queries = [{"vector": [float(x) for x in vector]} for vector in corpus.queries[:200]]
            answer = admin.post(
                "/vectors/hnsw/evals", json={"name": "load", "index": INDEX, "queries": queries}
            )
            assert answer.status_code == 201, answer.text
            quiet, failed = _searching(port, key, corpus, _nothing())
            busy = Busy(home, admin)
            loud, failed_too = _searching(port, key, corpus, busy.going())
    errors = failed + failed_too + busy.errors
    p99 = [float(np.quantile(took, 0.99)) * 1000 for took in (quiet, loud)]
    p50 = [float(np.median(took)) * 1000 for took in (quiet, loud)]
    return [
        Figure(
            name=f"8 clients for {SECONDS} s beside a refresh, a trial and tombstones: p99",
            ours=f"{p99[1]:.0f} ms (p50 {p50[1]:.0f}; {len(loud):,} searches)",
            peer=f"{p99[0]:.0f} ms (p50 {p50[0]:.0f}; {len(quiet):,} searches; nothing beside)",
            value=p99[1] / p99[0],
            unit="x",
            relation="<=",
            target=5,
            note=f"{busy.done['refreshes']} refreshes ({busy.rows:,} rows embedded), {busy.done['trials']} trials, "
            f"{busy.done['tombstones']} tombstones",
        ),
        Figure(
            name="… errors",
            ours=str(len(errors)),
            peer="",
            value=len(errors),
            unit="",
            relation="<=",
            target=0,
            note=errors[0] if errors else "",
        ),
    ]
