"""The embedded server starts, is adopted, survives kill -9, and lets nobody in without a password."""

import contextlib
import multiprocessing
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import psycopg
import pytest

from app.db.embedded import ensure_running, find_running
from app.db.postmaster import find_postmaster
from app.db.server_user import server_uid
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
    # of the server's own user, and no ancestor of it: Postgres disregards both by itself
    with subprocess.Popen(["sleep", "60"], user=server_uid()) as other:
        (home / "pg" / "postmaster.pid").write_text(f"{other.pid}\n{home / 'pg'}\n")
        with psycopg.connect(ensure_running(home, extra=SMALL).admin_dsn()):
            pass
        assert other.poll() is None
        other.kill()


def test_a_setting_that_cannot_be_says_what_postgres_said(home: Path) -> None:
    with pytest.raises(ServerStartError, match="no_such_setting"):
        ensure_running(home, extra={**SMALL, "no_such_setting": "1"}, timeout_s=30)


def test_rows_do_not_reach_the_log(home: Path) -> None:
    server = ensure_running(home, extra=SMALL)
    with psycopg.connect(server.admin_dsn(), autocommit=True) as connection:
        connection.execute("create table t(k text primary key, n int check (n < 5))")
        connection.execute("insert into t values ('secret-key', 1)")
        for statement, parameters in [
            ("insert into t values (%s, 1)", ["secret-key"]),
            ("insert into t values ('secret-row', 9)", []),
            ("select 'secret-cast'::int", []),
            ("select 1 / 0 as secret_statement", []),
            ("do $$ begin raise warning 'secret-warning'; end $$", []),
        ]:
            with contextlib.suppress(psycopg.Error):
                connection.execute(statement, parameters)
    server.stop()
    log = (home / "postgres.log").read_text()
    assert "ready to accept connections" in log
    assert "secret" not in log


def test_another_user_of_the_machine_reads_nothing(home: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can ask as another user")
    server = ensure_running(home, extra=SMALL)
    ask = "import os, sys; os.setgroups([]); os.setgid(65534); os.setuid(65534)\nfor p in sys.argv[1:]:\n"
    ask += " try: open(p).close() if not os.path.isdir(p) else os.listdir(p); print(p)\n except OSError: pass"
    private = [home, server.socket_dir, home / "pg", home / "pg" / "PG_VERSION"]
    private += [home / name for name in ("postgres.json", "postgres.log", "postgres.lock")]
    command = [sys.executable, "-c", ask, "/", *map(str, private)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "/\n"


def test_a_home_that_nobody_else_may_pass_to_works(home: Path) -> None:
    """As ~/.lakeward of root does, below a /root of 0700."""
    server = ensure_running(home / "a" / "b", extra=SMALL)
    with psycopg.connect(server.admin_dsn()):
        pass
    server.stop("immediate")
    assert stat.S_IMODE(home.stat().st_mode) in (0o700, 0o701)


def test_a_long_path_has_its_socket_elsewhere_and_private(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(home))
    deep = home / ("x" * 90)
    server = ensure_running(deep, extra=SMALL)
    assert len(str(server.socket_dir / ".s.PGSQL.5432")) < 100
    assert stat.S_IMODE(server.socket_dir.stat().st_mode) == 0o700
    # found by what the server says, not by this process' idea of a temporary folder
    monkeypatch.setattr(tempfile, "tempdir", "/tmp")
    assert find_running(deep) == server
    assert ensure_running(deep, extra=SMALL) == server
    server.stop("immediate")


def test_a_socket_folder_of_somebody_else_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    (home / "run").mkdir()
    os.chown(home / "run", 65534, 65534)
    with pytest.raises(ServerStartError, match="belongs to somebody else"):
        ensure_running(home, extra=SMALL)
    (home / "run").rmdir()
    (home / "run").symlink_to("/etc")
    with pytest.raises(ServerStartError, match=r"somebody else|File exists"):
        ensure_running(home, extra=SMALL)


def test_the_home_by_another_name_is_the_same_server(home: Path) -> None:
    server = ensure_running(home / "h", extra=SMALL)
    (home / "link").symlink_to(home / "h")
    pid = _pid(home / "h")
    assert ensure_running(home / "link", extra=SMALL).socket_dir == server.socket_dir
    assert _pid(home / "h") == pid
    server.stop("immediate")


def test_a_backend_that_outlives_its_postmaster_for_a_while_is_waited_for(home: Path) -> None:
    server = ensure_running(home, extra=SMALL)
    busy = psycopg.connect(server.admin_dsn(), autocommit=True)
    # computes, so it does not notice its postmaster's death before the statement's end
    count = "do $$ begin for i in 1..4000000 loop perform i; end loop; end $$"
    worker = threading.Thread(target=lambda: _swallow(busy, count), daemon=True)
    worker.start()
    time.sleep(0.2)
    os.kill(_pid(home), signal.SIGKILL)
    with psycopg.connect(ensure_running(home, extra=SMALL).admin_dsn()) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    worker.join(timeout=30)


def _swallow(connection: psycopg.Connection, statement: str) -> None:
    with contextlib.suppress(psycopg.Error):
        connection.execute(statement)


def test_stopping_twice_is_stopping_once(home: Path) -> None:
    server = ensure_running(home, extra=SMALL)
    server.stop()
    server.stop()
    assert find_running(home) is None
    assert find_postmaster(home / "pg") is None


def test_a_start_that_cannot_be_does_not_take_the_whole_time(home: Path) -> None:
    ensure_running(home, extra=SMALL).stop()
    started = time.monotonic()
    with pytest.raises(ServerStartError, match=r"postgres\.log ends with"):
        ensure_running(home, extra={**SMALL, "shared_buffers": "lots"}, timeout_s=60)
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("name", ['a"b', "a$b", "a`b", "a\\b", "a\nb"])
def test_a_name_that_a_shell_would_read_is_refused(home: Path, name: str) -> None:
    with pytest.raises(ServerStartError, match="choose another --home"):
        ensure_running(home / name)
    assert list(home.iterdir()) == []


def test_a_name_with_spaces_commas_and_quotes_is_just_a_name(home: Path) -> None:
    server = ensure_running(home / "it's a, b", extra=SMALL)
    with psycopg.connect(server.admin_dsn()):
        pass
    server.stop("immediate")
    if server.socket_dir.parent != server.home:
        shutil.rmtree(server.socket_dir)


@pytest.mark.parametrize("shared", ["/", "/tmp"])
def test_a_folder_that_is_everybody_s_is_refused_and_left_alone(shared: str) -> None:
    before = Path(shared).stat().st_mode
    with pytest.raises(ServerStartError, match="everybody"):
        ensure_running(Path(shared))
    assert Path(shared).stat().st_mode == before


def test_a_home_that_is_a_file_is_refused(home: Path) -> None:
    (home / "file").write_text("")
    with pytest.raises(ServerStartError, match="File exists"):
        ensure_running(home / "file")
    assert find_running(home / "file") is None
