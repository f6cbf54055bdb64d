"""One running Lakeward per home: a lock that the operating system frees when its holder dies, however it dies."""

import fcntl
import os
import time
from pathlib import Path

import msgspec

from app.errors import ConflictError, SettingsError

LOCK_NAME = "lakeward.lock"
#: `find_owner` holds the lock for an instant to see whether it is free; whoever starts in that instant tries again.
RETRY_S = 0.5


class Owner(msgspec.Struct, frozen=True):
    """Who holds a home, and where its API listens."""

    pid: int
    url: str
    started_at: float


class HomeLock:
    """The lock of a home, from `acquire` until `release` or the end of the process."""

    def __init__(self, home: Path) -> None:
        self._path = home / LOCK_NAME
        self._descriptor: int | None = None

    def acquire(self, url: str) -> None:
        """Take the lock and write down who has it.

        Raises:
            ConflictError: another process has it; the message names it and where it listens.
            SettingsError: the home cannot be written.
        """
        home = self._path.parent
        try:
            home.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as exc:
            raise SettingsError(
                f"{exc.filename or home} cannot be used: {exc.strerror}; choose another --home"
            ) from exc
        if not _lock(descriptor):
            os.close(descriptor)
            owner = _read(self._path)
            who = f"process {owner.pid}, at {owner.url}" if owner else "another process"
            raise ConflictError(f"{home} is in use by {who}; use that one, stop it, or choose another --home")
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, msgspec.json.encode(Owner(pid=os.getpid(), url=url, started_at=time.time())), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back; the file stays, empty of meaning."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None


def find_owner(home: Path) -> Owner | None:
    """Who holds the home now, or None; what a killed process left in the file is not believed."""
    path = home / LOCK_NAME
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(path)
    finally:
        os.close(descriptor)
    return None


def _lock(descriptor: int) -> bool:
    deadline = time.monotonic() + RETRY_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)


def _read(path: Path) -> Owner | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Owner)
    except (OSError, msgspec.DecodeError):
        return None
