"""Where a bucket's folders are, and what happens when a bucket does not answer (app.storage.service)."""

import asyncio
import shutil
from collections.abc import Callable
from typing import TypeVar

import obstore
from datafusion import SessionContext

from app.delta.models import BucketDataset, Place
from app.storage.address import Address
from app.storage.bucket import Bucket
from app.storage.service import Answer, Call, Storage

T = TypeVar("T")


class Places:
    """The buckets as bucket datasets need them. What is done to them is blocking, and runs in a thread."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    @property
    def default(self) -> str:
        """The bucket that is taken when none is named."""
        return self._storage.buckets.default

    def check(self, bucket: str) -> None:
        """There is a bucket of this name.

        Raises:
            UnavailableError: there is none.
        """
        self._storage.buckets.get_for_write(bucket)

    async def require(self, bucket: str) -> None:
        """There is a bucket of this name, and it answers.

        Raises:
            UnavailableError: there is none, or it does not answer.
        """

        async def nothing(_: Bucket) -> None:
            return None

        await self._storage.health.check(self._storage.buckets.get_for_write(bucket).name)
        await self._storage.write(Call(bucket, "export"), nothing)

    async def remove(self, bucket: str, location: str) -> int:
        """Delete every object of a folder; how many.

        Raises:
            UnavailableError: the bucket does not answer.
        """

        async def run(found: Bucket) -> int:
            return await asyncio.to_thread(_remove, found, location)

        return await self._storage.write(Call(bucket, "clean up", location), run)

    async def read(
        self,
        bucket: str,
        location: str,
        operation: str,
        act: Callable[[Bucket], T],
        *,
        within_s: float | None = None,
    ) -> Answer[T]:
        """What `act` reads from the bucket, or from the rescue bucket when that one does not answer (`within_s`).

        Raises:
            NotFoundError, UnavailableError: as `Storage.read`.
        """

        async def run(found: Bucket) -> T:
            async with asyncio.timeout(within_s):
                return await asyncio.to_thread(act, found)

        return await self._storage.read(Call(bucket, operation, location), run)

    async def write(self, dataset: BucketDataset, operation: str, act: Callable[[Place], T]) -> T:
        """What `act` answers that writes to the dataset's folder; it goes to its end though the request is cancelled.

        Raises:
            UnavailableError, DiskFullError: the bucket cannot take it.
        """

        async def run(found: Bucket) -> T:
            task = asyncio.ensure_future(asyncio.to_thread(act, find_place(found, dataset.location)))
            try:
                return await asyncio.shield(task)
            except asyncio.CancelledError:
                await asyncio.wait([task])
                raise

        return await self._storage.write(Call(dataset.bucket, operation, dataset.location), run)


def _remove(bucket: Bucket, location: str) -> int:
    removed = 0
    for batch in bucket.store.list(location, chunk_size=1000):
        obstore.delete(bucket.store, [str(item["path"]) for item in batch])
        removed += len(batch)
    folder = bucket.local_path(location)
    if folder is not None:
        # the empty folders, which an object store does not have
        shutil.rmtree(folder, ignore_errors=True)
    return removed


def find_place(bucket: Bucket, location: str) -> Place:
    """A folder of a bucket, for deltalake and the engine."""
    uri, options = bucket.delta(location)
    return Place(uri, options, bucket.engine_uri(location), None if bucket.is_local else bucket.plain())


def register_store(context: SessionContext, address: Address) -> None:
    """Let an engine's context read a bucket that is not a folder of this machine."""
    url, store = Bucket(address).engine_store()
    scheme, _, host = url.partition("://")
    context.register_object_store(f"{scheme}://", store, host)
