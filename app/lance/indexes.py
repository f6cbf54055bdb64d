"""Searches in the copies: each is opened once per sync and searched as it was then.

What a copy has no answer for, or fails at, is searched in Postgres.
"""

import asyncio
import logging
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from app.db.database import Database
from app.errors import LakewardError
from app.lance.copied import Copied, CopyError
from app.lance.extra import is_installed
from app.lance.folder import Folder, Marker
from app.lance.models import Candidates, Synced
from app.lance.sync import erase, find_index, sync

log = logging.getLogger(__name__)
#: A search that takes longer is asked in Postgres.
TIMEOUT_S = 5.0


class _Open(msgspec.Struct, frozen=True):
    marker: Marker
    copied: Copied


class LanceIndexes:
    """The copies of a home, as one process searches and writes them."""

    def __init__(self, database: Database, home: Path) -> None:
        self.folder = Folder(home)
        self._database = database
        self._open: dict[str, _Open] = {}
        self._installed = is_installed()

    async def find(
        self,
        table_name: str,
        state: dict[str, Any] | None,
        vector: NDArray[np.float16],
        count: int,
        ef: int,
    ) -> Candidates | None:
        """Chunks near `vector` by the copy at `state` (as vector_index.lance has it); None: ask Postgres.

        A copy that fails twice is not asked again until a sync has made it anew.
        """
        if not self._installed or state is None:
            self._open.pop(table_name, None)
            return None
        for again in (False, True):
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    opened = await self._opened(table_name, state, len(vector))
                    if opened is None:
                        return None
                    ids = await opened.copied.find(vector, count, ef)
                return Candidates(ids, opened.marker.synced_to)
            except TimeoutError:
                log.warning("the copy of %s in Lance does not answer in %g s", table_name, TIMEOUT_S)
                return None
            except LakewardError as exc:
                # the files of its version may have been tidied away: once more, as it is now
                self._open.pop(table_name, None)
                if again and isinstance(exc, CopyError):
                    log.warning("the copy of %s in Lance is not used: %s", table_name, exc.message)
                    await asyncio.to_thread(self.folder.distrust, table_name)
        return None

    async def _opened(self, table_name: str, state: dict[str, Any], dimensions: int) -> _Open | None:
        opened = self._open.get(table_name)
        if opened is not None and opened.marker.token == state.get("token"):
            return opened
        marker = await asyncio.to_thread(self.folder.find_marker, table_name)
        if (
            marker is None
            or marker.token not in (state.get("token"), state.get("previous"))
            or marker.dimensions != dimensions
        ):
            return None
        opened = _Open(marker, await Copied.open(self.folder.path(table_name), dimensions))
        self._open[table_name] = opened
        return opened

    async def sync(self, table_name: str) -> Synced:
        """See app.lance.sync.sync; warm for this process."""
        synced = await sync(self._database, self.folder, table_name)
        self._database.changes.bump()
        index = await find_index(self._database.owner(), table_name)
        opened = await self._opened(table_name, index.lance or {}, index.dimensions)
        if opened is None:
            return synced
        await opened.copied.warm()
        return msgspec.structs.replace(synced, graph=await opened.copied.has_graph())

    async def erase(self, table_names: list[str]) -> list[str]:
        """See app.lance.sync.erase."""
        for name in table_names:
            self._open.pop(name, None)
        return await erase(self._database, self.folder, table_names)
