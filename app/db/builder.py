"""A connection of its own for what no transaction can hold: CREATE INDEX CONCURRENTLY and the like.

It is the owner for as long as it lives, and it never goes back to a pool.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from psycopg import AsyncConnection

from app.db.database import Database
from app.db.pool import KEEPALIVE, Connection
from app.db.translate import translated


@asynccontextmanager
async def building(database: Database, *, lock: str, memory_bytes: int) -> AsyncIterator[Connection]:
    """An autocommit connection as the owner; two with the same `lock` run one after the other.

    `memory_bytes` is its maintenance_work_mem: an HNSW graph that does not fit is built on disk, many times slower.
    """
    with translated():
        async with await AsyncConnection.connect(
            database.service_dsn, autocommit=True, prepare_threshold=None, **KEEPALIVE
        ) as connection:
            await connection.execute(
                "select set_config('maintenance_work_mem', %s, false), set_config('lock_timeout', '300s', false), "
                "set_config('role', %s, false)",
                [f"{max(memory_bytes // 1024, 65_536)}kB", database.deployment.owner_role],
            )
            await connection.execute("select pg_advisory_lock(hashtext(%s))", [lock])
            yield connection
