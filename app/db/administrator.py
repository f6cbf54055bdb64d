"""A connection with an administrator's rights, where this process has them: for what the owner's rights do not reach.

The embedded server's superuser is in the home; of a named server it is whoever `database_url` names, if that login has
a password here. The app works without one. Erasure uses it: CHECKPOINT, pg_switch_wal, pg_statistic.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from psycopg import AsyncConnection

from app.db.embedded import find_running
from app.db.pool import KEEPALIVE, Connection
from app.db.target import EMBEDDED_DATABASE
from app.errors import ServerStartError
from app.settings import Settings


def find_admin_dsn(settings: Settings) -> str | None:
    """The DSN of whoever migrates, or None when this process does not know it."""
    if settings.database_url is not None:
        return settings.database_url
    try:
        server = find_running(settings.home)
        return None if server is None else server.admin_dsn(EMBEDDED_DATABASE)
    except ServerStartError:
        return None


@asynccontextmanager
async def administering(settings: Settings) -> AsyncIterator[Connection | None]:
    """An autocommit connection of the administrator, or None when there is none to be had."""
    dsn = find_admin_dsn(settings)
    try:
        connection = (
            None
            if dsn is None
            else await AsyncConnection.connect(dsn, autocommit=True, prepare_threshold=None, **KEEPALIVE)
        )
    except psycopg.Error:
        connection = None
    if connection is None:
        yield None
        return
    async with connection:
        yield connection
