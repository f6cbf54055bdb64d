"""Where the copies are: `<home>/lance/<table name>`, each a Lance database of one table and a marker beside it.

The marker says up to which chunk the copy is complete. Its token is also in Postgres: a marker of another token is
that of another index of the same name, or of a backup, and the copy does not count.
"""

import contextlib
import os
import shutil
from pathlib import Path

import msgspec

from app.errors import InternalError

MARKER = "synced.json"
#: The one table of each copy.
TABLE = "chunks"


class Marker(msgspec.Struct, frozen=True):
    """All chunks up to `synced_to` that the index has are in the copy, which had `rows` of them then."""

    token: str
    dimensions: int
    synced_to: int
    rows: int


class Folder:
    """The folder of all copies in a home."""

    def __init__(self, home: Path) -> None:
        self.root = home / "lance"

    def path(self, table_name: str) -> Path:
        """The folder of one copy.

        Raises:
            InternalError: the name cannot be that of a folder.
        """
        if table_name in ("", ".", "..") or "/" in table_name or "\0" in table_name:
            raise InternalError(f"{table_name!r} cannot be the name of a folder")
        return self.root / table_name

    def list_copies(self) -> list[str]:
        """The names of all copies that are there."""
        try:
            return sorted(path.name for path in self.root.iterdir())
        except FileNotFoundError:
            return []

    def find_marker(self, table_name: str) -> Marker | None:
        """The copy's marker; None when there is none that can be read."""
        try:
            return msgspec.json.decode((self.path(table_name) / MARKER).read_bytes(), type=Marker)
        except (OSError, msgspec.DecodeError):
            return None

    def write_marker(self, table_name: str, marker: Marker) -> None:
        """Put it there in one step, and on the disk."""
        path = self.path(table_name) / MARKER
        new = path.with_suffix(".new")
        with new.open("wb") as file:
            file.write(msgspec.json.encode(marker))
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)

    def distrust(self, table_name: str) -> None:
        """Without its marker a copy is searched by nobody, and made anew by the next sync."""
        with contextlib.suppress(OSError):
            (self.path(table_name) / MARKER).unlink()

    def remove(self, table_name: str) -> bool:
        """The copy's files are gone; whether there were any. The marker goes first.

        Raises:
            OSError: they cannot be removed.
        """
        path = self.path(table_name)
        if not os.path.lexists(path):
            return False
        self.distrust(table_name)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
        return True
