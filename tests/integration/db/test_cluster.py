"""A cluster is made whole or not at all, and nothing that was one is ever removed or locked out."""

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from app.db.cluster import bin_dir_of, check_cluster, find_version
from app.db.embedded import ensure_running, find_running
from app.errors import ServerStartError

SMALL = {"shared_buffers": "16MB", "fsync": "off"}
HOME_FILES = ["pg", "postgres.json", "postgres.lock", "postgres.log", "run"]
START = """
import sys
from pathlib import Path
from app.db.embedded import ensure_running
ensure_running(Path(sys.argv[1]), extra={"shared_buffers": "16MB", "fsync": "off"})
"""


@pytest.fixture
def home() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="lwc"))
    yield path
    with contextlib.suppress(ServerStartError):
        server = find_running(path)
        if server is not None:
            server.stop("immediate")
    shutil.rmtree(path, ignore_errors=True)


@pytest.mark.parametrize("reached", ["pg.new/PG_VERSION", "pg.new/base/1", "pg.new/base/5"])
def test_a_caller_killed_in_initdb_leaves_a_home_that_starts(home: Path, reached: str) -> None:
    caller = subprocess.Popen([sys.executable, "-c", START, str(home)])
    deadline = time.monotonic() + 30
    while not (home / reached).exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    caller.send_signal(signal.SIGKILL)
    caller.wait()
    assert not (home / "pg").exists(), "killed too late to test anything"
    # initdb itself still runs here
    with psycopg.connect(ensure_running(home, extra=SMALL).admin_dsn()) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    assert sorted(path.name for path in home.iterdir()) == HOME_FILES


@pytest.mark.parametrize("version", [16, 18])
def test_text_is_unicode_whatever_the_environment_says(
    home: Path, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    server = ensure_running(home, version=version, extra=SMALL)
    with psycopg.connect(server.admin_dsn()) as connection:
        assert connection.execute("show server_encoding").fetchone() == ("UTF8",)
        assert connection.execute("select lower('ÄÖŻ'), to_tsvector('simple', 'Größe')::text").fetchone() == (
            "äöż",
            "'größe':1",
        )
        assert connection.execute("show data_checksums").fetchone() == ("on",)


def test_the_server_takes_only_its_socket_and_only_passwords(home: Path) -> None:
    with psycopg.connect(ensure_running(home, extra=SMALL).admin_dsn()) as connection:
        rules = connection.execute("select type, auth_method from pg_hba_file_rules").fetchall()
        assert rules == [("local", "scram-sha-256")]
        assert connection.execute("show listen_addresses").fetchone() == ("",)
        stored = connection.execute("select rolpassword from pg_authid where rolname = 'postgres'").fetchone()
        assert stored is not None and stored[0].startswith("SCRAM-SHA-256$")
    assert stat.S_IMODE((home / "pg").stat().st_mode) == 0o700


def test_a_folder_without_a_version_is_neither_replaced_nor_locked_out(home: Path) -> None:
    (home / "pg" / "base").mkdir(parents=True)
    (home / "postgres.json").write_text("the password of what is in pg")
    with pytest.raises(ServerStartError, match="no PG_VERSION"):
        ensure_running(home, extra=SMALL)
    assert (home / "postgres.json").read_text() == "the password of what is in pg"
    assert (home / "pg" / "base").is_dir()


def test_what_was_a_running_cluster_is_not_removed(home: Path) -> None:
    ensure_running(home, extra=SMALL).stop()
    (home / "pg").rename(home / "pg.new")
    with pytest.raises(ServerStartError, match="was a running cluster once"):
        ensure_running(home, extra=SMALL)
    assert (home / "pg.new" / "PG_VERSION").exists()


@pytest.mark.parametrize("content", [None, b"{", b"\xff", b'{"user":"postgres"}'])
def test_a_lost_password_is_said_before_anything_starts(home: Path, content: bytes | None) -> None:
    (home / "pg").mkdir()
    (home / "pg" / "PG_VERSION").write_text("18\n")
    if content is not None:
        (home / "postgres.json").write_bytes(content)
    with pytest.raises(ServerStartError, match=r"postgres\.json|belongs to user"):
        check_cluster(home, 18)


@pytest.mark.parametrize("text", ["", "x", "18.1", "-18"])
def test_a_version_that_is_none_is_named(home: Path, text: str) -> None:
    (home / "pg").mkdir()
    (home / "pg" / "PG_VERSION").write_text(text)
    with pytest.raises(ServerStartError, match="PG_VERSION"):
        find_version(home)


def test_somebody_else_s_cluster_is_named(home: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    (home / "pg").mkdir()
    (home / "pg" / "PG_VERSION").write_text("18\n")
    os.chown(home / "pg", 65534, 65534)
    with pytest.raises(ServerStartError, match="belongs to user 65534"):
        check_cluster(home, 18)


def test_a_version_without_binaries_names_those_that_have() -> None:
    with pytest.raises(ServerStartError, match="16 or 18"):
        bin_dir_of(17)
