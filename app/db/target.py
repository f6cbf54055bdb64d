"""Which Postgres to talk to: the embedded one under the home, or the server that LAKEWARD_DATABASE_URL names."""

import msgspec
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from app.db.deployment import find_credentials
from app.db.embedded import EmbeddedServer, ensure_running
from app.errors import SettingsError, UnavailableError
from app.settings import Settings

EMBEDDED_DATABASE = "lakeward"


class Target(msgspec.Struct, frozen=True):
    """`admin_dsn` migrates and is used for nothing else; `server` is the embedded server, if it is one."""

    admin_dsn: str
    server: EmbeddedServer | None = None

    def __repr__(self) -> str:
        """Without the DSN, which may hold a password."""
        return f"Target(server={self.server!r})"


def open_target(settings: Settings) -> Target:
    """Start (or adopt) the embedded server and make its database, or take the one that is named.

    Raises:
        ServerStartError: the embedded server does not start.
    """
    if settings.database_url is not None:
        return Target(admin_dsn=settings.database_url)
    server = ensure_running(settings.home, version=settings.postgres_version)
    with psycopg.connect(server.admin_dsn("postgres"), autocommit=True) as connection:
        found = connection.execute(
            "select from pg_database where datname = %s", [EMBEDDED_DATABASE]
        ).fetchone()
        if found is None:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(EMBEDDED_DATABASE)))
        # logins belong to the whole server: what one left in another database, no erasure would look at
        connection.execute("revoke connect, temporary on database postgres, template1 from public")
    return Target(admin_dsn=server.admin_dsn(EMBEDDED_DATABASE), server=server)


def service_dsn(settings: Settings, admin_dsn: str) -> str:
    """The DSN of the service login: the admin's, with the service's own user and password.

    Raises:
        UnavailableError: nothing has been migrated from this home yet.
        SettingsError: the database's URL cannot be read.
    """
    credentials = find_credentials(settings.home)
    if credentials is None:
        raise UnavailableError(f"{settings.home} has no service credentials yet; run: lakeward migrate")
    try:
        return make_conninfo(admin_dsn, user=credentials.user, password=credentials.password)
    except psycopg.ProgrammingError as exc:
        raise SettingsError(f"database_url cannot be read: {exc}") from exc
