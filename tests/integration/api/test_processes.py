"""A process serves one reader, again if that asks soon, and never another one."""

import os
import signal
import time

import psutil
import pytest

from app.analytics import processes as processes_module
from tests.integration.api.conftest import Api, problem

ROWS = "id,name\n1,one\n2,two\n"


@pytest.fixture(scope="module")
def readers(api: Api) -> Api:
    """Two readers of one dataset."""
    assert api.ingest("things", ROWS, row_key="id").status_code == 201
    api.profile("first", "things")
    api.profile("second", "things")
    return api


def pids() -> set[int]:
    servers = [p for p in psutil.Process().children() if any("forkserver" in part for part in p.cmdline())]
    return {child.pid for server in servers for child in server.children()}


def settled() -> set[int]:
    """The processes, when no more are being started or ended."""
    found = pids()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        time.sleep(0.3)
        if found == (found := pids()):
            break
    return found


def ask(api: Api, profile: str) -> None:
    with api.reader(profile) as reader:
        answer = reader.post("/query/sql", json={"sql": "select count(*) from things"})
    assert answer.json()["rows"] == [[2]], answer.text


def test_the_same_reader_again_has_the_same_process_and_another_one_another(readers: Api) -> None:
    ask(readers, "first")
    once = settled()
    ask(readers, "first")
    assert settled() == once, "its process and the spare"
    ask(readers, "second")
    twice = settled()
    assert once < twice and len(twice) == len(once) + 1, "the spare served it, and there is a new spare"


def test_a_query_that_fails_ends_its_process(readers: Api) -> None:
    ask(readers, "first")
    before = settled()
    with readers.reader("first") as reader:
        problem(
            reader.post("/query/sql", json={"sql": "select 1 / (id - id) from things"}), 400, "invalid_query"
        )
    assert len(before - settled()) == 1


def test_processes_that_died_meanwhile_are_not_missed(readers: Api) -> None:
    ask(readers, "first")
    for pid in settled():
        os.kill(pid, signal.SIGKILL)
    ask(readers, "first")
    ask(readers, "second")


def test_at_most_two_wait_and_not_for_long(readers: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes_module, "IDLE_S", 0.2)
    readers.profile("third", "things")
    for profile in ("first", "second", "third"):
        ask(readers, profile)
    deadline = time.monotonic() + 15
    while len(pids()) > 1:
        assert time.monotonic() < deadline, "only the spare waits for longer"
        time.sleep(0.1)
