"""Datasets: what is asked for and what is answered. The manifest is the row type and the response type."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

Home = Literal["table", "bucket"]
ColumnType = Literal[
    "boolean",
    "bigint",
    "double precision",
    "numeric",
    "date",
    "time",
    "timestamp",
    "timestamptz",
    "text",
    "text[]",
    "jsonb",
    "bytea",
]
#: How sensitive a column is; nobody but an admin sees one that is unclassified.
LEVELS = ("public", "internal", "confidential", "restricted", "unclassified")
RefreshPolicy = Literal["manual", "on_append", "scheduled"]
#: How often a scheduled refresh looks for rows to embed, in seconds.
RefreshSeconds = Annotated[int, msgspec.Meta(ge=60, le=31_536_000)]
ShortText = Annotated[str, msgspec.Meta(max_length=200)]
LongText = Annotated[str, msgspec.Meta(max_length=10_000)]


class ColumnRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A column of a dataset that is created empty."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=63)]
    type: ColumnType


class DatasetRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A dataset to register; one that exists is updated in the fields that are given."""

    name: str
    home: Home = "table"
    row_key: str | None = None
    description: LongText | None = None
    owner: ShortText | None = None
    sensitivity: ShortText | None = None
    tags: Annotated[list[ShortText], msgspec.Meta(max_length=100)] | None = None
    embedding_refresh_policy: RefreshPolicy | None = None
    embedding_refresh_s: RefreshSeconds | None = None
    columns: Annotated[list[ColumnRequest], msgspec.Meta(min_length=1, max_length=1500)] | None = None


class ColumnMetadata(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is changed of a column; `sensitivity` is one of LEVELS."""

    sensitivity: Annotated[str, msgspec.Meta(max_length=40)] | None = None


class MetadataRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is changed of a dataset; what is left out stays. `sensitivity` is one of LEVELS."""

    description: LongText | None = None
    owner: ShortText | None = None
    tags: Annotated[list[ShortText], msgspec.Meta(max_length=100)] | None = None
    sensitivity: Annotated[str, msgspec.Meta(max_length=40)] | None = None
    columns: Annotated[dict[str, ColumnMetadata], msgspec.Meta(max_length=1600)] = {}


class DatasetColumn(msgspec.Struct, frozen=True):
    """A column as the manifest shows it: to a reader with the type it has there, and what redacts it (`action`)."""

    name: str
    type: ColumnType
    pii: str | None
    sensitivity: str
    action: str | None = None


class Freshness(msgspec.Struct, frozen=True):
    """When rows last came, and whether every row is embedded in every index."""

    loaded_at: datetime | None
    embedding: Literal["none", "fresh", "stale"]


class Dataset(msgspec.Struct, frozen=True):
    """A dataset's manifest."""

    name: str
    home: Home
    row_key: str | None
    row_count: int
    columns: list[DatasetColumn]
    description: str
    owner: str
    sensitivity: str
    tags: list[str]
    lineage: list[dict[str, Any]]
    freshness: Freshness
    version: int
    last_embedded_at: datetime | None
    embedding_stale_since: datetime | None
    embedding_refresh_policy: RefreshPolicy
    embedding_refresh_s: int
    created_at: datetime
    updated_at: datetime


class DeletedDataset(msgspec.Struct, frozen=True):
    """What went with a dataset."""

    name: str
    row_count: int
    unbound_profiles: list[str]


class DatasetRow(msgspec.Struct, frozen=True):
    """What other capabilities need to know of a dataset."""

    id: int
    name: str
    home: Home
    row_key: str | None
    row_count: int
    version: int
    has_table: bool = False


class StoredColumn(msgspec.Struct, frozen=True):
    """A column as it is kept: with the name it had in its source."""

    name: str
    source_name: str
    type: ColumnType
