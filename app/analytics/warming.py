"""An activated profile finds what is in its own bucket in the hot cache; a deactivated one leaves none of it there."""

import msgspec

from app.analytics.analytics import Analytics
from app.analytics.cache_service import evict_dataset, pin_dataset
from app.analytics.formats import ARROW
from app.analytics.models import Limits
from app.analytics.service import plan_query
from app.db.queries import load_queries
from app.errors import LakewardError
from app.settings import QuerySettings
from app.storage.models import Warmed

QUERIES = load_queries(__file__)


class _Bound(msgspec.Struct, frozen=True):
    """A relation of a profile over a dataset in its own bucket."""

    name: str
    dataset: str
    role_name: str


class Warming:
    """What the mounts of profiles tell of activations (app/storage/mounts.py)."""

    def __init__(self, analytics: Analytics, settings: QuerySettings) -> None:
        self._analytics = analytics
        self._limits = Limits(max_rows=1, timeout_ms=settings.timeout_ms, memory_bytes=settings.memory_bytes)

    async def warm(self, profile: str) -> list[Warmed]:
        """Pin the datasets in the profile's bucket, and read each relation of it that the profile is bound to."""
        return [await self._warm(profile, bound) for bound in await self._list_bound(profile)]

    async def forget(self, profile: str) -> list[Warmed]:
        """Evict them."""
        steward, dropped = self._analytics.database.steward(), []
        for dataset in sorted({bound.dataset for bound in await self._list_bound(profile)}):
            answer = await evict_dataset(steward, self._analytics.cache, dataset)
            dropped.append(Warmed("cache", dataset, True, f"{answer.bytes:,} bytes given back"))
        return dropped

    async def _list_bound(self, profile: str) -> list[_Bound]:
        parameters = {"profile": profile, "bucket": f"p_{profile}"}
        return await self._analytics.database.steward().fetch(_Bound, QUERIES["bound_in_bucket"], parameters)

    async def _warm(self, profile: str, bound: _Bound) -> Warmed:
        database, cache = self._analytics.database, self._analytics.cache
        try:
            await pin_dataset(database.steward(), cache, bound.dataset)
            quoted = '"' + bound.name.replace('"', '""') + '"'
            # rows that nobody gets: the query only has its relation read, as any query of the profile would
            statement = f"select 1 from {quoted} limit 1"  # noqa: S608
            scope = database.reader(bound.role_name)
            task, plan = await plan_query(self._analytics, scope, profile, statement, self._limits, ARROW)
            try:
                async with self._analytics.processes.run(task, plan.files, plan.keep) as running:
                    await running.next()
            finally:
                plan.close()
        except LakewardError as exc:
            return Warmed("cache", bound.name, False, exc.message)
        size = sum(export.size for export in cache.list_exports([bound.name]))
        return Warmed("cache", bound.name, True, f"{size:,} bytes")
