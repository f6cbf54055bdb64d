"""A reader who fills the queue of notifications keeps changes away for a minute at most, and it is said why."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from app.access.users import end_idle_users
from app.cli.psql import short_login
from app.db.database import open_database
from app.db.embedded import EmbeddedServer, ensure_running
from app.db.migrate import migrate
from app.db.target import open_target, service_dsn
from app.db.translate import translated
from app.errors import UnavailableError
from app.profiles.models import ProfileRequest
from app.profiles.service import create_or_update_profile
from app.settings import Settings
from tests.conftest import UNSAFE

#: The least that Postgres takes: 512 KiB instead of 8 GiB.
SMALL = {**UNSAFE, "max_notify_queue_pages": "64"}


@pytest.fixture
def settings() -> Iterator[Settings]:
    """A server of its own with a small queue."""
    home = Path(tempfile.mkdtemp(prefix="lwn"))
    server: EmbeddedServer | None = None
    try:
        server = ensure_running(home, version=18, extra=SMALL)
        yield Settings(home=home)
    finally:
        if server is not None:
            server.stop("immediate")
        shutil.rmtree(home, ignore_errors=True)


def fill(connection: "psycopg.Connection[tuple[int]]") -> None:
    for _ in range(20):
        connection.execute(
            "select count(pg_notify('z', repeat('x', 7900) || g)) from generate_series(1, 10) g"
        )


@pytest.mark.slow
async def test_it_is_said_and_who_keeps_it_full_is_ended(settings: Settings) -> None:
    target = open_target(settings)
    migrate(target.admin_dsn, settings.home)
    service = service_dsn(settings, target.admin_dsn)
    database = await open_database(service, settings)
    try:
        await create_or_update_profile(database.steward(), ProfileRequest(id="alpha"))
        with short_login(service, "alpha") as login:
            dsn = make_conninfo(service, user=login.user, password=login.password)
            with pytest.raises(psycopg.OperationalError, match="CONNECT"):
                psycopg.connect(make_conninfo(dsn, dbname="postgres"))
            with (
                psycopg.connect(dsn, autocommit=True) as listener,
                psycopg.connect(dsn, autocommit=True) as other,
            ):
                listener.execute("set idle_in_transaction_session_timeout = 0")
                listener.execute("listen z")
                listener.execute("begin; select 1")
                with pytest.raises(UnavailableError, match="queue of notifications is full"), translated():
                    fill(other)
                time.sleep(5)
                assert await end_idle_users(database) == 1
                with pytest.raises(psycopg.OperationalError):
                    listener.execute("select 1")
                fill_again = other.execute("select count(pg_notify('z', 'x'))").fetchone()
        assert fill_again == (1,)
    finally:
        await database.close()
