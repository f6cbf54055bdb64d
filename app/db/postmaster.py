"""Is there a live postmaster for a data directory? Its pid file says, and is believed only when the process agrees.

`postmaster.pid` has one value per line: pid, data directory, start time, port, socket directory, …
(https://www.postgresql.org/docs/18/storage-file-layout.html).
"""

import os
import subprocess
from pathlib import Path

import msgspec

PID_FILE = "postmaster.pid"
SOCKET_DIR_LINE = 4


class Postmaster(msgspec.Struct, frozen=True):
    """A live one. `socket_dir` is None while it has not said yet where it listens."""

    pid: int
    socket_dir: Path | None


def find_postmaster(data: Path) -> Postmaster | None:
    """The live postmaster of a data directory, or None; a number that another process has by now is not believed."""
    lines = _read_lines(data / PID_FILE)
    pid = _number(lines)
    if pid is None or not is_postmaster(pid, data):
        return None
    socket_dir = lines[SOCKET_DIR_LINE].strip() if len(lines) > SOCKET_DIR_LINE else ""
    return Postmaster(pid=pid, socket_dir=Path(socket_dir) if socket_dir else None)


def is_postmaster(pid: int, data: Path) -> bool:
    """Whether a process is a postgres of this data directory, and not a zombie or one that got its number."""
    command = _command(pid)
    if "postgres" not in command.split("\0")[0]:
        return False
    try:
        # a postmaster works in its data directory, however the path was spelled when it was started
        return Path(f"/proc/{pid}/cwd").samefile(data)
    except OSError:
        # no /proc here, or somebody else's process: then what it was started with
        return str(data) in command


def remove_stale_locks(data: Path, socket_dir: Path) -> None:
    """Remove the lock files that Postgres would wrongly believe: another process has their number, or there is none.

    One whose process is gone stays: Postgres sees that by itself, and reads in it which shared memory the dead
    postmaster's children may still hold.
    """
    for path in (data / PID_FILE, *socket_dir.glob(".s.PGSQL.*.lock")):
        pid = _number(_read_lines(path))
        if pid is None or (_exists(pid) and not is_postmaster(pid, data)):
            path.unlink(missing_ok=True)


def _read_lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return []


def _number(lines: list[str]) -> int | None:
    try:
        pid = int(lines[0])
    except (IndexError, ValueError):
        return None
    return pid if 0 < pid < 2**31 else None


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _command(pid: int) -> str:
    """What a process was started as; empty for one that is gone, or a zombie."""
    if Path("/proc/self").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
        except OSError:
            return ""
    listed = subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True)
    return listed.stdout
