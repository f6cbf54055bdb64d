"""Journal and audit: what is asked for and what is answered."""

from datetime import datetime
from typing import Annotated, Any

import msgspec

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Entity = Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]


class EventRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that happened elsewhere and belongs on record. `kind` is a word of the caller's own."""

    kind: Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9_]{0,39}$")]
    dataset: Name | None = None
    entity: Entity | None = None
    field: Name | None = None
    old: Any = None
    new: Any = None


class UpdateRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A field of a row that was changed elsewhere."""

    dataset: Name
    entity: Entity
    field: Name
    old: Any
    new: Any


class Entry(msgspec.Struct, frozen=True):
    """A recorded change. Of a row: `dataset`, `entity` (its row key), `field` (null when it is the whole row)."""

    id: int
    at: datetime
    kind: str
    dataset: str | None
    entity: str | None
    field: str | None
    old: Any
    new: Any
    actor: str | None
    profile: str | None
    model: str | None
    source: str | None
    workspace: str | None
    request_id: str | None


class RecentEntry(Entry, frozen=True):
    """An entry with the transaction it is of, by which it is listed."""

    transaction: int


class KindCount(msgspec.Struct, frozen=True):
    """How many entries there are of a kind, and when the newest was made."""

    kind: str
    entries: int
    newest: datetime


class DatasetCount(msgspec.Struct, frozen=True):
    """How many entries there are about a dataset; null: about the catalog."""

    dataset: str | None
    entries: int


class Stats(msgspec.Struct, frozen=True):
    """The journal in numbers. `unsealed` entries wait for their seal."""

    entries: int
    oldest: datetime | None
    newest: datetime | None
    kinds: list[KindCount]
    datasets: list[DatasetCount]
    seals: int
    sealed_at: datetime | None
    unsealed: int
    audit_entries: int


class AuditEntry(msgspec.Struct, frozen=True):
    """A recorded read or call: who, through which door, what, how much of it, and what came of it.

    `principal` is the key's id, or the login of a person in psql. `outcome` is `ok` or an error's code.
    """

    id: int
    at: datetime
    principal: str
    login: str
    profile: str | None
    model: str | None
    door: str
    operation: str
    relations: list[str]
    arguments_sha256: str | None
    rows: int | None
    hits: list[str] | None
    duration_ms: float | None
    outcome: str
    request_id: str | None
