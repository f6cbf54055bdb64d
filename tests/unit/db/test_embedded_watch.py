"""What the watch does when the server is gone, and when it does not start."""

import threading
from pathlib import Path
from typing import Any

import pytest

from app.db import embedded_watch
from app.db.embedded import EmbeddedServer
from app.db.embedded_watch import keep_running
from app.errors import ServerStartError

SERVER = EmbeddedServer(home=Path("/h"), version=18, socket_dir=Path("/h/run"), bin_dir=Path("/bin"))


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_watch, "EVERY_S", 0.01)
    monkeypatch.setattr(embedded_watch, "MAX_WAIT_S", 0.03)


def test_one_that_does_not_start_is_tried_again_after_longer_and_longer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    there, failures = threading.Event(), [ServerStartError("the disk is full")] * 3

    def start(home: Path, **options: Any) -> EmbeddedServer:
        if failures:
            raise failures.pop()
        there.set()
        return SERVER

    monkeypatch.setattr(embedded_watch, "find_postmaster", lambda data: data if there.is_set() else None)
    monkeypatch.setattr(embedded_watch, "ensure_running", start)
    with keep_running(SERVER):
        assert there.wait(5)
    said = [record.getMessage() for record in caplog.records]
    assert said[0].startswith("Postgres of /h is gone")
    assert [line.split(". the")[0] for line in said[1:4]] == [
        f"Postgres is not up; it is tried again in {wait} s" for wait in (0.02, 0.03, 0.03)
    ]
    assert all(line.endswith("the disk is full") for line in said[1:4])
    assert said[4:] == ["Postgres of /h is up again"]


def test_once_it_is_left_nothing_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = threading.Event()

    def find(data: Path) -> Path:
        looked.set()
        return data

    def start(*arguments: Any, **options: Any) -> None:
        raise AssertionError("it was started while it was being stopped")

    monkeypatch.setattr(embedded_watch, "find_postmaster", find)
    monkeypatch.setattr(embedded_watch, "ensure_running", start)
    with keep_running(SERVER):
        assert looked.wait(5)
    assert not [thread for thread in threading.enumerate() if thread.name == "postgres watch"]


def test_a_server_of_somebody_else_is_not_watched() -> None:
    before = threading.active_count()
    with keep_running(None):
        assert threading.active_count() == before
