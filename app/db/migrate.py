"""Brings a database to this version: roles and schemas, revisions, then sql/, all in one transaction."""

from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from psycopg import sql
from sqlalchemy import NullPool, create_engine

from app.db.bootstrap import bootstrap
from app.db.deployment import Credentials, Deployment, create_credentials, find_credentials, save_credentials
from app.db.install import install
from app.db.resources import ALEMBIC_INI
from app.errors import SettingsError, UnavailableError

#: A migration waits this long for a lock that a running app holds, then gives up with nothing changed.
LOCK_TIMEOUT = "10s"


def head_revision() -> str:
    """The revision this version of the code needs."""
    head = ScriptDirectory.from_config(Config(str(ALEMBIC_INI))).get_current_head()
    assert head is not None
    return head


def migrate(admin_dsn: str, home: Path) -> Deployment:
    """Create or upgrade everything in the database of `admin_dsn`; the service login's password goes to `home`.

    All or nothing; two at once run one after the other. Run again on a database that is up to date, it changes nothing.

    Raises:
        UnavailableError: the database cannot be reached, or what it offers does not suffice.
    """
    engine = create_engine("postgresql+psycopg://", creator=lambda: _connect(admin_dsn), poolclass=NullPool)
    with engine.begin() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        driver.execute("select set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
        deployment = bootstrap(driver)
        credentials = _ensure_password(driver, deployment, home)
        driver.execute("select set_config('role', %s, true)", [deployment.owner_role])
        driver.execute("select set_config('search_path', 'pg_catalog', true)")
        config = Config(str(ALEMBIC_INI))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        _ensure_row(driver, deployment)
        install(driver)
    if credentials is not None:
        save_credentials(home, credentials)
    return deployment


def _connect(dsn: str) -> psycopg.Connection[tuple[object, ...]]:
    try:
        return psycopg.connect(dsn, connect_timeout=10, client_encoding="utf8")
    except psycopg.OperationalError as exc:
        raise UnavailableError(f"Postgres cannot be reached: {_first_line(exc)}") from exc
    except psycopg.ProgrammingError as exc:
        # its own message would show the password
        raise SettingsError(
            "database_url is no Postgres URL; it looks like postgresql://user:password@host/db"
        ) from exc


def _first_line(exc: Exception) -> str:
    return (str(exc).splitlines() or ["no reason given"])[0]


def _ensure_password(
    driver: psycopg.Connection[tuple[object, ...]], deployment: Deployment, home: Path
) -> Credentials | None:
    known = find_credentials(home)
    if known is not None and known.user == deployment.service_role:
        return None
    fresh = create_credentials(deployment.service_role)
    # the verifier is computed here, so that the password is in no statement and no log
    verifier = driver.pgconn.encrypt_password(
        fresh.password.encode(), fresh.user.encode(), b"scram-sha-256"
    ).decode()
    driver.execute(
        sql.SQL("alter role {} password {}").format(sql.Identifier(fresh.user), sql.Literal(verifier))
    )
    return fresh


def _ensure_row(driver: psycopg.Connection[tuple[object, ...]], deployment: Deployment) -> None:
    driver.execute(
        "insert into lakeward.deployment (prefix, profile_prefix, owner_role, gate_role, steward_role, service_role,"
        " ext_schema) values (%s, %s, %s, %s, %s, %s, %s) on conflict do nothing",
        [
            deployment.prefix,
            deployment.profile_prefix,
            deployment.owner_role,
            deployment.gate_role,
            deployment.steward_role,
            deployment.service_role,
            deployment.ext_schema,
        ],
    )
