"""A pid file is believed only when the process that has the number is a postgres of that data directory."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.db.postmaster import find_postmaster, is_postmaster, remove_stale_locks


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "pg").mkdir()
    return tmp_path / "pg"


@pytest.fixture
def process(data: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is called postgres and works in the data directory."""
    program = data.parent / "postgres"
    shutil.copy("/bin/sleep", program)
    with subprocess.Popen([program, "60"], cwd=data) as running:
        # between exec and its arguments /proc shows none
        while not Path(f"/proc/{running.pid}/cmdline").read_bytes():
            pass
        yield running
        running.kill()


def write_pid(data: Path, pid: int, socket_dir: str = "/tmp/s") -> Path:
    path = data / "postmaster.pid"
    path.write_text(f"{pid}\n{data}\n1700000000\n5432\n{socket_dir}\n\n  1 2\nready\n")
    return path


def test_a_live_postmaster_says_where_it_listens(data: Path, process: subprocess.Popen[bytes]) -> None:
    path = write_pid(data, process.pid)
    found = find_postmaster(data)
    assert found is not None and (found.pid, found.socket_dir) == (process.pid, Path("/tmp/s"))
    remove_stale_locks(data, data.parent)
    assert path.exists()
    write_pid(data, process.pid, socket_dir="")
    early = find_postmaster(data)
    assert early is not None and early.socket_dir is None


def test_another_spelling_of_the_folder_is_the_same_postmaster(
    data: Path, process: subprocess.Popen[bytes]
) -> None:
    link = data.parent / "link"
    link.symlink_to(data)
    assert is_postmaster(process.pid, link)
    other = data.parent / "other"
    other.mkdir()
    assert not is_postmaster(process.pid, other)


def test_a_zombie_is_dead(data: Path, process: subprocess.Popen[bytes]) -> None:
    write_pid(data, process.pid)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert find_postmaster(data) is None


def test_a_number_that_is_another_process_s_is_removed(data: Path) -> None:
    path = write_pid(data, os.getpid())
    lock = data.parent / ".s.PGSQL.5432.lock"
    lock.write_text(f"{os.getpid()}\n")
    assert find_postmaster(data) is None
    remove_stale_locks(data, data.parent)
    assert not path.exists() and not lock.exists()


def test_a_number_that_is_nobody_s_is_left_to_postgres(data: Path) -> None:
    """It reads the id of the shared memory in it."""
    with subprocess.Popen(["/bin/true"]) as gone:
        gone.wait()
    path = write_pid(data, gone.pid)
    remove_stale_locks(data, data.parent)
    assert path.exists() and find_postmaster(data) is None


@pytest.mark.parametrize("content", [b"", b"\n", b"x\n", b"-1\n", b"0\n", b"9" * 40, b"\xff\xfe"])
def test_a_broken_pid_file_is_removed(data: Path, content: bytes) -> None:
    path = data / "postmaster.pid"
    path.write_bytes(content)
    assert find_postmaster(data) is None
    remove_stale_locks(data, data.parent)
    assert not path.exists()
