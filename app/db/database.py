"""An open database: its pool, its deployment's role names, and the scopes that can be had of it."""

from typing import Any

import msgspec
import psycopg
from psycopg import AsyncConnection
from psycopg.rows import class_row

from app.db.changes import Changes
from app.db.deployment import Deployment
from app.db.migrate import head_revision
from app.db.pool import KEEPALIVE, Pool, create_pool
from app.db.scope import Actor, Scope
from app.db.translate import translated
from app.errors import UnavailableError
from app.settings import Settings


class Database(msgspec.Struct, frozen=True):
    """What the composition root opens once and hands to every capability."""

    pool: Pool
    deployment: Deployment
    changes: Changes
    service_dsn: str
    audit_durable: bool = False

    def __repr__(self) -> str:
        """Without the DSN, which holds a password."""
        return f"Database({self.deployment.prefix})"

    @property
    def audit_settings(self) -> dict[str, str]:
        """Settings of a transaction that does nothing but read on record: whether it waits for the disk."""
        return {} if self.audit_durable else {"synchronous_commit": "off"}

    def owner(self, actor: Actor | None = None, *, timeout_ms: int = 0) -> Scope:
        """Loads and builds: owns the tables, so row security does not stand in its way. No time limit by default."""
        return Scope(self.pool, self.deployment.owner_role, actor, timeout_ms=timeout_ms)

    def steward(self, actor: Actor | None = None, *, timeout_ms: int = 30_000) -> Scope:
        """An admin principal."""
        return Scope(self.pool, self.deployment.steward_role, actor, timeout_ms=timeout_ms)

    def reader(self, role: str, actor: Actor | None = None, *, timeout_ms: int = 30_000) -> Scope:
        """A profile, by its role's name."""
        return Scope(self.pool, role, actor, timeout_ms=timeout_ms)

    def service(self, *, timeout_ms: int = 5_000) -> Scope:
        """The bare login: may look up an API key, and nothing else of the catalog."""
        return Scope(self.pool, "none", timeout_ms=timeout_ms)

    async def close(self) -> None:
        """Stop listening and close every connection."""
        await self.changes.stop()
        await self.pool.close()


async def get_deployment(dsn: str) -> Deployment:
    """The deployment as the service login sees it.

    Raises:
        UnavailableError: the server is away, or its schema is not at this version's revision.
    """
    with translated():
        try:
            async with await AsyncConnection.connect(dsn, autocommit=True, **KEEPALIVE) as connection:
                cursor: psycopg.AsyncCursor[Deployment] = connection.cursor(row_factory=class_row(Deployment))
                await cursor.execute("select * from lakeward.get_deployment()")
                deployment = await cursor.fetchone()
        except (
            psycopg.errors.InvalidSchemaName,
            psycopg.errors.UndefinedFunction,
            psycopg.errors.InsufficientPrivilege,
        ) as exc:
            raise UnavailableError("the database is not migrated; run: lakeward migrate") from exc
    if deployment is None or deployment.schema_version != head_revision():
        found = deployment.schema_version if deployment else "nothing"
        raise UnavailableError(
            f"the database is at revision {found}, this version needs {head_revision()}; run: lakeward migrate"
        )
    return deployment


async def open_database(dsn: str, settings: Settings) -> Database:
    """Connect as the service login at `dsn`, and start listening for changes."""
    deployment = await get_deployment(dsn)
    pool: Any = create_pool(dsn, deployment.ext_schema, settings.pool)
    with translated():
        await pool.open(wait=True, timeout=settings.pool.timeout_s)
    changes = Changes(dsn)
    await changes.start()
    return Database(
        pool=pool,
        deployment=deployment,
        changes=changes,
        service_dsn=dsn,
        audit_durable=settings.audit.durable,
    )
