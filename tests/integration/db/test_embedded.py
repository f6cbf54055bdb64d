"""The embedded server starts, is adopted, survives kill -9, and lets nobody in without a password."""

import multiprocessing
import os
import shutil
import signal
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import psycopg
import pytest

from app.db.embedded import ensure_running, find_running
from app.errors import ServerStartError

SMALL = {"shared_buffers": "16MB", "fsync": "off"}


@pytest.fixture
def home() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="lwe"))
    yield path
    server = find_running(path)
    if server is not None:
        server.stop("immediate")
    shutil.rmtree(path, ignore_errors=True)


def _pid(home: Path) -> int:
    return int((home / "pg" / "postmaster.pid").read_text().split()[0])


@pytest.mark.parametrize("version", [16, 18])
def test_it_starts_is_adopted_and_comes_back_after_kill_9(home: Path, version: Literal[16, 18]) -> None:
    server = ensure_running(home, version=version, extra=SMALL)
    with psycopg.connect(server.admin_dsn(), autocommit=True) as connection:
        connection.execute("create extension vector")
        connection.execute("create table kept as select 1 as one")
        assert connection.info.server_version // 10000 == version
        assert connection.execute("show hnsw.ef_search").fetchone() == ("40",)
    pid = _pid(home)
    assert ensure_running(home, version=version, extra=SMALL) == server
    assert _pid(home) == pid
    os.kill(pid, signal.SIGKILL)
    again = ensure_running(home, version=version, extra=SMALL)
    with psycopg.connect(again.admin_dsn()) as connection:
        assert connection.execute("select one from kept").fetchone() == (1,)


def test_nobody_gets_in_without_the_password(home: Path) -> None:
    server = ensure_running(home, extra=SMALL)
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(server.dsn("postgres", "wrong", "postgres"))
    assert stat.S_IMODE((home / "postgres.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(server.socket_dir.stat().st_mode) == 0o700
    assert stat.S_IMODE(home.stat().st_mode) & 0o066 == 0


def _ensure(home: Path, answers: "multiprocessing.Queue[int]") -> None:
    ensure_running(home, extra=SMALL)
    answers.put(_pid(home))


def test_two_processes_at_once_get_one_server(home: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    answers = spawn.Queue()
    processes = [spawn.Process(target=_ensure, args=(home, answers)) for _ in range(2)]
    for process in processes:
        process.start()
    pids = {answers.get(timeout=60) for _ in processes}
    for process in processes:
        process.join(timeout=10)
    assert len(pids) == 1


def test_another_version_s_home_is_refused(home: Path) -> None:
    ensure_running(home, version=16, extra=SMALL)
    with pytest.raises(ServerStartError, match="postgres_version = 16"):
        ensure_running(home, version=18)


def test_an_initdb_that_was_killed_is_done_again(home: Path) -> None:
    (home / "pg.new").mkdir()
    (home / "pg.new" / "PG_VERSION").write_text("18\n")
    server = ensure_running(home, extra=SMALL)
    assert not (home / "pg.new").exists()
    with psycopg.connect(server.admin_dsn()):
        pass


def test_a_pid_file_whose_number_is_another_process_does_not_stand_in_the_way(home: Path) -> None:
    server = ensure_running(home, extra=SMALL)
    server.stop("immediate")
    (home / "pg" / "postmaster.pid").write_text(f"{os.getpid()}\n{home / 'pg'}\n")
    started = time.monotonic()
    with psycopg.connect(ensure_running(home, extra=SMALL).admin_dsn()):
        assert time.monotonic() - started < 30


def test_a_setting_that_cannot_be_says_what_postgres_said(home: Path) -> None:
    with pytest.raises(ServerStartError, match="no_such_setting"):
        ensure_running(home, extra={**SMALL, "no_such_setting": "1"}, timeout_s=5)
