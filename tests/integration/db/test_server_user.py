"""Postgres' programs run as the server's user, see none of our environment, and fail with what they said."""

import os
import pwd
import stat
from pathlib import Path

import pytest

from app.db.server_user import OS_USER, ensure_os_user, give_to_server, let_through, run_as_server, server_uid
from app.errors import ServerStartError

SHELL = Path("/bin/sh")


@pytest.fixture
def open_folder(tmp_path: Path) -> Path:
    """A folder that the server's user gets at."""
    if os.geteuid() == 0:
        ensure_os_user()
        let_through(tmp_path)
    give_to_server(tmp_path)
    return tmp_path


def test_a_program_runs_as_the_server_s_user_and_privately(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKEWARD_API_KEY", "secret")
    said = open_folder / "said"
    run_as_server(SHELL, "-c", f"{{ id -u; id -G; env; }} > {said}")
    uid, groups, *environment = said.read_text().splitlines()
    assert int(uid) == server_uid() != 0
    assert "0" not in groups.split()
    assert not any("secret" in line for line in environment)
    assert stat.S_IMODE(said.stat().st_mode) == 0o600


def test_what_a_failing_program_said_is_in_the_error() -> None:
    if os.geteuid() == 0:
        ensure_os_user()
    with pytest.raises(ServerStartError, match="sh failed: out of luck"):
        run_as_server(SHELL, "-c", "echo out of luck >&2; exit 3")


def test_a_program_that_cannot_be_run_is_no_traceback(open_folder: Path) -> None:
    with pytest.raises(ServerStartError, match="cannot be run as"):
        run_as_server(open_folder / "initdb")


def test_letting_through_adds_nothing_else(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    inner.chmod(0o750)
    (tmp_path / "a").chmod(0o700)
    let_through(inner)
    assert stat.S_IMODE(inner.stat().st_mode) == 0o751
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o701


def test_without_useradd_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(name: str) -> None:
        raise KeyError(name)

    monkeypatch.setattr(pwd, "getpwnam", nobody)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ServerStartError, match=rf"{OS_USER}.*LAKEWARD_DATABASE_URL"):
        ensure_os_user()
