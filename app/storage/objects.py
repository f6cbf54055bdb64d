"""The objects of one bucket: read, written, listed and deleted, in pieces and never whole in memory."""

import asyncio
import heapq
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import obstore

from app.storage.bucket import Bucket
from app.storage.models import ObjectEntry
from app.storage.ranges import ByteRange

#: Pieces in which an object is read and sent on.
CHUNK_BYTES = 1024 * 1024
#: A bucket that has not begun to answer by then is taken for away.
FIRST_S = 10.0
LIST_CHUNK = 1000


class OpenObject:
    """An object that is being read: its entry, the range that comes, and the pieces. Its first piece is there."""

    def __init__(self, entry: ObjectEntry, start: int, stop: int, chunks: AsyncIterator[bytes]) -> None:
        self.entry = entry
        self.start = start
        self.stop = stop
        self.chunks = chunks


class RangeError(Exception):
    """The range begins behind the object's end; `size` is where that is."""

    def __init__(self, size: int) -> None:
        self.size = size
        super().__init__(f"the object has {size} bytes")


async def open_object(bucket: Bucket, key: str, wanted: ByteRange | None = None) -> OpenObject:
    """Begin to read an object; errors are obstore's own (app/storage/faults.py reads them).

    Raises:
        RangeError: nothing of the range is in the object.
    """
    options: Any = {"range": wanted.for_obstore()} if wanted else None
    async with asyncio.timeout(FIRST_S):
        if wanted is not None:
            size = (await obstore.head_async(bucket.store, key))["size"]
            if (wanted.first is not None and wanted.first >= size) or wanted.suffix == 0 or size == 0:
                raise RangeError(size)
        found = await obstore.get_async(bucket.store, key, options=options)
        stream = aiter(found.stream(min_chunk_size=CHUNK_BYTES))
        start, stop = found.range
        # what fails before the first byte can still come from another bucket
        first = await anext(stream, b"") if stop > start else b""
    return OpenObject(_entry(found.meta, key), start, stop, _chain(first, stream, stop > start))


async def _chain(first: bytes, stream: AsyncIterator[Any], more: bool) -> AsyncIterator[bytes]:
    if first:
        yield bytes(first)
    if more:
        async for chunk in stream:
            yield bytes(chunk)


async def head_object(bucket: Bucket, key: str) -> ObjectEntry:
    """An object's entry; errors are obstore's own."""
    async with asyncio.timeout(FIRST_S):
        return _entry(await obstore.head_async(bucket.store, key), key)


async def find_object(bucket: Bucket, key: str) -> ObjectEntry | None:
    """An object's entry, or None when the bucket has none of this key."""
    try:
        return await head_object(bucket, key)
    except FileNotFoundError:
        return None


async def delete_object(bucket: Bucket, key: str) -> None:
    """Delete an object; one that is not there is an error, for S3 does not say so itself."""
    async with asyncio.timeout(2 * FIRST_S):
        await obstore.head_async(bucket.store, key)
        await obstore.delete_async(bucket.store, key)


async def list_objects(bucket: Bucket, prefix: str, after: str | None, limit: int) -> list[ObjectEntry]:
    """The first `limit` objects whose keys begin with `prefix` and come behind `after`, by their keys' bytes.

    A folder is listed whole and in no order, so all of it is looked at and `limit` are kept; an object store answers
    in order, so what comes behind the page is not asked for.
    """
    folder = prefix.rpartition("/")[0] or None
    keep: list[ObjectEntry] = []
    async for entries in _listed(bucket, folder, after):
        matching = [entry for entry in entries if _matches(entry, prefix, after)]
        keep = heapq.nsmallest(limit, [*keep, *matching], key=_by_key)
        if not bucket.is_local and len(keep) == limit and _by_key(entries[-1]) >= _by_key(keep[-1]):
            break
    return keep


async def iter_objects(bucket: Bucket, prefix: str) -> AsyncIterator[list[ObjectEntry]]:
    """All objects whose keys begin with `prefix`, in no order."""
    async for entries in _listed(bucket, prefix.rpartition("/")[0] or None, None):
        yield [entry for entry in entries if entry.key.startswith(prefix)]


async def _listed(bucket: Bucket, folder: str | None, after: str | None) -> AsyncIterator[list[ObjectEntry]]:
    stream = aiter(bucket.store.list(folder, offset=after, chunk_size=LIST_CHUNK))
    while True:
        async with asyncio.timeout(2 * FIRST_S):
            try:
                page = await anext(stream)
            except StopAsyncIteration:
                return
        if page:
            yield [_entry(meta, meta["path"]) for meta in page]


def _matches(entry: ObjectEntry, prefix: str, after: str | None) -> bool:
    return entry.key.startswith(prefix) and (after is None or entry.key.encode() > after.encode())


def _by_key(entry: ObjectEntry) -> bytes:
    return entry.key.encode()


def _entry(meta: Any, key: str) -> ObjectEntry:
    return msgspec.convert(
        {
            "key": key,
            "size": meta["size"],
            "etag": (meta["e_tag"] or "").strip('"') or None,
            "last_modified": meta["last_modified"],
        },
        ObjectEntry,
    )
