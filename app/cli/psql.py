"""psql: as the admin, or as a profile with a login of its own that lasts as long as psql does."""

import contextlib
import getpass
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import rich_click as click
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import class_row

from app.cli.output import note
from app.db.deployment import Credentials, Deployment
from app.db.embedded import find_running
from app.db.target import EMBEDDED_DATABASE, Target, service_dsn
from app.errors import NotFoundError, SettingsError, UnavailableError
from app.settings import Settings, load_settings

Connection = psycopg.Connection[Any]
#: A login that a killed `lakeward psql` left behind opens no connection after so long.
VALID_HOURS = 12
CONNECT_S = 10


@click.command(context_settings={"ignore_unknown_options": True})
@click.option(
    "--as", "profile", metavar="PROFILE", help="As this profile: what psql shows is that reader's world."
)
@click.option("--home", type=click.Path(path_type=Path), help="The home. [~/.lakeward]")
@click.argument("arguments", metavar="[PSQL ARGUMENT]...", nargs=-1, type=click.UNPROCESSED)
def psql(profile: str | None, home: Path | None, arguments: tuple[str, ...]) -> None:
    """Open psql, as the admin or as a profile. What comes after the options goes to psql."""
    settings = load_settings(home=home)
    target = find_target(settings)
    if profile is None:
        sys.exit(_run(_find_psql(target), target.admin_dsn, arguments))
    with short_login(service_dsn(settings, target.admin_dsn), profile) as login:
        dsn = make_conninfo(target.admin_dsn, user=login.user, password=login.password)
        status = _run(_find_psql(target), dsn, arguments)
    sys.exit(status)


def find_target(settings: Settings) -> Target:
    """The database as it runs now; nothing is started.

    Raises:
        UnavailableError: the home's server does not run.
    """
    if settings.database_url is not None:
        return Target(admin_dsn=settings.database_url)
    server = find_running(settings.home)
    if server is None:
        raise UnavailableError(f"no Postgres runs in {settings.home}; start it with: lakeward up")
    return Target(admin_dsn=server.admin_dsn(EMBEDDED_DATABASE), server=server)


def _find_psql(target: Target) -> str:
    found = shutil.which("psql")
    if found is not None:
        return found
    if target.server is not None and (beside := target.server.bin_dir / "psql").exists():
        return str(beside)
    raise UnavailableError("psql is not installed; install your system's postgresql-client package")


def _run(program: str, dsn: str, arguments: tuple[str, ...]) -> int:
    """psql's exit status. The password is in its environment alone, where other users do not see it."""
    try:
        parameters = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError as exc:
        raise SettingsError(f"database_url cannot be read: {exc}") from exc
    environment = dict(os.environ)
    if (password := parameters.pop("password", None)) is not None:
        environment["PGPASSWORD"] = str(password)
    dsn = make_conninfo("", **{name: str(value) for name, value in parameters.items() if value is not None})
    command = [program, f"--dbname={dsn}", *arguments]
    with subprocess.Popen(command, env=environment) as process, _signals_to(process):
        return process.wait()


@contextmanager
def _signals_to(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Ctrl-C is psql's: it cancels a statement there. What ends this process ends psql, and then the login."""

    def end(*_: object) -> None:
        process.terminate()

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    before[signal.SIGINT] = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def short_login(dsn: str, profile: str) -> Iterator[Credentials]:
    """A login that is `profile` and nothing else, until the block ends; `dsn` is the service login's.

    Raises:
        NotFoundError: no such profile.
        UnavailableError: the database is away, or not migrated.
    """
    with _translated():
        deployment = _get_deployment(dsn)
        _drop_stale(dsn, deployment)
    login = _create_login(dsn, deployment, profile)
    try:
        yield login
    finally:
        try:
            with _as_role(dsn, deployment.steward_role) as connection:
                connection.execute("select lakeward.drop_login(%s)", [login.user])
        except psycopg.Error as exc:
            note(
                f"the login {login.user} is still there ({_first_line(exc)}); it ends in {VALID_HOURS} hours"
            )


def _get_deployment(dsn: str) -> Deployment:
    with psycopg.connect(dsn, connect_timeout=CONNECT_S, row_factory=class_row(Deployment)) as connection:
        found = connection.execute("select * from lakeward.get_deployment()").fetchone()
    if found is None:
        raise UnavailableError("the database is not migrated; run: lakeward migrate")
    return found


def _create_login(dsn: str, deployment: Deployment, profile: str) -> Credentials:
    user = f"{deployment.prefix}_psql_{secrets.token_hex(4)}"
    login = Credentials(user=user, password=secrets.token_urlsafe(32))
    until = datetime.now(UTC) + timedelta(hours=VALID_HOURS)
    with _translated(profile), _as_role(dsn, deployment.owner_role) as connection:
        # the verifier is computed here, so that the password is in no statement and no log
        verifier = connection.pgconn.encrypt_password(
            login.password.encode(), login.user.encode(), b"scram-sha-256"
        ).decode()
        connection.execute(
            "select lakeward.create_login(%s, %s, %s, %s)", [profile, login.user, verifier, until]
        )
    return login


def _drop_stale(dsn: str, deployment: Deployment) -> None:
    """Logins of a `lakeward psql` that was killed, once nobody can open a connection with them any more."""
    pattern = deployment.prefix.replace("_", r"\_") + r"\_psql\_%"
    with _as_role(dsn, deployment.steward_role) as connection:
        stale = connection.execute(
            "select rolname from pg_roles where rolname like %s and rolvaliduntil < now()", [pattern]
        ).fetchall()
        for (login,) in stale:
            # roles are the whole server's: one may be another database's, and is refused here
            with contextlib.suppress(psycopg.Error), connection.transaction():
                connection.execute("select lakeward.drop_login(%s)", [login])


@contextmanager
def _translated(profile: str = "") -> Iterator[None]:
    try:
        yield
    except psycopg.errors.NoDataFound as exc:
        raise NotFoundError(f"no profile {profile!r}; see: lakeward profile list") from exc
    except (psycopg.errors.InvalidSchemaName, psycopg.errors.UndefinedFunction) as exc:
        raise UnavailableError("the database is not migrated; run: lakeward migrate") from exc
    except psycopg.Error as exc:
        raise UnavailableError(f"Postgres: {_first_line(exc)}") from exc


@contextmanager
def _as_role(dsn: str, role: str) -> Iterator[Connection]:
    """One transaction of the service login as the deployment's owner or steward; on record is who sits here."""
    actor = json.dumps({"principal": f"{_machine_user()}@{socket.gethostname()}", "source": "psql"})
    with psycopg.connect(dsn, connect_timeout=CONNECT_S) as connection:
        connection.execute(
            "select set_config('lakeward.actor', %s, true), set_config('role', %s, true)", [actor, role]
        )
        yield connection


def _machine_user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "somebody"  # a container's user may have a number and no name


def _first_line(exc: Exception) -> str:
    return (str(exc).splitlines() or ["no reason given"])[0]
