"""A request's body on its way into a bucket: in pieces, all of it or nothing."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import obstore

from app.errors import InvalidInputError
from app.storage.bucket import Bucket

#: A body up to this is sent as one request, a larger one in parts of at least this size (S3 wants 5 MiB or more).
PART_BYTES = 8 * 1024 * 1024
#: How many parts S3 takes.
MAX_PARTS = 10_000
#: Parts that are on their way at the same time; each is in memory.
PARALLEL = 3


class Body:
    """A stream of bytes that knows whether it came to its end, and how long it was."""

    def __init__(self, chunks: AsyncIterator[bytes], length: int | None) -> None:
        self._chunks = chunks
        self._length = length
        self.size = 0
        self.part_bytes = self.plan_part(length or 0)

    @staticmethod
    def plan_part(length: int) -> int:
        """How large a part is, so that there are not too many."""
        return max(PART_BYTES, -(-length // (MAX_PARTS - 1)))

    async def parts(self) -> AsyncIterator[bytes]:
        """The bytes, in pieces of about a part.

        Raises:
            InvalidInputError: it ended before its announced length: whoever sent it went away.
        """
        held = bytearray()
        async for chunk in self._chunks:
            self.size += len(chunk)
            held += chunk
            while len(held) >= self.part_bytes:
                yield bytes(held[: self.part_bytes])
                del held[: self.part_bytes]
        if self._length is not None and self.size != self._length:
            raise InvalidInputError(
                f"the body ended after {self.size:,} of {self._length:,} bytes; nothing was written"
            )
        if held:
            yield bytes(held)


async def put_object(bucket: Bucket, key: str, body: Body) -> dict[str, Any]:
    """Write the whole body as one object, which appears at once or not at all; the answer is obstore's.

    What was sent of a body that breaks off is taken back: obstore aborts its upload when the body's iterator raises.
    So this is not cancelled but brought to such an end.
    """
    parts = body.parts()
    first = await anext(parts, b"")
    if len(first) < body.part_bytes:
        # less than a part is all there is, and `parts` has seen its end
        async for rest in parts:
            first += rest
        return dict(await _finish(bucket, key, first, None))
    gone = asyncio.Event()
    return dict(await _finish(bucket, key, _all(first, parts, gone), gone, chunk_size=body.part_bytes))


async def _all(first: bytes, parts: AsyncIterator[bytes], gone: asyncio.Event) -> AsyncIterator[bytes]:
    yield first
    async for part in parts:
        if gone.is_set():
            raise InvalidInputError("the upload was stopped; nothing was written")
        yield part


async def _finish(bucket: Bucket, key: str, source: Any, gone: asyncio.Event | None, **options: Any) -> Any:
    async def put() -> Any:
        return await obstore.put_async(
            bucket.store, key, source, use_multipart=gone is not None, max_concurrency=PARALLEL, **options
        )

    task = asyncio.create_task(put())
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if gone is not None:
            gone.set()
        with contextlib.suppress(Exception):
            await task
        raise
