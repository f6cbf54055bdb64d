"""The sync of a copy with its index, by difference of chunk ids: what is missing is added, what is gone is deleted.

One writer at a time, by an advisory lock in Postgres. What a sync that was killed left behind is found by the next one:
Lance commits whole versions, ids are compared as they are, and the marker, which says up to where the copy is complete,
is written last. A copy whose token is not in Postgres, that cannot be read, or that has a chunk twice is made anew.
"""

import asyncio
import logging
import shutil
import time
import uuid
from collections.abc import Mapping

import numpy as np
from psycopg import sql
from psycopg.types.json import Jsonb

from app.db.builder import building
from app.db.database import Database
from app.db.pool import Connection
from app.db.queries import load_queries
from app.db.scope import Scope
from app.errors import DiskFullError, LakewardError, NotFoundError
from app.lance.copied import Copied, CopyError
from app.lance.folder import Folder, Marker
from app.lance.models import IndexCopy, Synced
from app.lance.read import Ids, chunks_of, read_ids, read_vectors

log = logging.getLogger(__name__)
QUERIES = load_queries(__file__)
#: Chunks that are read, and written, at once.
BATCH = 16_384
#: How long a sync waits for writers that have drawn ids and have not committed.
PATIENCE_S = 10.0
POLL_S = 0.05
#: Bytes of a copy, as multiples of its vectors: with 8-bit ones, the graph, and all again while it is tidied.
ROOM = 3.0


def lock_name(table_name: str) -> str:
    """Who writes a copy, or removes it, holds this lock."""
    return f"lakeward.lance.{table_name}"


async def find_index(owner: Scope, table_name: str) -> IndexCopy:
    """The index by the name of its tables.

    Raises:
        NotFoundError: it is gone.
    """
    found = await owner.fetch(IndexCopy, QUERIES["copied_index"], {"table_name": table_name})
    if not found:
        raise NotFoundError(f"no index has the tables {table_name[:60]!r} any more")
    return found[0]


async def sync(database: Database, folder: Folder, table_name: str) -> Synced:
    """Bring the copy to what the index has now; whoever searches goes on meanwhile.

    Raises:
        NotFoundError: the index went away.
        CopyError: Lance failed; the next sync repairs, or makes the copy anew.
        DiskFullError: there is no room for it.
    """
    owner = database.owner()
    await find_index(owner, table_name)
    async with building(database, lock=lock_name(table_name), memory_bytes=0) as connection:
        try:
            return await _sync(database, folder, await find_index(owner, table_name), connection)
        except LakewardError:
            if not await owner.fetch(IndexCopy, QUERIES["copied_index"], {"table_name": table_name}):
                await asyncio.to_thread(folder.remove, table_name)
                raise NotFoundError(f"the index of {table_name!r} was deleted meanwhile") from None
            raise


async def _sync(database: Database, folder: Folder, index: IndexCopy, connection: Connection) -> Synced:
    owner = database.owner()
    marker = find_valid(folder, index)
    complete_to = await _wait_for_writers(owner, index.table_name)
    wanted = await read_ids(database.steward(), index.table_name)
    copied = None if marker is None else await _open(folder, index)
    held = await _held(copied)
    if marker is None or copied is None or held is None or np.setdiff1d(held, wanted).size * 2 > held.size:
        return await _rebuild(database, folder, index, connection, wanted, complete_to)
    missing, gone = np.setdiff1d(wanted, held), np.setdiff1d(held, wanted)
    synced_to = marker.synced_to if complete_to is None else complete_to
    if not missing.size and not gone.size and synced_to == marker.synced_to:
        return Synced(index.name, int(held.size), 0, 0, False, synced_to)
    await copied.delete(gone.tolist())
    added = await _add(database, folder, index, connection, copied, missing)
    if await copied.needs_tidying():
        await copied.tidy()
    rows = int(held.size - gone.size) + added
    await _commit(owner, folder, index, Marker(_token(), index.dimensions, synced_to, rows))
    return Synced(index.name, rows, added, int(gone.size), False, synced_to)


async def _rebuild(
    database: Database,
    folder: Folder,
    index: IndexCopy,
    connection: Connection,
    wanted: Ids,
    complete_to: int | None,
) -> Synced:
    owner = database.owner()
    await _set_state(owner, index, None)
    await asyncio.to_thread(folder.remove, index.table_name)
    copied = await Copied.create(folder.path(index.table_name), index.dimensions)
    added = await _add(database, folder, index, connection, copied, wanted)
    await copied.tidy()
    synced_to = 0 if complete_to is None else complete_to
    await _commit(owner, folder, index, Marker(_token(), index.dimensions, synced_to, added))
    return Synced(index.name, added, added, 0, True, synced_to)


def find_valid(folder: Folder, index: IndexCopy) -> Marker | None:
    """The marker, when it is of this index at its last sync, or at the one before if that was not completed."""
    marker, state = folder.find_marker(index.table_name), index.lance or {}
    if marker is None or marker.dimensions != index.dimensions:
        return None
    return marker if marker.token in (state.get("token"), state.get("previous")) else None


async def _open(folder: Folder, index: IndexCopy) -> Copied | None:
    try:
        return await Copied.open(folder.path(index.table_name), index.dimensions)
    except CopyError as exc:
        log.warning("the copy of %s in Lance is made anew: %s", index.name, exc.message)
        return None


async def _held(copied: Copied | None) -> Ids | None:
    """The chunks in it; None when it cannot be read, or has one twice."""
    try:
        held = None if copied is None else await copied.read_ids()
    except CopyError as exc:
        log.warning("a copy in Lance is made anew: %s", exc.message)
        return None
    return held if held is None or np.unique(held).size == held.size else None


async def _wait_for_writers(owner: Scope, table_name: str) -> int | None:
    """The largest chunk id so that no smaller one will appear any more; None when writers did not end in time.

    Ids are drawn before they are committed. Who has drawn a smaller one than is seen here holds the table's lock until
    its commit; when all who hold it now have ended, what they wrote can be seen.
    """
    chunks = chunks_of(table_name)
    largest: int = await owner.fetch_value(
        sql.SQL("select coalesce(max(chunk_id), 0) from {}").format(chunks)
    )
    parameters = {"chunks": chunks.as_string(None)}
    async with owner.begin() as transaction:
        before = set(await transaction.fetch_values(QUERIES["writers"], parameters))
    deadline = time.monotonic() + PATIENCE_S
    while before:
        if time.monotonic() > deadline:
            return None
        await asyncio.sleep(POLL_S)
        async with owner.begin() as transaction:
            before &= set(await transaction.fetch_values(QUERIES["writers"], parameters))
    return largest


async def _add(
    database: Database, folder: Folder, index: IndexCopy, connection: Connection, copied: Copied, ids: Ids
) -> int:
    """Add these chunks, those that are still there; how many that were."""
    await asyncio.to_thread(_require_room, folder, index, ids.size)
    steward, added = database.steward(), 0
    for first in range(0, ids.size, BATCH):
        # a lock that was lost is somebody else's now
        await connection.execute("select 1")
        part = ids[first : first + BATCH].tolist()
        found, vectors = await read_vectors(steward, index.table_name, index.dimensions, part)
        if found.size:
            await copied.add(found, vectors)
        added += int(found.size)
    return added


def _require_room(folder: Folder, index: IndexCopy, rows: int) -> None:
    folder.root.mkdir(parents=True, exist_ok=True)
    wanted = int(rows * index.dimensions * 2 * ROOM)
    free = shutil.disk_usage(folder.root).free
    if free < wanted:
        raise DiskFullError(
            f"a copy of {index.name!r} in Lance needs about {wanted >> 20:,} MB, and {free >> 20:,} MB are free in "
            f"{folder.root}; searches go on in Postgres"
        )


async def _commit(owner: Scope, folder: Folder, index: IndexCopy, marker: Marker) -> None:
    """The token goes to Postgres first: a marker that it does not know, of a backup's future, never counts."""
    before = (await find_index(owner, index.table_name)).lance or {}
    last = folder.find_marker(index.table_name)
    state = {"token": marker.token, "previous": None if last is None else last.token}
    if before.get("measured"):
        state["measured"] = before["measured"]
    if await _set_state(owner, index, state) == 0:
        raise NotFoundError(f"index {index.name!r} was deleted meanwhile")
    await asyncio.to_thread(folder.write_marker, index.table_name, marker)


async def _set_state(owner: Scope, index: IndexCopy, state: Mapping[str, object] | None) -> int:
    async with owner.begin() as transaction:
        parameters = {"id": index.id, "state": None if state is None else Jsonb(dict(state))}
        return await transaction.execute(QUERIES["set_state"], parameters)


def _token() -> str:
    return uuid.uuid4().hex


async def erase(database: Database, folder: Folder, table_names: list[str]) -> list[str]:
    """Remove the copies of these indexes, and those of indexes that are gone; the names of what was there.

    Every byte of them: a copy that is still wanted is made anew from what Postgres has, by the next sync.
    """
    owner, erased = database.owner(), []
    async with owner.begin() as transaction:
        known = set(await transaction.fetch_values(QUERIES["table_names"]))
    for name in folder.list_copies():
        if name in known and name not in table_names:
            continue
        async with building(database, lock=lock_name(name), memory_bytes=0):
            found = await owner.fetch(IndexCopy, QUERIES["copied_index"], {"table_name": name})
            if found and name not in table_names:
                continue
            for index in found:
                await _set_state(owner, index, None)
            if await asyncio.to_thread(folder.remove, name):
                erased.append(name)
    return erased
