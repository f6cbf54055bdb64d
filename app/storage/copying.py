"""Copying the objects of one bucket into another: each verified, resumable, and deleted from the first only at the end.

There is no checkpoint to keep: an object that the target has already is not copied again, so whoever begins anew goes
on where it ended.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import obstore

from app.errors import InternalError
from app.storage.bucket import Bucket
from app.storage.models import ObjectEntry
from app.storage.objects import find_object, iter_objects, open_object
from app.storage.upload import Body, put_object

#: Objects that are on their way at the same time.
PARALLEL = 4
_MD5 = re.compile(r"[0-9a-f]{32}(-\d+)?")

Reporter = Callable[[int, int | None], Awaitable[None]]


class Copied(msgspec.Struct, frozen=True):
    """What a run did: objects and bytes that it copied, that were there already, and that it deleted."""

    copied: int
    skipped: int
    deleted: int
    bytes: int


class _Digest:
    """What S3 makes an ETag of: the MD5 of the bytes, or of the MD5s of their parts."""

    def __init__(self, part_bytes: int) -> None:
        self._part_bytes = part_bytes
        self._whole = hashlib.md5(usedforsecurity=False)
        self._parts: list[bytes] = []
        self._part = hashlib.md5(usedforsecurity=False)
        self._room = part_bytes

    def add(self, chunk: bytes) -> None:
        """The next bytes."""
        self._whole.update(chunk)
        view = memoryview(chunk)
        while view:
            piece, view = view[: self._room], view[self._room :]
            self._part.update(piece)
            self._room -= len(piece)
            if self._room == 0:
                self._parts.append(self._part.digest())
                self._part, self._room = hashlib.md5(usedforsecurity=False), self._part_bytes

    @property
    def whole(self) -> str:
        """The MD5 of all of it."""
        return self._whole.hexdigest()

    @property
    def etags(self) -> set[str]:
        """The ETags that an object of these bytes may have."""
        parts = [*self._parts, self._part.digest()] if self._room < self._part_bytes else self._parts
        joined = hashlib.md5(b"".join(parts), usedforsecurity=False).hexdigest()
        return {self.whole, f"{joined}-{len(parts)}"}


async def copy_bucket(
    source: Bucket, target: Bucket, prefix: str, *, delete: bool, report: Reporter
) -> Copied:
    """Copy every object whose key begins with `prefix`; progress is in bytes.

    With `delete` the objects leave the source, after all of them are in the target and their bytes were compared.

    Raises:
        InternalError: the target's bytes are not the source's; that object is not deleted anywhere.
        Exception: what a bucket fails with is obstore's own (app/storage/faults.py reads it).
    """
    total = 0
    async for entries in iter_objects(source, prefix):
        total += sum(entry.size for entry in entries)
    done, counts, verified = 0, {"copied": 0, "skipped": 0, "bytes": 0}, []
    await report(0, total)
    async for entries in iter_objects(source, prefix):
        for start in range(0, len(entries), PARALLEL):
            batch = entries[start : start + PARALLEL]
            outcomes = await asyncio.gather(
                *(_copy(source, target, entry, delete) for entry in batch), return_exceptions=True
            )
            for entry, copied in zip(batch, outcomes, strict=True):
                if isinstance(copied, BaseException):
                    raise copied
                counts["copied" if copied else "skipped"] += 1
                counts["bytes"] += entry.size if copied else 0
                done += entry.size
                verified.append(entry)
            await report(done, max(total, done))
    for entry in verified if delete else ():
        # what was written to the source meanwhile is not what was copied
        now = await find_object(source, entry.key)
        if now is not None and (now.size, now.etag) == (entry.size, entry.etag):
            await obstore.delete_async(source.store, entry.key)
            counts["deleted"] = counts.get("deleted", 0) + 1
    return Copied(deleted=counts.pop("deleted", 0), **counts)


async def _copy(source: Bucket, target: Bucket, entry: ObjectEntry, compare: bool) -> bool:
    there = await find_object(target, entry.key)
    if there is not None and there.size == entry.size:
        same_etag = _MD5.fullmatch(entry.etag or "") and entry.etag == there.etag
        # S3 knows the second only: what was written in the same one is compared
        newer = there.last_modified > entry.last_modified
        if same_etag or (newer and not compare):
            return False
        if await _md5(source, entry.key) == await _md5(target, entry.key):
            return False
    if await find_object(source, entry.key) is None:
        # it was deleted since it was listed
        return False
    opened = await open_object(source, entry.key)
    body = Body(_passing(opened.chunks, digest := _Digest(Body.plan_part(entry.size))), opened.entry.size)
    await put_object(target, entry.key, body)
    await _verify(target, entry.key, body.size, digest)
    return True


async def _passing(chunks: AsyncIterator[bytes], digest: _Digest) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        digest.add(chunk)
        yield chunk


async def _verify(target: Bucket, key: str, size: int, digest: _Digest) -> None:
    found: Any = await find_object(target, key)
    # an ETag that is no MD5 of ours says nothing: a folder's, or an encrypted object's
    whole = found is not None and found.size == size
    if not whole or (found.etag not in digest.etags and await _md5(target, key) != digest.whole):
        raise InternalError(f"{key!r} is not in bucket {target.name!r} as it was sent; nothing was deleted")


async def _md5(bucket: Bucket, key: str) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    async for chunk in (await open_object(bucket, key)).chunks:
        digest.update(chunk)
    return digest.hexdigest()
