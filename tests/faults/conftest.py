"""A whole Lakeward as people run it: `lakeward up` in a process of its own, over an embedded home of its own."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from app.db.embedded import find_running


class Home:
    """A home, and the process that serves it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.process: subprocess.Popen[str] | None = None

    def up(self) -> httpx.Client:
        """Start, and wait until it is ready; an admin's client."""
        environ = {**os.environ, "LAKEWARD_MODELS_EMBED_PROVIDER": "fake", "PYTHONUNBUFFERED": "1"}
        command = [
            sys.executable,
            "-m",
            "app.cli.main",
            "up",
            "--home",
            str(self.path),
            "--port",
            str(self.port),
        ]
        self.process = subprocess.Popen(
            command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=60)
        deadline = time.monotonic() + 60
        while True:
            assert self.process.poll() is None, self.process.stdout.read() if self.process.stdout else ""
            try:
                if client.get("/ready").status_code == 200:
                    break
            except httpx.TransportError:
                pass
            assert time.monotonic() < deadline, "it did not become ready"
            time.sleep(0.05)
        client.headers["X-API-Key"] = (self.path / "admin.key").read_text().strip()
        return client

    def kill(self) -> None:
        """kill -9 of the server; Postgres goes on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def query(self, statement: str) -> list[Any]:
        """As Postgres' superuser."""
        server = find_running(self.path)
        assert server is not None
        with psycopg.connect(server.admin_dsn("lakeward"), autocommit=True) as connection:
            return connection.execute(statement.encode()).fetchall()

    def stop(self) -> None:
        """End everything that is left of it."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        server = find_running(self.path)
        if server is not None:
            server.stop("immediate")


@pytest.fixture(scope="module")
def stopped() -> Iterator[Path]:
    """A home that was up once and was stopped in order: initdb and the migrations are others' tests, and 4 s."""
    path = Path(tempfile.mkdtemp(prefix="lwf"))
    home = Home(path)
    try:
        home.up()
        assert home.process is not None
        home.process.terminate()
        home.process.wait()
        server = find_running(path)
        if server is not None:
            server.stop("fast")
        yield path
    finally:
        home.stop()
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def home(stopped: Path) -> Iterator[Home]:
    path = Path(tempfile.mkdtemp(prefix="lwf"))
    # with its owners: as root the server runs as somebody else
    subprocess.run(["cp", "-a", f"{stopped}/.", str(path)], check=True)
    home = Home(path)
    yield home
    home.stop()
    shutil.rmtree(path, ignore_errors=True)


def wait_for_job(client: httpx.Client, job_id: str, timeout_s: float = 90) -> dict[str, Any]:
    """The job when it has ended."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        job: dict[str, Any] = client.get(f"/vectors/jobs/{job_id}").json()
        if job["state"] in ("succeeded", "failed", "cancelled"):
            return job
        time.sleep(0.1)
    raise AssertionError(f"the job did not end: {job}")
