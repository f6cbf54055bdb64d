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
from app.delta.sources import HasRows

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


def plan_files(cache: HotCache, plan: CachePlan, sources: Sequence[Source]) -> HasRows:
    """Takes what the cache has of relations over files, before their files are looked up.

    Those are cached only when their dataset is pinned: a query that reads three columns of a large file is better off
    with the file. Attached files may be changed by whoever put them there: they are read again.
    """
    by_name = {source.name: source for source in sources}

    def take(relation: GovernedFiles) -> bool:
        source = by_name.get(relation.name)
        if source is None or not source.pinned or relation.version is None:
            return False
        export = cache.find(source.name, describe_files(relation))
        if export is not None:
            plan.take(cache.use(export, source.snapshot, pinned=True), source.name, None, source.snapshot)
        return export is not None

    return take


def plan_cache(
    cache: HotCache, plan: CachePlan, sources: Sequence[Source], files: Sequence[GovernedFiles]
) -> None:
    """What a query takes from the cache besides, and brings there; `files` are the relations over buckets."""
    in_files = {relation.name: relation for relation in files}
    taken = {cached.name for cached in plan.cached}
    for source in sources[:MAX_FILES]:
        relation = in_files.get(source.name)
        if source.name in taken:
            continue
        if relation is None and source.policy is not None and source.oid is not None:
            _plan_export(cache, plan, source, source.policy)
        elif relation is not None and source.pinned and relation.version and not relation.rescue_used:
            plan.want(source, describe_files(relation), source.snapshot)


def _plan_export(cache: HotCache, plan: CachePlan, source: Source, policy: str) -> None:
    export = cache.find(source.name, policy)
    if export is not None and export.id in source.fresh:
        file = cache.use(export, source.snapshot, pinned=source.pinned)
        plan.take(file, source.name, source.dataset, source.snapshot)
    else:
        plan.want(source, policy, source.snapshot)


def describe_files(relation: GovernedFiles) -> str:
    """All that decides rows and values of a relation over files, as one hash: version, filter, masks, tombstones."""
    decisive = msgspec.structs.replace(relation, uris=[], schema=b"", address=None, rescue_used=False)
    return hashlib.sha256(msgspec.msgpack.encode(decisive)).hexdigest()
