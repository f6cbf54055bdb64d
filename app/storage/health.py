"""Which buckets answer. Each is probed every half minute, and when somebody wants to know and the last probe is old."""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import TypeAlias

import msgspec

from app.errors import NotFoundError
from app.storage.bucket import Bucket
from app.storage.faults import Fault, find_fault
from app.storage.models import BucketHealth
from app.storage.registry import Buckets

#: A probe is over after this, and so is the wait for it.
PROBE_S = 5.0
#: So long the outcome of a probe is believed without asking again.
GOOD_FOR_S = 10.0
EVERY_S = 30.0
#: A prefix that nobody uses: listing it costs a bucket nothing and asks for both the bucket and the credentials.
PROBED_PREFIX = ".lakeward/probe/"

log = logging.getLogger(__name__)
Reporter: TypeAlias = Callable[[str, Fault], Awaitable[None]]


class _State(msgspec.Struct, frozen=True):
    fault: Fault | None
    latency_ms: float
    checked_at: datetime
    since: datetime
    monotonic: float


class Health:
    """The state of every bucket. `on_outage` is told when one stops answering, once."""

    def __init__(self, buckets: Buckets, on_outage: Reporter | None = None) -> None:
        self._buckets = buckets
        self._on_outage = on_outage
        self._states: dict[str, _State] = {}
        self._probes: dict[str, asyncio.Task[_State]] = {}

    def find(self, name: str) -> BucketHealth | None:
        """What is known of a bucket, without asking it; None before the first probe."""
        state = self._states.get(name)
        return _describe(name, state) if state else None

    async def check(self, name: str, *, fresh: bool = False) -> Fault | None:
        """Why the bucket cannot be used, or None. Asked anew when the last probe is older than 10 s, or `fresh`."""
        return (await self._check(name, fresh=fresh)).fault

    async def find_outage(self, name: str) -> Fault | None:
        """As `check`, but a bucket that answered last is believed to still answer: what uses it will notice."""
        state = self._states.get(name)
        if state is None or state.fault is None:
            return None
        return await self.check(name)

    async def summarize(self, *, fresh: bool = False) -> list[BucketHealth]:
        """Every bucket, all asked at once; takes 5 s at most."""
        names = self._buckets.names()
        states = await asyncio.gather(*(self._check(name, fresh=fresh) for name in names))
        return [_describe(name, state) for name, state in zip(names, states, strict=True)]

    async def note(self, name: str, fault: Fault) -> None:
        """An operation met this outage; until the next probe the bucket is not asked again."""
        await self._put(name, fault, 0.0)

    def forget(self, name: str) -> None:
        """The bucket was unmounted."""
        self._states.pop(name, None)

    async def run(self, refresh: Callable[[], Awaitable[None]] | None = None) -> None:
        """Probe for ever; those that do not answer every 10 seconds, the others every 30, after `refresh`."""
        tick = 0
        while True:
            try:
                if refresh is not None and tick % 3 == 0:
                    await refresh()
                await self._probe_due(self._buckets.names(), every=tick % 3 == 0)
            except Exception:
                log.exception("the probes of buckets failed")
            tick += 1
            await asyncio.sleep(GOOD_FOR_S)

    async def _probe_due(self, names: Sequence[str], *, every: bool) -> None:
        down = {name for name, state in self._states.items() if state.fault}
        due = [name for name in names if every or name in down]
        await asyncio.gather(*(self._check(name, fresh=True) for name in due))

    async def _check(self, name: str, *, fresh: bool) -> _State:
        state = self._states.get(name)
        if state is not None and not fresh and time.monotonic() - state.monotonic < GOOD_FOR_S:
            return state
        task = self._probes.get(name)
        if task is None:
            task = asyncio.create_task(self._probe(self._buckets.get(name)), name=f"probe {name}")
            self._probes[name] = task
            task.add_done_callback(lambda _: self._probes.pop(name, None))
        # whoever asks may give up; the others still wait for the same probe
        return await asyncio.shield(task)

    async def _probe(self, bucket: Bucket) -> _State:
        started = time.monotonic()
        fault: Fault | None = None
        try:
            async with asyncio.timeout(PROBE_S):
                await probe(bucket)
        except Exception as exc:
            fault = find_fault(exc)
            if fault is None:
                raise
            if fault.kind in ("missing", "below_object"):
                fault = Fault(
                    "no_bucket", "its folder is gone" if bucket.is_local else "there is no such bucket"
                )
        return await self._put(bucket.name, fault, (time.monotonic() - started) * 1000)

    async def _put(self, name: str, fault: Fault | None, latency_ms: float) -> _State:
        now, before = datetime.now(UTC), self._states.get(name)
        same = before is not None and (before.fault is None) == (fault is None)
        state = _State(
            fault=fault,
            latency_ms=round(latency_ms, 1),
            checked_at=now,
            since=before.since if before and same else now,
            monotonic=time.monotonic(),
        )
        self._states[name] = state
        if fault is not None:
            # the next try reads the secret again and makes its connections anew
            with contextlib.suppress(NotFoundError):
                self._buckets.get(name).forget()
        if not same and (fault or before):
            log.warning("bucket %s: %s", name, fault.reason if fault else "answers again")
            if fault is not None and self._on_outage is not None:
                await self._on_outage(name, fault)
        return state


async def probe(bucket: Bucket) -> None:
    """Return when the bucket can be used; raises what obstore or the operating system says when it cannot."""
    folder = bucket.local_path()
    if folder is not None:
        await asyncio.to_thread(_probe_folder, str(folder))
        return
    async for _ in bucket.store.list(PROBED_PREFIX, chunk_size=1):
        break


def _probe_folder(folder: str) -> None:
    with os.scandir(folder) as entries:
        next(entries, None)
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        # in obstore's own way of saying it
        raise OSError("Permission denied (os error 13)")


def _describe(name: str, state: _State) -> BucketHealth:
    return BucketHealth(
        name=name,
        reachable=state.fault is None,
        kind=state.fault.kind if state.fault else None,
        reason=state.fault.reason if state.fault else None,
        latency_ms=state.latency_ms,
        checked_at=state.checked_at,
        since=state.since,
    )
