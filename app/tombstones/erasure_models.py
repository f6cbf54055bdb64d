"""Erasures: what is asked for, what is answered, and the row as the job knows it."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from app.jobs.models import Progress, State

#: Of one request; each key's values are searched for in every file.
MAX_ERASED = 10_000


class ErasureRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rows to erase, by their row keys. The reason stays in the receipt: it must not hold their data."""

    dataset: str
    row_key_values: Annotated[list[str | int | float], msgspec.Meta(min_length=1, max_length=MAX_ERASED)]
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
    dry_run: bool = False


class ErasureAccepted(msgspec.Struct, frozen=True):
    """The erasure and the job that runs it; one of the same keys that is not finished is taken up again."""

    id: str
    job_id: str
    state: State


class Erasure(msgspec.Struct, frozen=True):
    """An erasure as it is now. `state`, `progress` and `error` are its job's; `step` is the one completed last."""

    id: str
    dataset: str
    keys: int
    reason: str
    dry_run: bool
    job_id: str
    state: State
    step: str
    progress: Progress
    error: dict[str, str] | None
    found: dict[str, Any]
    has_receipt: bool
    created_by: str
    created_at: datetime
    finished_at: datetime | None

    def __post_init__(self) -> None:
        """The statements send `progress` as one JSON object, as those of jobs do."""
        if isinstance(self.progress, dict):
            msgspec.structs.force_setattr(self, "progress", msgspec.convert(self.progress, Progress))


class Receipt(msgspec.Struct, frozen=True):
    """The proof of an erasure, and the SHA-256 of it: of its JSON with sorted keys and no spaces, in UTF-8."""

    sha256: str
    receipt: dict[str, Any]


class ErasureRow(msgspec.Struct, frozen=True):
    """What the job starts from. `row_key_values` is None once the rows are purged."""

    id: str
    dataset: str
    dataset_id: int
    row_key: str
    key_type: str
    row_key_values: list[str] | None
    key_hashes: list[bytes]
    keys: int
    reason: str
    dry_run: bool
    step: str
    found: dict[str, Any]
    created_by: str
    created_at: datetime

    def __repr__(self) -> str:
        """Without the keys."""
        return f"ErasureRow({self.id}, {self.dataset}, {self.step!r})"


class SearchedIndex(msgspec.Struct, frozen=True):
    """A vector index over the dataset or over a view of it."""

    name: str
    dimensions: int


class Place(msgspec.Struct, frozen=True):
    """Where a scan found patterns: the relation or folder, how often by kind, and in how many files."""

    place: str
    files: int
    found: dict[str, int]


class ScanReport(msgspec.Struct, frozen=True):
    """What a scan read and found. `patterns` are counted by kind, and of them those that were found anywhere."""

    files: int
    bytes: int
    duration_ms: int
    data_directory: Literal["scanned", "not readable"]
    patterns: dict[str, int]
    found: dict[str, int]
    places: list[Place]
    unreadable: list[str]
