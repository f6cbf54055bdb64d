"""kill -9 while bucket datasets are appended to, compacted, exported and materialized.

No row that was acknowledged is lost, none is there twice, nothing is seen by halves, and whoever writes next repairs
what is left: at each step by itself, and at random moments with all of it at work at the same time.
"""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable

import app
from tests.conftest import Deployed
from tests.faults.moves_worker import BATCH

NURSERY = Path(__file__).with_name("moves_worker.py")
GONE = 3


class Deployment:
    """A database and a bucket, the processes that work on them, and what they acknowledged."""

    def __init__(self, deployed: Deployed, nursery: "subprocess.Popen[str]") -> None:
        self.deployed = deployed
        self.nursery = nursery
        self.loaded: set[int] = set()
        self.started: set[int] = set()
        self.copies = 0

    def run(
        self,
        *,
        end: str = "",
        appends: int = 0,
        jobs: bool = False,
        sweep: bool = False,
        kill_after_s: float | None = None,
    ) -> int:
        """A process until it ends, or is killed; its exit code."""
        first = max(self.started, default=-1) + 1
        # of a file that was not acknowledged nobody knows whether it was loaded, so it is sent again
        again = sorted(self.started - self.loaded)
        batches = [*again, *range(first, first + max(appends - len(again), 0))] if appends else []
        self.started |= set(batches)
        there = {"dsn": self.deployed.service_dsn, "home": str(self.deployed.home), "url": self.deployed.dsn}
        order = {**there, "end": end, "appends": batches, "jobs": jobs, "sweep": sweep}
        assert self.nursery.stdin is not None
        self.nursery.stdin.write(json.dumps(order) + "\n")
        pid = int(next_line(self.nursery).removeprefix("pid "))
        timer = threading.Timer(kill_after_s or 60, kill, [pid])
        timer.start()
        while not (line := next_line(self.nursery)).startswith("ended "):
            word, _, value = line.partition(" ")
            if word == "loaded":
                self.loaded.add(int(value))
            assert word, "the nursery died"
        timer.cancel()
        return int(line.removeprefix("ended "))

    def defer(self, kind: str, dataset: str = "rows") -> str:
        """A job, as the API defers it; the copy's name."""
        self.copies += 1
        target = f"copy_{self.copies}"
        args: dict[str, Any] = {"dataset": dataset}
        if kind != "compact":
            args |= {"target": target, "bucket": "local" if kind == "export" else None}
        lock = f"compact:{dataset}" if kind == "compact" else f"copy:{target}"
        with self.deployed.connect("owner") as owner:
            owner.execute(
                "select lakeward.defer_job(%s, %s, %s, 'rows', %s, '')",
                [kind, dataset, json.dumps(args), lock],
            )
        return target

    def tombstone(self, *keys: int) -> None:
        """Rows that are never seen again."""
        with self.deployed.connect("steward") as steward:
            [(dataset,)] = steward.execute("select id from lakeward.dataset where name = 'rows'").fetchall()
            steward.execute(
                "select lakeward.tombstone_keys(%s, 'bigint', %s, '')", [dataset, [str(key) for key in keys]]
            )

    def check(self) -> None:
        """What is visible is whole."""
        with self.deployed.connect("owner") as owner:
            found = owner.execute(
                "select d.name, d.home, d.row_count, b.location, b.delta_version, array(select t.key_value::bigint "
                "from lakeward.tombstone t where t.dataset_id = d.id and t.undone_at is null) from lakeward.dataset d "
                "left join lakeward.bucket_dataset b on b.dataset_id = d.id where d.version > 0"
            ).fetchall()
            for name, home, row_count, location, version, gone in found:
                if home == "bucket":
                    path = self.deployed.home / "buckets" / "local" / location
                    ids = read(path, version, set(gone))
                else:
                    ids = [row[0] for row in owner.execute(f"select id from lake.{name}".encode())]
                self._check_rows(name, ids, row_count)

    def _check_rows(self, name: str, ids: list[int], row_count: int) -> None:
        assert len(ids) == len(set(ids)), f"{name} has rows twice"
        assert len(ids) == row_count, name
        assert not set(range(GONE)) & set(ids), "tombstoned rows are seen"
        batches = Counter(i // BATCH for i in ids)
        whole = {batch: BATCH - (GONE if batch == 0 else 0) for batch in batches}
        assert batches == whole, f"{name} has a half of what was loaded"
        assert set(batches) <= self.started
        if name == "rows":
            assert self.loaded <= set(batches), "rows that were acknowledged are lost"

    def settle(self) -> None:
        """A process that nobody kills ends everything that was begun; nothing is left over."""
        assert self.run(appends=1, jobs=True) == 0
        assert self.run(sweep=True) == 0
        self.check()
        with self.deployed.connect("owner") as owner:
            jobs = owner.execute(
                "select kind, state, error from lakeward.job where state <> 'succeeded'"
            ).fetchall()
            assert jobs == []
            copies = owner.execute("select count(*) from lakeward.dataset where name like 'copy%'").fetchone()
            moves = owner.execute("select count(*) from lakeward.job where kind <> 'compact'").fetchone()
            assert copies == moves
            locations = {row[0] for row in owner.execute("select location from lakeward.bucket_dataset")}
        root = self.deployed.home / "buckets" / "local"
        assert {f"datasets/{path.name}" for path in (root / "datasets").iterdir()} == locations


def next_line(nursery: "subprocess.Popen[str]") -> str:
    assert nursery.stdout is not None
    return nursery.stdout.readline().strip()


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def read(path: Path, version: int, gone: set[int]) -> list[int]:
    """The ids of a version, as any Delta reader reads them, without what is tombstoned."""
    ids = pa.table(DeltaTable(path, version=version).to_pyarrow_dataset().to_table(columns=["id"]))
    return [i for i in ids.column("id").to_pylist() if i not in gone]


@pytest.fixture(scope="module")
def nursery() -> Iterator["subprocess.Popen[str]"]:
    """Where processes come from."""
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


@pytest.fixture
def here(deployed: Deployed, nursery: "subprocess.Popen[str]") -> Deployment:
    here = Deployment(deployed, nursery)
    assert here.run(appends=2) == 0
    here.tombstone(*range(GONE))
    return here


APPEND = [
    f"append {step}" for step in ("write:before", "write:after", "pin:before", "pin:after", "commit:after")
]
COMPACT = [
    f"compact {step}"
    for step in (
        "delete:after",
        "rewrite:before",
        "rewrite:after",
        "pin:after",
        "commit:before",
        "commit:after",
    )
]
COPY = [
    "export begin:before",
    "export begin:after",
    "export write:during",
    "export write:after",
    "export record:before",
    "export record:after",
    "export commit:after",
    "materialize write:before",
    "materialize write:during",
    "materialize write:after",
    "materialize record:after",
    "materialize commit:after",
]


@pytest.mark.parametrize("ends", [APPEND, COMPACT, COPY], ids=["append", "compact", "copy"])
def test_killed_at_every_step(here: Deployment, ends: list[str]) -> None:
    """One after the other; what is left of one is the next one's to repair."""
    for end in ends:
        kind = end.split()[0]
        if kind != "append":
            here.defer(kind)
        assert here.run(end=end, appends=kind == "append", jobs=kind != "append") == -9, end
        here.check()
    here.settle()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("end", [*APPEND, *COMPACT, *COPY])
def test_killed_at_a_step_the_next_process_has_it_done(here: Deployment, end: str) -> None:
    kind = end.split()[0]
    # there are tombstoned rows to take out of the files once
    for _ in range(1 if end == "compact delete:after" else 5):
        if kind != "append":
            here.defer(kind)
        assert here.run(end=end, appends=1, jobs=kind != "append") == -9
        here.check()
        assert here.run(appends=1, jobs=True) == 0
        here.check()
    here.settle()


def at_random(here: Deployment, rounds: int, seed: int) -> None:
    moments = random.Random(seed)
    killed = 0
    for _ in range(rounds):
        for kind in ("compact", "export", "materialize"):
            if moments.random() < 0.7:
                here.defer(kind)
        after_s = moments.uniform(0.02, 1.2)
        killed += here.run(appends=8, jobs=True, kill_after_s=after_s) == -9
        here.check()
    assert killed > rounds / 2, "most were killed in the middle"
    here.settle()


def test_killed_at_random_moments(here: Deployment) -> None:
    at_random(here, 5, 4)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(4))
def test_killed_at_random_moments_many_times(here: Deployment, seed: int) -> None:
    at_random(here, 40, seed + int(time.time()))
