"""A power user's own session, and the journal as its owner sees it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row

from app.cli.psql import short_login

Connection = psycopg.Connection[Any]
#: `with logged_in("alpha") as connection:` is a person's own psql, as that profile.
LoggedIn = Callable[[str], AbstractContextManager[Connection]]


@pytest.fixture
def logged_in(world: Any) -> LoggedIn:
    """Logins that last as long as their session."""

    @contextmanager
    def log_in(profile: str) -> Iterator[Connection]:
        deployed = world.deployed
        with short_login(deployed.service_dsn, profile) as login:
            dsn = make_conninfo(deployed.dsn, user=login.user, password=login.password)
            with psycopg.connect(dsn, autocommit=True) as connection:
                yield connection

    return log_in


Rows = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def rows(world: Any) -> Iterator[Rows]:
    """The rows of a query as the owner sees them."""
    with world.deployed.connect("owner") as connection:
        connection.row_factory = dict_row

        def fetch(query: str, *parameters: Any) -> list[dict[str, Any]]:
            return connection.execute(query, parameters).fetchall()

        yield fetch
