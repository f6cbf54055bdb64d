"""How long people wait: `lakeward up` on a home that exists, and `lakeward --help`."""

import os
import socket
import statistics
import subprocess
import sys
import time

from tests.benchmarks.figures import Figure
from tests.benchmarks.home import Home
from tests.benchmarks.http import wait_ready

COMMAND = [sys.executable, "-m", "app.cli.main"]


def measure(home: Home) -> list[Figure]:
    """The server of the home is stopped first: starting Postgres is part of it. Leaves it running."""
    from app.db.embedded import ensure_running, find_running

    running = find_running(home.settings.home)
    assert running is not None
    running.stop()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    started = time.perf_counter()
    process = subprocess.Popen(
        [*COMMAND, "up", "--home", str(home.settings.home), "--port", str(port)],
        stdout=subprocess.DEVNULL,
        env={**os.environ},
    )
    wait_ready(port, process)
    ready = time.perf_counter() - started
    process.terminate()
    process.wait(timeout=30)
    ensure_running(home.settings.home)
    return [
        Figure(
            name="`lakeward up` on an existing home until ready",
            ours=f"{ready:.2f} s",
            peer="-",
            value=ready,
            unit="s",
            relation="<=",
            target=5.0,
        ),
        _help(),
    ]


def _help() -> Figure:
    times = []
    for _ in range(10):
        started = time.perf_counter()
        subprocess.run([*COMMAND, "--help"], stdout=subprocess.DEVNULL, check=True)
        times.append(time.perf_counter() - started)
    seconds = statistics.median(times)
    return Figure(
        name="`lakeward --help`",
        ours=f"{seconds:.2f} s",
        peer="-",
        value=seconds,
        unit="s",
        relation="<=",
        target=0.3,
    )
