"""How the types of Arrow become ours: which column a field gives, and how its values are converted."""

import math
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from app.catalog.models import ColumnType
from app.ingest.arrow_types import MAX_DIGITS, get_arrow_type
from app.ingest.json_values import MAX_FLATTEN, encode_json
from app.ingest.parquet_time import as_readable

_t = pa.types


class Leaf(Struct, frozen=True):
    """A column to be: the path of fields that leads to it, its type, and the scale when it is numeric."""

    path: tuple[str, ...]
    type: ColumnType
    scale: int
    indices: tuple[int, ...]


def find_leaves(schema: pa.Schema) -> tuple[Leaf, ...]:
    """The columns of a schema, structs flattened at most 5 levels deep, in order."""
    leaves: list[Leaf] = []
    for i, field in enumerate(schema):
        _add_leaves(leaves, field, (), (i,))
    return tuple(leaves)


def _add_leaves(leaves: list[Leaf], field: pa.Field, at: tuple[str, ...], indices: tuple[int, ...]) -> None:
    path = (*at, field.name)
    if _t.is_struct(field.type) and field.type.num_fields and len(path) <= MAX_FLATTEN:
        for i in range(field.type.num_fields):
            _add_leaves(leaves, field.type.field(i), path, (*indices, i))
        return
    column_type, scale = _plan_type(field.type)
    leaves.append(Leaf(path, column_type, scale, indices))


def _plan_type(kind: pa.DataType) -> tuple[ColumnType, int]:
    if _t.is_dictionary(kind):
        return _plan_type(kind.value_type)
    if isinstance(kind, pa.JsonType):
        return "jsonb", 0
    if isinstance(kind, pa.BaseExtensionType):
        return "text", 0
    if _t.is_uint64(kind):
        return "numeric", 0
    if _t.is_decimal(kind):
        fits = kind.precision <= MAX_DIGITS and kind.scale >= 0
        return ("numeric", kind.scale) if fits else ("text", 0)
    if _t.is_timestamp(kind):
        return _plan_timestamp(kind), 0
    return _plan_simple(kind), 0


def _plan_timestamp(kind: pa.TimestampType) -> ColumnType:
    return "timestamptz" if kind.tz else "timestamp"


def _plan_simple(kind: pa.DataType) -> ColumnType:
    if _t.is_boolean(kind):
        return "boolean"
    if _t.is_integer(kind):
        return "bigint"
    if _t.is_floating(kind):
        return "double precision"
    if _t.is_date(kind):
        return "date"
    if _t.is_time(kind):
        return "time"
    if (
        _t.is_binary(kind)
        or _t.is_large_binary(kind)
        or _t.is_fixed_size_binary(kind)
        or _t.is_binary_view(kind)
    ):
        return "bytea"
    if _t.is_list(kind) or _t.is_large_list(kind) or _t.is_fixed_size_list(kind):
        return "text[]" if _is_text(kind.value_type) else "jsonb"
    return "jsonb" if _t.is_nested(kind) else "text"


def _is_text(kind: pa.DataType) -> bool:
    return bool(_t.is_string(kind) or _t.is_large_string(kind) or _t.is_string_view(kind))


def get_leaf(batch: pa.RecordBatch, leaf: Leaf) -> pa.Array:
    """The values of a leaf; NULL where a struct on the way is NULL."""
    array = batch.column(leaf.indices[0])
    for index in leaf.indices[1:]:
        array = pc.struct_field(array, [index])
    return array


def convert_leaf(array: pa.Array, leaf: Leaf) -> pa.Array:
    """The values in exactly the Arrow type of the leaf's column.

    Raises:
        pa.ArrowInvalid: a value that the type does not hold; nothing is rounded.
    """
    if _t.is_dictionary(array.type):
        array = array.dictionary_decode()
    target = get_arrow_type(leaf.type, leaf.scale)
    if leaf.type == "jsonb":
        return pa.ExtensionArray.from_storage(target, _as_json(array))
    if isinstance(array, pa.ExtensionArray):
        return pa.array([None if v is None else str(v) for v in array.to_pylist()], target)
    if leaf.type == "text" and _t.is_duration(array.type) and array.type.unit == "ns":
        return pa.array(
            [None if v is None else f"{v} ns" for v in array.cast(pa.int64()).to_pylist()], target
        )
    if leaf.type == "text" and not _castable_to_text(array.type):
        return pa.array([None if v is None else str(v) for v in array.to_pylist()], target)
    if leaf.type == "text[]":
        return array.cast(target)
    if leaf.type == "numeric" and _t.is_uint64(array.type):
        return array.cast(pa.decimal128(20, 0)).cast(target)
    return array.cast(target)


def _castable_to_text(kind: pa.DataType) -> bool:
    return _is_text(kind) or bool(_t.is_decimal(kind) or _t.is_timestamp(kind) or _t.is_time(kind))


def _as_json(array: pa.Array) -> pa.Array:
    if isinstance(array, pa.ExtensionArray):
        return array.storage.cast(pa.string())
    readable = as_readable(array.type)
    values = (array if readable == array.type else array.cast(readable)).to_pylist()
    return pa.array([None if v is None else encode_json(_plain(v)) for v in values], pa.string())


def _plain(value: Any) -> Any:
    """The value with only what JSON has; bytes as hex, other types and NaN as text, maps as lists of pairs."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float | Decimal):
        return value if math.isfinite(value) else str(value)
    return value if isinstance(value, str | int | bool | None) else str(value)
