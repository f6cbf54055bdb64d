"""What ingest speaks about: formats, columns, rejected rows."""

from typing import Literal

from msgspec import Struct

Format = Literal["csv", "json", "ndjson", "parquet"]
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


class Column(Struct, frozen=True):
    """A column to load: its name in Postgres, the name it had in the file, and its Postgres type."""

    name: str
    source_name: str
    type: ColumnType


class Reject(Struct, frozen=True):
    """A row that was not loaded. `line` counts from 1, where the format has lines; `raw` is cut at 2,000 characters."""

    line: int | None
    reason: str
    raw: str
