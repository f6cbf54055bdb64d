"""Bucket datasets: where they are, what was written, what a query makes of them."""

from typing import Any, Literal

import msgspec

from app.catalog.models import ColumnType
from app.storage.address import Address

Format = Literal["delta", "parquet"]


class Place(msgspec.Struct, frozen=True):
    """A folder in a bucket: its URI, and what deltalake needs to reach it (secrets among it, so it has no repr).

    `engine_uri` is what the analytic engine calls it, where that is something else; `address` what it needs to reach a
    bucket that is no folder of this machine.
    """

    uri: str
    options: dict[str, str] = {}
    engine_uri: str = ""
    address: Address | None = None

    def __post_init__(self) -> None:
        """The engine's name is the same, unless it is given."""
        if not self.engine_uri:
            msgspec.structs.force_setattr(self, "engine_uri", self.uri)

    def __repr__(self) -> str:
        """Without the options."""
        return f"Place({self.uri})"


class Written(msgspec.Struct, frozen=True):
    """A Delta version and what it holds: rows in all files, files, bytes."""

    version: int
    rows: int
    files: int
    bytes: int


class BucketDataset(msgspec.Struct, frozen=True):
    """A bucket dataset as the catalog has it; `delta_version` is the one that readers see."""

    dataset_id: int
    name: str
    row_key: str | None
    bucket: str
    location: str
    format: Format
    delta_version: int | None
    partition_columns: list[str]
    arrow_schema: bytes | None = None


class StoredType(msgspec.Struct, frozen=True):
    """A column of the dataset as it is in the files."""

    name: str
    type: ColumnType


class ShownColumn(msgspec.Struct, frozen=True):
    """A column of a relation: its type in the dataset, the one a reader gets, and what redacts it."""

    name: str
    base_type: ColumnType
    type: ColumnType
    action: str | None = None
    keep_prefix: int = 0
    keep_suffix: int = 0


class SourceRow(msgspec.Struct, frozen=True):
    """A relation over a bucket dataset, as `lakeward.bucket_sources` decides it for one profile."""

    name: str
    dataset_id: int
    bucket: str
    location: str
    format: Format
    delta_version: int | None
    partition_columns: list[str]
    arrow_schema: bytes | None
    row_key: str | None
    columns: list[ShownColumn]
    stored: list[StoredType]
    filter_tree: dict[str, Any] | None
    has_tombstones: bool
