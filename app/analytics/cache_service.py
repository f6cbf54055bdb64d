"""The hot cache for people: pin, evict, and what it drops by itself."""

import msgspec

from app.analytics.cache import Export, HotCache
from app.analytics.cache_models import CacheAnswer
from app.db.database import Database
from app.db.queries import load_queries
from app.db.scope import Scope
from app.errors import NotFoundError

QUERIES = load_queries(__file__)


class _Id(msgspec.Struct, frozen=True):
    id: int


async def drop_stale(database: Database, cache: HotCache) -> None:
    """Drop the exports whose dataset has changed since, or is gone."""
    exports = cache.list_exports()
    if not exports:
        return
    parameters = {
        "ids": [e.id for e in exports],
        "datasets": [e.dataset for e in exports],
        "snapshots": [e.snapshot for e in exports],
    }
    rows = await database.steward().fetch(_Id, QUERIES["stale"], parameters)
    cache.drop_stale(row.id for row in rows)


async def pin_dataset(scope: Scope, cache: HotCache, dataset: str) -> CacheAnswer:
    """Keep what is read of the dataset; rows in files, too, from the next query on.

    Raises:
        NotFoundError: there is no such dataset.
    """
    await _check_dataset(scope, dataset)
    await scope.fetch(_Id, QUERIES["pin"], {"dataset": dataset})
    return _answer(dataset, cache.set_pinned(dataset, pinned=True), pinned=True)


async def evict_dataset(scope: Scope, cache: HotCache, dataset: str) -> CacheAnswer:
    """Drop what this process keeps of the dataset, and no longer pin it.

    Raises:
        NotFoundError: there is no such dataset.
    """
    await _check_dataset(scope, dataset)
    await scope.fetch(_Id, QUERIES["unpin"], {"dataset": dataset})
    return _answer(dataset, cache.evict(dataset), pinned=False)


async def _check_dataset(scope: Scope, dataset: str) -> None:
    if not await scope.fetch(_Id, QUERIES["find_dataset"], {"dataset": dataset}):
        raise NotFoundError(f"no dataset {dataset[:60]!r}")


def _answer(dataset: str, exports: list[Export], *, pinned: bool) -> CacheAnswer:
    return CacheAnswer(dataset, pinned, len(exports), sum(export.size for export in exports))
