"""Catalog types in Parquet files: what is written, what the engine makes of it again, what foreign files have.

Delta has no time of day and no JSON: both are text there, and get their type back when they are read.
"""

from collections.abc import Callable

import pyarrow as pa

from app.catalog.models import ColumnType
from app.errors import InvalidInputError

#: What a column is in the files, by its catalog type. A numeric has the scale that its first rows need.
STORED: dict[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "bigint": pa.int64(),
    "double precision": pa.float64(),
    "date": pa.date32(),
    "time": pa.string(),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", tz="UTC"),
    "text": pa.string(),
    "text[]": pa.list_(pa.string()),
    "jsonb": pa.string(),
    "bytea": pa.binary(),
}
#: What the engine has to make of a stored column, as DataFusion spells types.
ENGINE = {"time": "Time64(Microsecond)"}
DECIMAL_DIGITS = 38


def stored_type(column_type: ColumnType, scale: int = 10) -> pa.DataType:
    """The Arrow type of a column in the files; `scale` is a numeric's digits after the point."""
    if column_type == "numeric":
        return pa.decimal128(DECIMAL_DIGITS, scale)
    return STORED[column_type]


def plan_foreign(name: str, kind: pa.DataType) -> tuple[ColumnType, str | None]:
    """Of a column of a file that was not written here: its catalog type, and the cast that gives it in the engine.

    Narrow integers stay as they are, which the engine computes with as well.

    Raises:
        InvalidInputError: a nested column that is no list of texts, or a type without a counterpart.
    """
    if pa.types.is_dictionary(kind):
        return plan_foreign(name, kind.value_type)[0], "Utf8" if _is_text(kind.value_type) else str(
            kind.value_type
        )
    if (pa.types.is_list(kind) or pa.types.is_large_list(kind)) and _is_text(kind.value_type):
        return "text[]", None
    for test, found, cast in _FOREIGN:
        if test(kind):
            return found, cast
    if pa.types.is_timestamp(kind):
        cast = None if kind.unit == "us" and kind.tz in (None, "UTC") else _timestamp(kind.tz)
        return ("timestamptz" if kind.tz else "timestamp"), cast
    raise InvalidInputError(
        f"column {name[:60]!r} is {kind}, which cannot be attached; load the file with lakeward ingest instead"
    )


def _timestamp(zone: str | None) -> str:
    return 'Timestamp(Microsecond, Some("UTC"))' if zone else "Timestamp(Microsecond, None)"


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))


def _is_decimal(kind: pa.DataType) -> bool:
    return bool(pa.types.is_decimal(kind)) and kind.precision <= DECIMAL_DIGITS and kind.scale >= 0


_FOREIGN: tuple[tuple[Callable[[pa.DataType], bool], ColumnType, str | None], ...] = (
    (pa.types.is_boolean, "boolean", None),
    (pa.types.is_uint64, "numeric", "Decimal128(20, 0)"),
    (pa.types.is_integer, "bigint", None),
    (pa.types.is_float64, "double precision", None),
    (pa.types.is_floating, "double precision", "Float64"),
    (_is_decimal, "numeric", None),
    (pa.types.is_date32, "date", None),
    (pa.types.is_date, "date", "Date32"),
    (pa.types.is_time, "time", "Time64(Microsecond)"),
    (_is_text, "text", None),
    (_is_binary, "bytea", None),
    (pa.types.is_fixed_size_binary, "bytea", "Binary"),
)


def engine_cast(column_type: ColumnType) -> str | None:
    """The cast that gives a column of our own files its type in the engine, or None where it has it already."""
    return ENGINE.get(column_type)
