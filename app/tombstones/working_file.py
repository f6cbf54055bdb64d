"""The file an erasure works from: the subjects' keys and the bytes to search for, outside Postgres and its WAL.

Once the rows are purged it is the only thing that still knows them, so it survives until the last scan; then it is
written over and removed. Mode 0600, in the home's `erasure` folder of mode 0700, which the scan leaves out.
"""

import os
from pathlib import Path

import msgspec

from app.tombstones.scan import Pattern


class Working(msgspec.Struct, frozen=True):
    """What the file holds."""

    keys: list[str]
    patterns: list[Pattern]

    def __repr__(self) -> str:
        """Without what must be in no log."""
        return f"Working({len(self.keys)} keys, {len(self.patterns)} patterns)"


def working_folder(home: Path) -> Path:
    """Where the files of all erasures are."""
    return home / "erasure"


def save_working(home: Path, erasure_id: str, working: Working) -> None:
    """Write the file, whole or not at all, and on the disk when this returns."""
    folder = working_folder(home)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = _path(home, erasure_id)
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.msgpack.encode(working))
        file.flush()
        os.fsync(file.fileno())
    _overwrite(path)
    fresh.replace(path)
    _sync(folder)


def find_working(home: Path, erasure_id: str) -> Working | None:
    """What the file holds, or None when there is none, or none that can be read."""
    try:
        return msgspec.msgpack.decode(_path(home, erasure_id).read_bytes(), type=Working)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None


def remove_working(home: Path, erasure_id: str) -> None:
    """Write zeros over the file, then remove it; nothing when there is none.

    What the file system or the disk kept of it elsewhere (copy on write, wear levelling) is not reached.
    """
    path = _path(home, erasure_id)
    for old in (path.with_suffix(".new"), path):
        _overwrite(old)
        old.unlink(missing_ok=True)
    if path.parent.exists():
        _sync(path.parent)


def _path(home: Path, erasure_id: str) -> Path:
    return working_folder(home) / f"{erasure_id}.working"


def _overwrite(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    with os.fdopen(descriptor, "wb") as file:
        left = os.fstat(descriptor).st_size
        while left > 0:
            left -= file.write(bytes(min(left, 1024 * 1024)))
        file.flush()
        os.fsync(descriptor)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
