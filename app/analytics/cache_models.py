"""The hot cache: what is asked and answered, and what a query's process is told of it."""

import msgspec


class CacheRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A dataset, by name."""

    dataset: str


class CacheEntry(msgspec.Struct, frozen=True):
    """Rows of a relation under one policy. `idle_s`: seconds since it was last used."""

    relation: str
    dataset: str
    bytes: int
    rows: int
    hits: int
    pinned: bool
    idle_s: float


class CacheStats(msgspec.Struct, frozen=True):
    """Of this process, since it began: hits and misses of relations, and what the cache holds now."""

    hits: int
    misses: int
    evictions: int
    bytes: int
    max_bytes: int
    entries: list[CacheEntry]


class CacheAnswer(msgspec.Struct, frozen=True):
    """What is in the cache of a dataset that was pinned, or was before it was evicted."""

    dataset: str
    pinned: bool
    entries: int
    bytes: int


class Cached(msgspec.Struct, frozen=True):
    """A relation whose rows a process finds in a file (by position among those it was given), fresh in `snapshot`.

    Without a dataset they do not age: all that decides them is the same.
    """

    name: str
    position: int
    dataset: str | None
    snapshot: str


class Wanted(msgspec.Struct, frozen=True):
    """A relation whose rows a process shall write into a file, up to so many bytes."""

    name: str
    position: int
    limit_bytes: int


class Filled(msgspec.Struct, frozen=True):
    """A file that was written and sealed: its rows are of that snapshot and of the relation with that oid.

    None and 0 for a relation over files, of which all was known before.
    """

    name: str
    size: int
    rows: int
    snapshot: str | None = None
    oid: int = 0
