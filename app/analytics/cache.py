"""The hot cache: rows of relations as readers see them, in memory files, the least recently used of them dropped first.

An entry is never wrong, only missing: it is used by readers of its policy, while no change of its dataset is missing
from its snapshot (sql `sources`), and what is in the files of a bucket is known by all that decides it.
"""

import itertools
import os
import time
from collections.abc import Collection, Iterable

import msgspec

from app.analytics.cache_models import CacheEntry, CacheStats

#: Each is an open file, and a process may have 1,024 of those on many systems.
MAX_EXPORTS = 256


class Export(msgspec.Struct):
    """One relation's rows under one policy, as of a snapshot."""

    id: int
    name: str
    dataset: str
    policy: str
    snapshot: str
    file: int
    size: int
    rows: int
    pinned: bool
    used_at: float
    hits: int = 0


class HotCache:
    """The exports of one process. `limit_bytes` is what they may take together."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self._exports: dict[int, Export] = {}
        self._ids = itertools.count(1)
        self._hits = self._misses = self._evictions = 0

    def list_exports(self, names: Collection[str] | None = None) -> list[Export]:
        """Those of these relations; of all without."""
        return [e for e in self._exports.values() if names is None or e.name in names]

    def find(self, name: str, policy: str) -> Export | None:
        """The newest of a relation under a policy."""
        found = [e for e in self._exports.values() if (e.name, e.policy) == (name, policy)]
        return found[-1] if found else None

    def use(self, export: Export, snapshot: str, *, pinned: bool) -> int:
        """A descriptor of its own, which stays valid when the export is dropped; it was found fresh in `snapshot`."""
        self._hits += 1
        export.hits += 1
        export.snapshot, export.used_at, export.pinned = snapshot, time.monotonic(), pinned
        return os.dup(export.file)

    def miss(self) -> None:
        """A relation was asked for that is not here."""
        self._misses += 1

    def keep(
        self,
        *,
        name: str,
        dataset: str,
        policy: str,
        snapshot: str,
        file: int,
        size: int,
        rows: int,
        pinned: bool,
    ) -> bool:
        """Take the file over, in place of an older one, if it fits beside the pinned ones; else it is closed."""
        self._drop(e.id for e in self.list_exports([name]) if e.policy == policy)
        if not self._make_room(size):
            os.close(file)
            return False
        now = time.monotonic()
        export = Export(next(self._ids), name, dataset, policy, snapshot, file, size, rows, pinned, now)
        self._exports[export.id] = export
        return True

    def _make_room(self, size: int) -> bool:
        held = [e for e in self._exports.values() if e.pinned]
        if sum(e.size for e in held) + size > self.limit_bytes or len(held) >= MAX_EXPORTS:
            return False
        oldest = sorted((e for e in self._exports.values() if not e.pinned), key=lambda e: e.used_at)
        while self.used_bytes + size > self.limit_bytes or len(self._exports) >= MAX_EXPORTS:
            self._drop([oldest.pop(0).id])
            self._evictions += 1
        return True

    @property
    def used_bytes(self) -> int:
        """What all exports take."""
        return sum(export.size for export in self._exports.values())

    def drop_stale(self, ids: Iterable[int]) -> None:
        """Drop exports that nobody will use any more."""
        self._drop(ids)

    def set_pinned(self, dataset: str, *, pinned: bool) -> list[Export]:
        """Keep the dataset's exports, or no longer; those that there are."""
        exports = [e for e in self._exports.values() if e.dataset == dataset]
        for export in exports:
            export.pinned = pinned
        return exports

    def evict(self, dataset: str | None) -> list[Export]:
        """Drop the dataset's exports, or all; what was dropped."""
        exports = [e for e in self._exports.values() if dataset in (None, e.dataset)]
        self._drop([e.id for e in exports])
        self._evictions += len(exports)
        return exports

    def _drop(self, ids: Iterable[int]) -> None:
        for export_id in list(ids):
            if (export := self._exports.pop(export_id, None)) is not None:
                os.close(export.file)

    def get_stats(self) -> CacheStats:
        """What it did since the process began, and what it holds, the largest first."""
        entries = sorted(self._exports.values(), key=lambda e: -e.size)
        now = time.monotonic()
        return CacheStats(
            hits=self._hits,
            misses=self._misses,
            evictions=self._evictions,
            bytes=self.used_bytes,
            max_bytes=self.limit_bytes,
            entries=[
                CacheEntry(e.name, e.dataset, e.size, e.rows, e.hits, e.pinned, round(now - e.used_at, 1))
                for e in entries
            ],
        )

    def close(self) -> None:
        """Give all memory back."""
        self._drop(list(self._exports))
