"""The Arrow type of each Postgres type: what ADBC's binary COPY needs, because it converts nothing."""

from collections.abc import Iterator
from typing import TypeAlias

import pyarrow as pa

from app.catalog.models import ColumnType, StoredColumn

#: decimal128's and so our numeric's digits; what does not fit stays text.
MAX_DIGITS = 38
#: What opening a file gives: its columns, the schema of its batches, and the batches.
Opened: TypeAlias = tuple[tuple[StoredColumn, ...], pa.Schema, Iterator[pa.RecordBatch]]

_TYPES: dict[ColumnType, pa.DataType] = {
    "boolean": pa.bool_(),
    "bigint": pa.int64(),
    "double precision": pa.float64(),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", "UTC"),
    "text": pa.string(),
    "text[]": pa.list_(pa.string()),
    "jsonb": pa.json_(pa.string()),
    "bytea": pa.binary(),
}


def get_arrow_type(column_type: ColumnType, scale: int = 0) -> pa.DataType:
    """The Arrow type whose binary COPY is exactly `column_type`; `scale` is used by numeric only."""
    return pa.decimal128(MAX_DIGITS, scale) if column_type == "numeric" else _TYPES[column_type]


def plan_schema(columns: tuple[StoredColumn, ...], scales: dict[str, int] | None = None) -> pa.Schema:
    """The schema of the batches of `columns`; `scales` gives the scale of numeric columns by name."""
    scales = scales or {}
    return pa.schema([(c.name, get_arrow_type(c.type, scales.get(c.name, 0))) for c in columns])
