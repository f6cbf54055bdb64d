"""Steps 4 to 6 of an erasure: nobody sees the deleted rows, their tables are written anew, their WAL is gone.

The order matters. A rewrite while an old snapshot is open copies the deleted rows into the new files, and an index
build takes them in (SnapshotAny): so the wait comes first. A rewrite is itself logged, so WAL is turned over last.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import msgspec
import psycopg
from psycopg import sql

from app.db.administrator import administering
from app.db.builder import building
from app.db.database import Database
from app.db.pool import Connection
from app.db.queries import load_queries
from app.db.scope import Scope
from app.errors import InternalError, UnavailableError
from app.settings import Settings
from app.tombstones.erasure_places import Cluster
from app.tombstones.erasure_plan import read_lsn, read_segment

QUERIES = load_queries(__file__, "erasure.sql")
POLL_S = 0.2
#: While a rewrite waits for its lock everybody else waits behind it: so it waits briefly, and tries again.
LOCK_S = 2.0
PAUSE_S = 1.0
_PHYSICAL_BYTES = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")

#: Called while something takes long, so that a cancelled job is noticed.
Tick = Callable[[], Awaitable[None]]


class Rewritten(msgspec.Struct, frozen=True):
    """A relation and its file's number before and after."""

    relation: str
    before: int
    after: int


class Turnover(msgspec.Struct, frozen=True):
    """WAL: all of it that was written before `purged_at` is gone when `oldest_kept` is not below it."""

    purged_at: str
    oldest_kept: str | None
    done: bool
    reason: str | None = None


async def wait_for_snapshots(owner: Scope, xid: str, tick: Tick, *, patience_s: float) -> None:
    """Return when no transaction, slot or prepared transaction can see what transaction `xid` deleted.

    Raises:
        UnavailableError: some still can at the end of `patience_s`; says how many. None is ended for it.
    """
    deadline = time.monotonic() + patience_s
    while True:
        old: int = await owner.fetch_value(QUERIES["old_transactions"], {"xid": xid})
        if old == 0:
            return
        if time.monotonic() > deadline:
            raise UnavailableError(
                f"{old} transactions (or replication slots) from before the purge can still see the rows, so they "
                "cannot be written out of the tables yet; end them (pg_stat_activity), and ask for the erasure again"
            )
        await tick()
        await asyncio.sleep(POLL_S)


async def rewrite(
    database: Database, relations: Sequence[str], tick: Tick, *, patience_s: float
) -> list[Rewritten]:
    """VACUUM (FULL, ANALYZE) of every relation that is there: heap, TOAST and indexes in new files, new statistics.

    Raises:
        UnavailableError: a table stayed locked by others.
    """
    owner = database.owner()
    done = []
    for name in relations:
        if not await owner.fetch_value(QUERIES["relation_exists"], {"name": name}):
            continue
        before = await owner.fetch_value(QUERIES["file_node"], {"name": name})
        await _rewrite_one(database, name, tick, time.monotonic() + patience_s)
        after = await owner.fetch_value(QUERIES["file_node"], {"name": name})
        if after == before:
            raise InternalError(f"{name} was not rewritten: the owner may not")
        done.append(Rewritten(relation=name, before=before, after=after))
        await tick()
    names = [rewritten.relation for rewritten in done]
    if await owner.fetch_value(QUERIES["invalid_indexes"], {"names": names}):
        raise InternalError("an index is not valid after its table was rewritten; lakeward doctor names it")
    return done


async def _rewrite_one(database: Database, name: str, tick: Tick, deadline: float) -> None:
    statement = sql.SQL("vacuum (full, analyze) {}").format(sql.Identifier(*name.split(".", 1)))
    while True:
        try:
            # its indexes are built anew too, and HNSW graphs want memory
            async with building(
                database, lock=f"lakeward.rewrite.{name}", memory_bytes=_PHYSICAL_BYTES // 8
            ) as connection:
                await connection.execute("select set_config('lock_timeout', %s, false)", [f"{LOCK_S}s"])
                await connection.execute(statement)
                return
        except UnavailableError:
            if time.monotonic() > deadline:
                raise UnavailableError(
                    f"{name} stays locked by others and could not be rewritten; run it again"
                ) from None
        await tick()
        await asyncio.sleep(PAUSE_S)


async def rewrite_statistics(database: Database, settings: Settings) -> bool:
    """VACUUM FULL of pg_statistic, where old statistics lie as dead rows; whether this process may."""
    name = {"name": "pg_catalog.pg_statistic"}
    before = await database.owner().fetch_value(QUERIES["file_node"], name)
    # who may not is not refused: VACUUM warns, and leaves the table as it is
    await run_as_admin(database, settings, "vacuum (full) pg_catalog.pg_statistic")
    return bool(await database.owner().fetch_value(QUERIES["file_node"], name) != before)


async def run_as_admin(database: Database, settings: Settings, *statements: str) -> bool:
    """Run the statements as the administrator, or as the owner if that may; False when neither may."""
    async with administering(settings) as connection:
        if connection is not None and await _try(connection, statements):
            return True
    async with building(database, lock="lakeward.administer", memory_bytes=0) as connection:
        return await _try(connection, statements)


async def _try(connection: Connection, statements: Sequence[str]) -> bool:
    try:
        for statement in statements:
            await connection.execute(statement.encode())
    except psycopg.errors.InsufficientPrivilege:
        return False
    return True


async def turn_over_wal(
    database: Database,
    settings: Settings,
    cluster: Cluster,
    wal: Path | None,
    lsn: str,
    tick: Tick,
    *,
    patience_s: float,
) -> Turnover:
    """Go on until no segment that was written before `lsn`, or is its recycled file, is left in pg_wal.

    Raises:
        UnavailableError: something keeps old segments: a slot, an archive that is behind, wal_keep_size.
    """
    deadline = time.monotonic() + patience_s
    last: int | None = None
    while True:
        if not await run_as_admin(database, settings, "checkpoint", NEXT_SEGMENT, "checkpoint"):
            return Turnover(lsn, None, False, "this process may not run CHECKPOINT and pg_switch_wal there")
        if wal is None:
            return Turnover(lsn, None, False, "checkpoints were made, but pg_wal is not readable from here")
        segments = await asyncio.to_thread(_list_segments, wal, cluster.segment_bytes)
        current = read_lsn(await database.owner().fetch_value("select pg_current_wal_insert_lsn()::text"))
        oldest = min(segments)
        if oldest >= read_lsn(lsn) - read_lsn(lsn) % cluster.segment_bytes + cluster.segment_bytes:
            # where segments are recycled those that come next are old files; they are written over one by one
            last = max(segments) if last is None else last
            if current >= last:
                return Turnover(lsn, f"{oldest >> 32:X}/{oldest & 0xFFFFFFFF:X}", True)
        if time.monotonic() > deadline:
            raise UnavailableError(
                "WAL from before the purge is still there: a replication slot, an archive that is behind or "
                "wal_keep_size keeps it; see pg_replication_slots and pg_stat_archiver, and ask for the erasure again"
            )
        await tick()


#: A switch does nothing in a segment that nothing was written to.
NEXT_SEGMENT = "select pg_logical_emit_message(false, 'lakeward', ''), pg_switch_wal()"


def _list_segments(wal: Path, segment_bytes: int) -> list[int]:
    begins = (read_segment(path.name, segment_bytes) for path in wal.iterdir())
    return [begin for begin in begins if begin is not None]
