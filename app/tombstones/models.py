"""Tombstones: what is asked for and what is answered."""

from datetime import datetime
from typing import Annotated

import msgspec

#: Of one request; more keys are more requests.
MAX_KEYS = 100_000

Keys = Annotated[list[str | int | float], msgspec.Meta(min_length=1, max_length=MAX_KEYS)]


class TombstoneRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rows to delete everywhere, by their keys. `row_key_column` must be the dataset's row key."""

    row_key_column: Annotated[str, msgspec.Meta(max_length=200)]
    row_key_values: Keys
    reason: Annotated[str, msgspec.Meta(max_length=2000)] = ""


class UndoRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rows to take back, by their keys."""

    row_key_column: Annotated[str, msgspec.Meta(max_length=200)]
    row_key_values: Keys
    reason: Annotated[str, msgspec.Meta(max_length=2000)] = ""


class Tombstoned(msgspec.Struct, frozen=True):
    """How many rows were deleted, had been before, or are not there; `missing_keys` lists the first 100 of those."""

    dataset: str
    tombstoned: int
    already: int
    missing: int
    missing_keys: list[str]


class Undone(msgspec.Struct, frozen=True):
    """How many rows are back; `purged` cannot come back, `missing` have no tombstone (the first 100 in `missing_keys`).

    Indexes find the restored rows when they have been refreshed; until then these count as `stale_rows`.
    """

    dataset: str
    restored: int
    purged: int
    missing: int
    missing_keys: list[str]


class Tombstone(msgspec.Struct, frozen=True):
    """One tombstone. A reader sees the key where it sees the row key as it is, and no reason and no actor."""

    id: int
    key: str | None
    reason: str | None
    actor: str | None
    at: datetime
    undone_at: datetime | None
    purged_at: datetime | None
