"""What analytic queries are answered with: what the composition root opens once."""

import asyncio
import contextlib
import logging

from app.analytics.cache import HotCache
from app.analytics.cache_service import drop_stale
from app.analytics.processes import QueryProcesses
from app.db.database import Database
from app.delta.places import Places
from app.errors import LakewardError

log = logging.getLogger(__name__)

#: How often it is looked whether anything was heard of, and how often exports are looked at whatever was heard.
LISTEN_S, SWEEP_S = 0.5, 15.0


class Analytics:
    """Processes, the buckets' files and the hot cache, which forgets by itself what has changed.

    What is stale is never used; sweeping gives its memory back, and leaves nothing of an erased row in it.
    """

    def __init__(self, database: Database, places: Places, limit_bytes: int) -> None:
        self.database = database
        self.places = places
        self.processes = QueryProcesses()
        self.cache = HotCache(limit_bytes)
        self._sweeping: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to sweep, and have a process ready for the first query."""
        self.processes.start_spare()
        self._sweeping = asyncio.create_task(self._sweep(), name="hot cache")

    async def close(self) -> None:
        """End processes, and give all memory back."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeping
        await self.processes.close()
        self.cache.close()

    async def _sweep(self) -> None:
        """Loads, tombstones and erasures change the catalog, which is heard at once; direct SQL is found later."""
        epoch, waited_s = self.database.changes.epoch, 0.0
        while True:
            await asyncio.sleep(LISTEN_S)
            waited_s += LISTEN_S
            heard = self.database.changes.epoch
            if heard == epoch and waited_s < SWEEP_S:
                continue
            try:
                await drop_stale(self.database, self.cache)
                epoch, waited_s = heard, 0.0
            except LakewardError as exc:
                log.warning("the hot cache was not swept: %s", exc.message)
            except Exception:
                log.exception("the hot cache was not swept")
