"""Power users: logins of the database for psql, each of them one profile and nothing else."""

import logging
import re
import secrets
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode

from psycopg.conninfo import conninfo_to_dict

from app.access.models import CreatedUser, DeletedUser, User, UserRequest
from app.db.database import Database
from app.db.queries import load_queries
from app.db.scope import Scope, Transaction
from app.errors import ConflictError, InvalidInputError, InvalidNameError, NotFoundError
from app.web.paging import Page, decode_cursor, plan_page

QUERIES = load_queries(__file__)

log = logging.getLogger(__name__)

#: A person's transaction may be idle, and may be open, for so long: sealing and vacuum wait for the oldest one.
MAX_IDLE = timedelta(minutes=10)
MAX_OPEN = timedelta(hours=4)

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
#: Names that a deployment gives its own roles, this one or another on the same server (app/db/bootstrap.py).
_OURS = re.compile(r"lw([0-9a-f]{6})?_")
#: What Postgres means by these is not a role's name.
_WORDS = {"public", "none", "user", "current_user", "current_role", "session_user"}


def plan_user(request: UserRequest, prefix: str, now: datetime) -> UserRequest:
    """The request, when a login can be made of it; `prefix` is the deployment's.

    Raises:
        InvalidNameError: the name is no plain word, or is kept for Postgres or for Lakeward's own roles.
        InvalidInputError: the password holds a NUL; the end has no time zone, or is over.
    """
    name = request.name
    if _NAME.fullmatch(name) is None:
        raise InvalidNameError(
            f"user name {name[:60]!r}: use lower-case letters, digits, - and _, beginning with a letter, "
            "at most 63 characters"
        )
    if name.startswith("pg_") or name in _WORDS:
        raise InvalidNameError(f"user name {name!r} is kept for Postgres itself; choose another")
    if _OURS.match(name) or name.startswith(f"{prefix}_"):
        raise InvalidNameError(
            f"user name {name!r} begins as the names of Lakeward's own roles do; choose another"
        )
    if request.password is not None and "\0" in request.password:
        raise InvalidInputError("password: it holds a NUL, which Postgres cannot take")
    if request.valid_until is not None:
        if request.valid_until.tzinfo is None:
            raise InvalidInputError("valid_until: say the time zone, as in 2030-01-31T00:00:00Z")
        if request.valid_until <= now:
            raise InvalidInputError("valid_until is over already")
    return request


def connection_url(dsn: str, name: str) -> str:
    """How `name` connects to the database of `dsn`, as a URL for psql, without a password."""
    where = conninfo_to_dict(dsn)
    host, port = str(where.get("host", "")), str(where.get("port", "5432"))
    query = {key: str(where[key]) for key in ("sslmode", "sslrootcert") if where.get(key)}
    if host.startswith("/") or not host:
        # a socket's folder has no place before the path
        at, query = "", {"host": host, "port": port, **query} if host else query
    else:
        at = f"{f'[{host}]' if ':' in host else host}:{port}"
    url = f"postgresql://{quote(name, safe='')}@{at}/{quote(str(where.get('dbname', '')), safe='')}"
    return url + (f"?{urlencode(query, safe='/')}" if query else "")


async def create_user(owner: Scope, prefix: str, dsn: str, request: UserRequest) -> CreatedUser:
    """A new login that becomes the profile at login; its password is nowhere but in the answer, if it was generated.

    `owner` is the owner's scope, with the admin who asks as its actor; `dsn` leads to the database.

    Raises:
        InvalidNameError, InvalidInputError: see plan_user.
        NotFoundError: no such profile.
        ConflictError: the server has a role of that name; roles belong to all databases of a server.
    """
    plan_user(request, prefix, datetime.now(UTC))
    password = request.password or secrets.token_urlsafe(24)
    async with owner.begin() as transaction:
        schema = await transaction.fetch_value(QUERIES["find_schema"], {"profile": request.profile})
        if schema is None:
            raise NotFoundError(f"no profile {request.profile[:40]!r}; see: lakeward profile list")
        if await transaction.fetch_value(QUERIES["role_exists"], {"name": request.name}):
            raise ConflictError(
                f"the server has a role {request.name!r} already, here or in another database; choose another name"
            )
        parameters = {
            "profile": request.profile,
            "name": request.name,
            "verifier": _verifier(transaction, request.name, password),
            "valid_until": request.valid_until,
        }
        await transaction.execute(QUERIES["create_login"], parameters)
    return CreatedUser(
        name=request.name,
        profile=request.profile,
        valid_until=request.valid_until,
        search_path=schema,
        url=connection_url(dsn, request.name),
        password=password if request.password is None else None,
    )


def _verifier(transaction: Transaction, name: str, password: str) -> str:
    """The SCRAM-SHA-256 verifier, computed here, so that the password is in no statement and no log."""
    pgconn = transaction.connection.pgconn
    return pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()


async def list_users(scope: Scope, limit: int, cursor: str | None) -> Page[User]:
    """The power users of this database, by name."""
    after = decode_cursor(cursor, str) if cursor else None
    rows = await scope.fetch(User, QUERIES["users"], {"name": None, "after": after, "limit": limit + 1})
    return plan_page(rows, limit, lambda user: user.name)


async def delete_user(scope: Scope, name: str) -> DeletedUser:
    """The login is gone, and its sessions are ended.

    Raises:
        NotFoundError: no such power user.
    """
    users = await scope.fetch(User, QUERIES["users"], {"name": name, "after": None, "limit": 1})
    if not users:
        raise NotFoundError(f"no user {name[:63]!r}; see: lakeward user list")
    # in two steps: who logs in before the first is committed is ended in the second, and nobody does after it
    async with scope.begin() as transaction:
        await transaction.execute(QUERIES["close_login"], {"name": name})
    async with scope.begin() as transaction:
        await transaction.execute(QUERIES["drop_login"], {"name": name})
    return DeletedUser(name=name, profile=users[0].profile, sessions=users[0].sessions)


async def end_idle_users(
    database: Database, idle: timedelta = MAX_IDLE, longest: timedelta = MAX_OPEN
) -> int:
    """End the sessions of power users that sit in an open transaction; answers how many."""
    async with database.steward().begin() as transaction:
        ended: int = await transaction.fetch_value(
            QUERIES["end_idle_logins"], {"idle": idle, "longest": longest}
        )
    if ended:
        log.warning("%d sessions of power users sat in an open transaction, and were ended", ended)
    return ended
