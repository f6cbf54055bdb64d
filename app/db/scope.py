"""Scope: one transaction as one role. The only place where a role is set.

All settings go in one statement, the role last (PostgREST's PreQuery does it so: what comes after runs with the
role's rights). They are transaction-local, so a connection that goes back to the pool is the bare service login again.

`fetch` sends settings and statement in one pipeline without BEGIN: until the sync at its end Postgres runs them as
one implicit transaction, so a read costs one round trip instead of four. Transactions that commit are ended with
COMMIT, because psycopg forgets its prepared statements on ROLLBACK.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache
from typing import Any, LiteralString, TypeAlias, TypeVar

import msgspec
from psycopg import sql
from psycopg.rows import class_row, scalar_row

from app.db.pool import Connection, Pool, borrowed
from app.db.round_trip import Call, as_bytes, fetch_last
from app.db.translate import translated
from app.errors import InvalidInputError

Row = TypeVar("Row")
Statement: TypeAlias = LiteralString | bytes | sql.Composed | sql.SQL
Parameters: TypeAlias = Mapping[str, Any] | Sequence[Any] | None


#: A transaction that cannot get its locks gives up: who sits on a table must not stop its other readers for long.
LOCK_TIMEOUT_MS = "10000"


class Actor(msgspec.Struct, frozen=True):
    """Who acts, for the record: as JSON in the transaction's setting `lakeward.actor`, for lakeward.acting()."""

    principal: str = ""
    profile: str = ""
    model: str = ""
    request_id: str = ""
    #: Through what it acts: 'api', 'job:<kind>'. Empty: the service itself.
    source: str = ""


class Transaction:
    """The three verbs of an open transaction. The caller never sees a cursor, except to copy."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    async def execute(self, statement: Statement, parameters: Parameters = None) -> int:
        """Run it and answer how many rows it touched."""
        cursor = await self.connection.execute(statement, parameters)
        return cursor.rowcount

    async def fetch_all(
        self, kind: type[Row], statement: Statement, parameters: Parameters = None
    ) -> list[Row]:
        """All rows, as `kind` (a Struct whose fields are the columns)."""
        async with self.connection.cursor(row_factory=class_row(kind)) as cursor:
            await cursor.execute(statement, parameters)
            return await cursor.fetchall()

    async def find_one(
        self, kind: type[Row], statement: Statement, parameters: Parameters = None
    ) -> Row | None:
        """The first row as `kind`, or None."""
        async with self.connection.cursor(row_factory=class_row(kind)) as cursor:
            await cursor.execute(statement, parameters)
            return await cursor.fetchone()

    async def fetch_value(self, statement: Statement, parameters: Parameters = None) -> Any:
        """The first column of the first row, or None when there is no row."""
        async with self.connection.cursor(row_factory=scalar_row) as cursor:
            await cursor.execute(statement, parameters)
            return await cursor.fetchone()

    async def fetch_values(self, statement: Statement, parameters: Parameters = None) -> list[Any]:
        """The first column of all rows."""
        async with self.connection.cursor(row_factory=scalar_row) as cursor:
            await cursor.execute(statement, parameters)
            return await cursor.fetchall()


class Scope:
    """A right to open transactions as `role`. Holds no connection: what waits on the network does so without one."""

    def __init__(
        self, pool: Pool, role: str, actor: Actor | None = None, *, timeout_ms: int = 30_000
    ) -> None:
        self.pool = pool
        self.role = role
        self.actor = actor or Actor()
        self.timeout_ms = timeout_ms
        self._actor_json = msgspec.json.encode(self.actor).decode()

    def settings_statement(self, extra: Mapping[str, str] | None = None) -> tuple[bytes, list[str]]:
        """The one settings statement of a transaction and its parameters; the role is the last."""
        settings = {
            "statement_timeout": str(self.timeout_ms),
            # one setting, not four: each costs a search about a hundredth of its time
            "lakeward.actor": self._actor_json,
            **(extra or {}),
            "role": self.role,
        }
        return _settings_sql(len(settings)), [part for pair in settings.items() for part in pair]

    @asynccontextmanager
    async def begin(self, extra: Mapping[str, str] | None = None) -> AsyncIterator[Transaction]:
        """A transaction as the scope's role; commits at the end, rolls back on any exception."""
        with translated():
            async with borrowed(self.pool) as connection, connection.transaction():
                settings = {"lock_timeout": LOCK_TIMEOUT_MS, **(extra or {})}
                await connection.execute(*self.settings_statement(settings), prepare=True)
                yield Transaction(connection)

    async def fetch(
        self,
        kind: type[Row],
        statement: Statement,
        parameters: Parameters = None,
        *,
        extra: Mapping[str, str] | None = None,
    ) -> list[Row]:
        """One statement as the scope's role in one round trip, rows as `kind`; binary on the wire, prepared."""
        settings, values = self.settings_statement(extra)
        async with borrowed(self.pool) as connection:
            calls = [
                Call(settings, [_as_text(value) for value in values], texts=True),
                Call(as_bytes(statement), parameters or ()),
            ]
            return await fetch_last(connection, calls, kind)

    async def fetch_value(self, statement: Statement, parameters: Parameters = None) -> Any:
        """The first column of the first row, as `fetch`; None when there is no row."""
        rows = await self.fetch(_First, statement, parameters)
        return rows[0].value if rows else None


def _as_text(value: str) -> bytes:
    """As it is sent, where a NUL would end it: another setting than was meant."""
    if "\0" in value:
        raise InvalidInputError("a name holds a NUL character")
    return value.encode()


@cache
def _settings_sql(count: int) -> bytes:
    return b"select " + b", ".join([b"set_config(%s, %s, true)"] * count)


class _First:
    """A row of which only the first column is wanted, whatever it is called."""

    def __init__(self, **columns: Any) -> None:
        self.value = next(iter(columns.values()))
