"""A person's own psql, as one profile."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from app.cli.psql import short_login
from app.db.database import Database, open_database

Connection = psycopg.Connection[Any]
LoggedIn = Callable[..., AbstractContextManager[Connection]]


@contextmanager
def session_as(deployed: Any, profile: str, **options: Any) -> Iterator[Connection]:
    """An autocommit session of a login that is this profile and lasts as long as the session."""
    with short_login(deployed.service_dsn, profile) as login:
        dsn = make_conninfo(deployed.dsn, user=login.user, password=login.password, **options)
        with psycopg.connect(dsn, autocommit=True) as connection:
            yield connection


@pytest.fixture
def logged_in(world: Any) -> LoggedIn:
    """`with logged_in("alpha") as connection:`."""
    return lambda profile, **options: session_as(world.deployed, profile, **options)


@asynccontextmanager
async def _open(api: Any) -> AsyncIterator[Database]:
    opened = await open_database(api.deployed.service_dsn, api.settings)
    try:
        yield opened
    finally:
        await opened.close()


@pytest.fixture
def database_of() -> Callable[[Any], AbstractAsyncContextManager[Database]]:
    """`async with database_of(api) as database:`, the API's database as another process has it open."""
    return _open
