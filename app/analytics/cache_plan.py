"""Which of a query's relations the hot cache has, and which it shall have afterwards."""

import hashlib
import os
from collections.abc import Sequence

import msgspec

from app.analytics.cache import HotCache
from app.analytics.cache_models import Cached, Filled, Wanted
from app.analytics.frames import MAX_FILES
from app.analytics.memory_file import check_sealed, create_memory_file
from app.db.database import Database
from app.db.queries import load_queries
from app.delta.govern import GovernedFiles

QUERIES = load_queries(__file__)


class Source(msgspec.Struct, frozen=True):
    """A relation as Postgres knows it now. `fresh` are exports that may be used; `oid` is None for one over files."""

    name: str
    dataset: str
    oid: int | None
    policy: str | None
    pinned: bool
    snapshot: str
    fresh: list[int]


class _Place(msgspec.Struct, frozen=True):
    source: Source
    policy: str
    snapshot: str


class CachePlan:
    """What one query takes from the cache and brings to it. Its files are closed when the query is over."""

    def __init__(self, cache: HotCache) -> None:
        self.cached: list[Cached] = []
        self.wanted: list[Wanted] = []
        self.files: list[int] = []
        self._cache = cache
        self._places: dict[str, _Place] = {}

    def take(self, file: int, name: str, dataset: str | None, snapshot: str) -> None:
        """The rows of a relation are there."""
        self.cached.append(Cached(name, len(self.files), dataset, snapshot))
        self.files.append(file)

    def want(self, source: Source, policy: str, snapshot: str) -> None:
        """The rows of a relation shall be there."""
        self._cache.miss()
        self._places[source.name] = _Place(source, policy, snapshot)
        self.wanted.append(Wanted(source.name, len(self.files), self._cache.limit_bytes))
        self.files.append(create_memory_file())

    def keep(self, filled: Filled) -> None:
        """The process has filled a file. A relation that was made anew meanwhile shows other rows: not kept."""
        place = self._places[filled.name]
        [position] = [wanted.position for wanted in self.wanted if wanted.name == filled.name]
        if filled.oid != (place.source.oid or 0):
            return
        check_sealed(self.files[position])
        self._cache.keep(
            name=filled.name,
            dataset=place.source.dataset,
            policy=place.policy,
            snapshot=filled.snapshot or place.snapshot,
            file=os.dup(self.files[position]),
            size=filled.size,
            rows=filled.rows,
            pinned=place.source.pinned,
        )

    def close(self) -> None:
        """The query is over."""
        for file in self.files:
            os.close(file)


async def find_cached(
    database: Database, cache: HotCache, profile: str | None, words: Sequence[str]
) -> list[Source]:
    """Of these words, the profile's relations (None: all), and what the cache has of them that is fresh."""
    exports = cache.list_exports(words)
    parameters = {
        "profile": profile,
        "words": list(words),
        "ids": [e.id for e in exports],
        "names": [e.name for e in exports],
        "policies": [e.policy for e in exports],
        "snapshots": [e.snapshot for e in exports],
    }
    return await database.steward().fetch(Source, QUERIES["sources"], parameters)


def plan_cache(cache: HotCache, sources: Sequence[Source], files: Sequence[GovernedFiles]) -> CachePlan:
    """What a query takes from the cache, and brings there; `files` are the relations over buckets.

    Those are cached only when their dataset is pinned: a query that reads three columns of a large file is better off
    with the file.
    """
    plan = CachePlan(cache)
    in_files = {relation.name: relation for relation in files}
    for source in sources[:MAX_FILES]:
        if source.name in in_files:
            _plan_files(cache, plan, source, in_files[source.name])
        elif source.policy is not None and source.oid is not None:
            _plan_export(cache, plan, source, source.policy)
    return plan


def _plan_export(cache: HotCache, plan: CachePlan, source: Source, policy: str) -> None:
    export = cache.find(source.name, policy)
    if export is not None and export.id in source.fresh:
        file = cache.use(export, source.snapshot, pinned=source.pinned)
        plan.take(file, source.name, source.dataset, source.snapshot)
    else:
        plan.want(source, policy, source.snapshot)


def _plan_files(cache: HotCache, plan: CachePlan, source: Source, relation: GovernedFiles) -> None:
    """Attached files may be changed by whoever put them there: they are read again."""
    if not source.pinned or relation.foreign:
        return
    policy = describe_files(relation)
    export = cache.find(source.name, policy)
    if export is not None:
        plan.take(cache.use(export, source.snapshot, pinned=True), source.name, None, source.snapshot)
    else:
        plan.want(source, policy, source.snapshot)


def describe_files(relation: GovernedFiles) -> str:
    """All that decides the rows and values of a relation over files, as one hash: files, filter, masks, tombstones."""
    decisive = msgspec.structs.replace(relation, address=None, rescue_used=False)
    place = repr(relation.address.url) if relation.address else ""
    return hashlib.sha256(msgspec.msgpack.encode(decisive) + place.encode()).hexdigest()
