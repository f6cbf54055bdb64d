"""What a copy in Lance is asked and answers."""

from typing import Any

import msgspec


class IndexCopy(msgspec.Struct, frozen=True):
    """An index that is copied; `lance` is the state of its copy that counts, None: none does."""

    id: int
    name: str
    table_name: str
    dimensions: int
    lance: dict[str, Any] | None


class Candidates(msgspec.Struct, frozen=True):
    """Chunks that are near, as far as the copy knows: it has all of them up to `synced_to`, and perhaps later ones."""

    chunk_ids: list[int]
    synced_to: int


class Synced(msgspec.Struct, frozen=True):
    """What a sync did; `rebuilt`: the copy was made anew; `graph`: it has one, else a search scans it."""

    index: str
    vectors: int
    added: int
    removed: int
    rebuilt: bool
    synced_to: int
    graph: bool = False
