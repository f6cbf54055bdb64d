"""The buckets in use: which one answers for a name, what happens when it does not, and who is told."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import msgspec

from app.db.database import Database
from app.errors import UnavailableError
from app.settings import Settings
from app.storage.bucket import Bucket
from app.storage.faults import RETRY_AFTER_S, Fault, find_fault, to_error
from app.storage.health import Health
from app.storage.models import BucketEntry, HealthSummary
from app.storage.mounts import Mounts
from app.storage.record import Recorder
from app.storage.registry import Buckets, open_buckets

T = TypeVar("T")


class Answer(msgspec.Struct, Generic[T], frozen=True):
    """What a bucket gave, which one, and whether it was the rescue bucket in the place of the one that was named."""

    value: T
    bucket: Bucket
    rescue_used: bool


class Call(msgspec.Struct, frozen=True):
    """One operation on one bucket, for the error journal."""

    bucket: str
    operation: str
    key: str = ""
    request_id: str | None = None


class Storage:
    """The buckets, their health and their error journal: what the composition root opens once."""

    def __init__(self, buckets: Buckets, recorder: Recorder, mounts: Mounts) -> None:
        self.buckets = buckets
        self.mounts = mounts
        self.recorder = recorder
        self.health = Health(buckets, self._on_outage)
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Mount what was mounted, and begin to probe."""
        await self.mounts.refresh()
        self._watch = asyncio.create_task(self.health.run(self.mounts.refresh), name="bucket health")

    async def close(self) -> None:
        """Stop probing."""
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch

    async def read(self, call: Call, act: Callable[[Bucket], Awaitable[T]]) -> Answer[T]:
        """`act` on the bucket, and on the rescue bucket when that one does not answer. What is missing is missing.

        Raises:
            NotFoundError: no such bucket, or the bucket answers that it has no such object.
            UnavailableError: neither it nor the rescue bucket answers, or the rescue bucket does not have it.
        """
        # never `from exc`: the log would show what a store says, which may be a key's id or a signed header
        bucket = self.buckets.get(call.bucket)
        fault = await self.health.find_outage(bucket.name)
        if fault is None:
            try:
                return Answer(await act(bucket), bucket, False)
            except Exception as exc:
                fault = await self._meet(exc, bucket, call)
        rescue = self.buckets.find_rescue(bucket.name)
        if rescue is None or await self.health.find_outage(rescue.name) is not None:
            raise to_error(fault, bucket.name, call.key)
        try:
            return Answer(await act(rescue), rescue, True)
        except Exception as exc:
            met = find_fault(exc)
            if met is None:
                raise
            if met.kind == "missing":
                raise UnavailableError(
                    f"bucket {bucket.name!r} cannot be used at the moment ({fault.reason}), and the rescue bucket "
                    f"{rescue.name!r} has no {call.key!r}",
                    retry_after_s=RETRY_AFTER_S,
                ) from None
            await self._note(met, rescue, call)
            raise to_error(met, rescue.name, call.key) from None

    async def write(self, call: Call, act: Callable[[Bucket], Awaitable[T]]) -> T:
        """`act` on the bucket; never on another one.

        Raises:
            UnavailableError: there is no such bucket, or it does not answer; with a time to try again.
            DiskFullError: it is full.
            NotFoundError, InvalidInputError, ConflictError: the object is not there, or cannot be.
        """
        bucket = self.buckets.get_for_write(call.bucket)
        if bucket.is_local:
            # a write would make the folder anew, in the place of what was mounted there
            fault = await self.health.check(bucket.name, fresh=True)
        else:
            fault = await self.health.find_outage(bucket.name)
        if fault is not None:
            await self._record(bucket.name, fault, call)
            raise to_error(fault, bucket.name, call.key, writing=True)
        try:
            return await act(bucket)
        except Exception as exc:
            met = find_fault(exc)
            if met is None:
                raise
            met = await self._confirm(met, bucket)
            await self._note(met, bucket, call)
            raise to_error(met, bucket.name, call.key, writing=True) from None

    async def _meet(self, exc: Exception, bucket: Bucket, call: Call) -> Fault:
        """The outage that an exception is; anything else is raised as what it is to the caller."""
        fault = find_fault(exc)
        if fault is None:
            raise exc
        fault = await self._confirm(fault, bucket)
        await self._note(fault, bucket, call)
        if not fault.is_outage:
            raise to_error(fault, bucket.name, call.key) from None
        return fault

    async def _confirm(self, fault: Fault, bucket: Bucket) -> Fault:
        """That an object is missing is believed of a bucket that is there: without its folder or container all are."""
        if fault.kind != "missing":
            return fault
        return await self.health.check(bucket.name, fresh=bucket.is_local) or fault

    async def _note(self, fault: Fault, bucket: Bucket, call: Call) -> None:
        if fault.is_outage:
            await self.health.note(bucket.name, fault)
        if fault.kind != "missing":
            await self._record(bucket.name, fault, call)

    async def _record(self, bucket: str, fault: Fault, call: Call) -> None:
        await self.recorder.append(bucket, call.operation, fault, key=call.key, request_id=call.request_id)

    async def _on_outage(self, bucket: str, fault: Fault) -> None:
        await self.recorder.append(bucket, "probe", fault)


def open_storage(settings: Settings, database: Database) -> Storage:
    """The buckets of the settings.

    Raises:
        SettingsError: a URL or a secret's reference that cannot be used.
    """
    buckets = open_buckets(settings)
    return Storage(buckets, Recorder(database), Mounts(buckets, database))


def list_entries(storage: Storage) -> list[BucketEntry]:
    """Every bucket with what is known of it, without asking it."""
    found = []
    for bucket in storage.buckets.list_buckets():
        health = storage.health.find(bucket.name)
        found.append(
            BucketEntry(
                name=bucket.name,
                url=bucket.url,
                scheme=bucket.address.scheme,
                default=bucket.name == storage.buckets.default,
                rescue=bucket.name == storage.buckets.rescue,
                profile=bucket.profile,
                reachable=health.reachable if health else None,
            )
        )
    return found


async def summarize(storage: Storage, *, fresh: bool = False) -> HealthSummary:
    """The health of all buckets; asked anew where the last probe is older than 10 s, or `fresh`. Takes 5 s at most."""
    items = await storage.health.summarize(fresh=fresh)
    up = sum(item.reachable for item in items)
    return HealthSummary(
        status="ok" if up == len(items) else "degraded" if up else "down",
        reachable=up,
        unreachable=len(items) - up,
        rescue_bucket=storage.buckets.rescue,
        items=items,
    )
