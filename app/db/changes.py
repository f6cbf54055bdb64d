"""Hears that the catalog changed, so that what a process remembers of it is never older than the last change.

`epoch` goes up with every notification. While the listening connection is down nothing is remembered: `epoch` is None.
"""

import asyncio
import contextlib
import logging
from typing import Generic, TypeVar

import psycopg
from psycopg import AsyncConnection

from app.db.pool import KEEPALIVE

log = logging.getLogger(__name__)

Value = TypeVar("Value")
RECONNECT_S = 0.5


class Changes:
    """A LISTEN connection of its own, and the epoch it counts."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._count = 0
        self._listening = False
        self._task: asyncio.Task[None] | None = None

    @property
    def epoch(self) -> int | None:
        """The number of changes heard; None while it is not listening, when nothing may be remembered."""
        return self._count if self._listening else None

    def bump(self) -> None:
        """A change made by this very process counts at once, before its notification arrives."""
        self._count += 1

    async def start(self) -> None:
        """Begin to listen; reconnects by itself until `stop`."""
        self._task = asyncio.create_task(self._run(), name="changes")

    async def stop(self) -> None:
        """Stop listening."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            try:
                await self._listen()
            except (psycopg.Error, OSError) as exc:
                log.warning("not listening for catalog changes: %s", type(exc).__name__)
            finally:
                self._listening = False
                self._count += 1
            await asyncio.sleep(RECONNECT_S)

    async def _listen(self) -> None:
        async with await AsyncConnection.connect(self._dsn, autocommit=True, **KEEPALIVE) as connection:
            await connection.execute("listen lakeward_changed")
            self._count += 1
            self._listening = True
            async for _ in connection.notifies():
                self._count += 1


class Remembered(Generic[Value]):
    """Values by key that are forgotten at every catalog change; at most `limit` of them."""

    def __init__(self, changes: Changes, limit: int = 10_000) -> None:
        self._changes = changes
        self._limit = limit
        self._epoch: int | None = None
        self._values: dict[object, Value] = {}

    def find(self, key: object) -> Value | None:
        """The value, if it is from the present epoch."""
        if self._changes.epoch is None or self._changes.epoch != self._epoch:
            return None
        return self._values.get(key)

    def put(self, key: object, value: Value, epoch: int | None) -> None:
        """Remember a value that was looked up when the epoch was `epoch`; too late or not listening: forget it."""
        if epoch is None or epoch != self._changes.epoch:
            return
        if self._epoch != epoch or len(self._values) >= self._limit:
            self._values.clear()
            self._epoch = epoch
        self._values[key] = value
