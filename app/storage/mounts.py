"""Profiles' own buckets: mounted while their profile is active, in every process, and again after a restart."""

import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import msgspec

from app.db.database import Database
from app.db.scope import Scope
from app.errors import LakewardError, NotFoundError
from app.storage.models import ProfileActivation, Warmed
from app.storage.record import QUERIES
from app.storage.registry import Buckets

log = logging.getLogger(__name__)

#: Told of a profile that was activated or deactivated; answers what it made ready, or dropped.
Hook: TypeAlias = Callable[[str], Awaitable[list[Warmed]]]


class _Profile(msgspec.Struct, frozen=True):
    id: str


class Mounts:
    """Which profiles' buckets are mounted: rows of lakeward.profile_bucket, which the registry follows.

    `on_activate` and `on_deactivate` are for caches, which fill them; one that fails is reported and stops nothing.
    """

    def __init__(self, buckets: Buckets, database: Database) -> None:
        self._buckets = buckets
        self._database = database
        self.on_activate: list[Hook] = []
        self.on_deactivate: list[Hook] = []

    async def refresh(self) -> None:
        """Mount and unmount what another process did; a database that is away changes nothing."""
        try:
            rows = await self._database.steward().fetch(_Profile, QUERIES["mounted_profiles"])
        except LakewardError as exc:
            log.warning("buckets of profiles are as they were: %s", exc.message)
            return
        wanted = {row.id for row in rows}
        for bucket in self._buckets.list_buckets():
            if bucket.profile is not None and bucket.profile not in wanted:
                self._buckets.unmount(bucket.profile)
        for profile in wanted:
            self._buckets.mount(profile)

    async def activate(self, scope: Scope, profile: str) -> ProfileActivation:
        """Mount the profile's own bucket, and let the caches warm what it names. Again is as once.

        Raises:
            NotFoundError: there is no such profile.
        """
        started = time.monotonic()
        await _check_profile(scope, profile)
        bucket = self._buckets.mount(profile)
        if bucket is not None:
            async with scope.begin() as transaction:
                await transaction.execute(QUERIES["mount_profile"], {"id": profile})
        return _answer(
            profile, bucket.name if bucket else None, True, await _tell(self.on_activate, profile), started
        )

    async def deactivate(self, scope: Scope, profile: str) -> ProfileActivation:
        """Unmount the profile's own bucket, and let the caches drop what is its alone. Its objects stay.

        Raises:
            NotFoundError: there is no such profile.
        """
        started = time.monotonic()
        await _check_profile(scope, profile)
        async with scope.begin() as transaction:
            await transaction.execute(QUERIES["unmount_profile"], {"id": profile})
        was = self._buckets.unmount(profile)
        told = await _tell(self.on_deactivate, profile)
        return _answer(profile, f"p_{profile}" if was else None, False, told, started)


async def _check_profile(scope: Scope, profile: str) -> None:
    if not await scope.fetch(_Profile, QUERIES["find_profile"], {"id": profile}):
        raise NotFoundError(f"no profile {profile[:60]!r}")


async def _tell(hooks: list[Hook], profile: str) -> list[Warmed]:
    told: list[Warmed] = []
    for hook in hooks:
        try:
            told += await hook(profile)
        except LakewardError as exc:
            told.append(Warmed(kind="hook", name=profile, ok=False, detail=exc.message))
        except Exception:
            log.exception("a hook of profile %s failed", profile)
            told.append(Warmed(kind="hook", name=profile, ok=False, detail="an internal error; see the log"))
    return told


def _answer(
    profile: str, bucket: str | None, mounted: bool, told: list[Warmed], started: float
) -> ProfileActivation:
    return ProfileActivation(
        profile=profile,
        bucket=bucket,
        mounted=mounted and bucket is not None,
        reachable=None,
        warmed=[item for item in told if item.ok],
        failures=[item for item in told if not item.ok],
        duration_ms=round((time.monotonic() - started) * 1000, 1),
    )
