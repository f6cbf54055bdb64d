"""The connection pool of one process. A connection is the service login: no right until a scope sets a role."""

import asyncio
from types import TracebackType
from typing import Any, TypeAlias

import msgspec
from pgvector.psycopg import register_vector_async
from psycopg import AsyncConnection
from psycopg.types.json import set_json_dumps, set_json_loads
from psycopg_pool import AsyncConnectionPool

from app.db.translate import DRIVER_ERRORS, translate, translated
from app.settings import PoolSettings

Connection: TypeAlias = AsyncConnection[Any]
Pool: TypeAlias = AsyncConnectionPool[Connection]

#: A half-open connection is noticed within about half a minute (procrastinate#1334 shows hours without these).
KEEPALIVE: dict[str, Any] = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
    "connect_timeout": 10,
}

_decoder = msgspec.json.Decoder()


class WarmPool(AsyncConnectionPool[Connection]):
    """A pool that gives the connection that came back last, not the one that has waited longest.

    Its session has the plans, the catalog and the page table of what is asked: by turns each search of 3 ms costs an
    eighth more.
    """

    async def _get_ready_connection(self, timeout: float | None) -> Connection | None:
        # the pool takes the first and puts back at the end
        self._pool.rotate(1)
        return await super()._get_ready_connection(timeout)


set_json_dumps(msgspec.json.encode)
set_json_loads(_decoder.decode)


def create_pool(dsn: str, ext_schema: str, settings: PoolSettings) -> Pool:
    """A closed pool of service connections; open it with `await pool.open()`.

    `search_path` holds the queue's and the vector extension's schema, and nothing a reader could create things in.
    """

    async def configure(connection: Connection) -> None:
        await connection.set_autocommit(True)
        await register_vector_async(connection)

    return WarmPool(
        dsn,
        kwargs={
            "options": f"-c search_path=jobs,{ext_schema}",
            "autocommit": True,
            "prepare_threshold": 2,
            **KEEPALIVE,
        },
        configure=configure,
        min_size=settings.min_size,
        max_size=settings.max_size,
        timeout=settings.timeout_s,
        open=False,
        name="lakeward",
    )


class borrowed:
    """A connection of the pool, given back at the end; the driver's errors come out translated."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def __aenter__(self) -> Connection:
        task = asyncio.current_task()
        asked = 0 if task is None else task.cancelling()
        with translated():
            self._connection = await self._pool.getconn()
        if task is not None and task.cancelling() > asked:
            # Python 3.11 forgets a cancellation that comes together with a free connection (wait_for, cpython#86296):
            # what runs for ever would go on, and whoever waits for its end would wait for ever.
            await self._pool.putconn(self._connection)
            raise asyncio.CancelledError
        return self._connection

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        # it rolls back what is open, and closes what is in the middle of something
        await self._pool.putconn(self._connection)
        if isinstance(exc, DRIVER_ERRORS):
            raise translate(exc) from exc
