"""A server for the demo: the one that runs, or a `lakeward up` of its own that ends with it."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import rich_click as click

from app.cli.address import find_address
from app.cli.client import Api
from app.cli.output import note
from app.db.home_lock import find_owner
from app.errors import LakewardError, UnavailableError
from app.settings import Settings

#: The first start makes the cluster and migrates: 20 seconds on a busy machine.
START_S = 180.0
PACKAGE = Path(__file__).resolve().parent.parent
STOP_S = 30.0


@contextmanager
def running_server(settings: Settings) -> Iterator[bool]:
    """A server that the commands on this home find; whether it was started for this, and is stopped at the end.

    Raises:
        UnavailableError: it does not start; with the last lines of what it said.
    """
    if _is_running(settings):
        yield False
        return
    note(f"starting Lakeward in {settings.home}")
    with tempfile.TemporaryFile("w+") as log, _interrupted_by_sigterm():
        command = [sys.executable, "-P", "-m", "app.cli.main", "up", "--home", str(settings.home)]
        command += ["--port", str(_free_port(settings))]
        # a session of its own: Ctrl-C is the demo's, which then stops it in order
        child = subprocess.Popen(
            command,
            env=_environment(),
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            _wait_until_ready(settings, child, log)
            yield True
        finally:
            _stop(child)


def _environment() -> dict[str, str]:
    """The child runs the code that runs here, from wherever that is, and nothing of the working directory's."""
    paths = [str(PACKAGE.parent), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}


def _is_running(settings: Settings) -> bool:
    address = find_address(settings)
    if find_owner(settings.home) is None and settings.database_url is None and not address.named:
        return False
    try:
        with Api(address) as api:
            return bool(api.get("/health"))
    except LakewardError:
        if address.named:
            raise
        return False


def _free_port(settings: Settings) -> int:
    """The one of the settings, or any other when that is taken."""
    for port in (settings.api.port, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise UnavailableError("there is no free port on this machine")


def _wait_until_ready(settings: Settings, child: subprocess.Popen[bytes], log: IO[str]) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if child.poll() is not None:
            log.seek(0)
            said = "\n".join(log.read().splitlines()[-15:])
            raise UnavailableError(f"lakeward up ended with status {child.returncode}:\n{said}")
        owner = find_owner(settings.home)
        if owner is not None and owner.pid == child.pid and _answers(settings):
            return
        time.sleep(0.2)
    raise UnavailableError(f"lakeward up was not ready after {START_S:.0f} s")


def _answers(settings: Settings) -> bool:
    try:
        with Api(find_address(settings)) as api:
            api.get("/ready")
    except LakewardError:
        return False
    return True


def _stop(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(STOP_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


@contextmanager
def _interrupted_by_sigterm() -> Iterator[None]:
    def interrupt(*_: object) -> None:
        raise click.Abort

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
