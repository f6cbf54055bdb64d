"""A connection of its own for what no transaction can hold: CREATE INDEX CONCURRENTLY and the like.

It is the owner for as long as it lives, and it never goes back to a pool.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from psycopg import AsyncConnection
from psycopg.errors import Diagnostic

from app.db.database import Database
from app.db.pool import KEEPALIVE, Connection
from app.db.translate import translated

log = logging.getLogger(__name__)

#: Postgres' own default.
LEAST_MEMORY = 64 * 1024 * 1024


@asynccontextmanager
async def building(database: Database, *, lock: str, memory_bytes: int) -> AsyncIterator[Connection]:
    """An autocommit connection as the owner; two with the same `lock` run one after the other.

    `memory_bytes` is its maintenance_work_mem: what of an HNSW graph does not fit is built on disk, slowly; the
    log says so.
    """
    with translated():
        async with await AsyncConnection.connect(
            database.service_dsn, autocommit=True, prepare_threshold=None, **KEEPALIVE
        ) as connection:
            connection.add_notice_handler(_warn_of_slow_build)
            await connection.execute(
                "select set_config('maintenance_work_mem', %s, false), set_config('lock_timeout', '300s', false), "
                "set_config('role', %s, false)",
                [f"{max(memory_bytes, LEAST_MEMORY) // 1024}kB", database.deployment.owner_role],
            )
            await connection.execute("select pg_advisory_lock(hashtext(%s))", [lock])
            yield connection


def _warn_of_slow_build(notice: Diagnostic) -> None:
    message = notice.message_primary or ""
    if "maintenance_work_mem" in message:
        log.warning("%s: the rest is built on disk, at half the pace or less", message)
