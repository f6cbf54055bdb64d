"""Arrow types that every reader of the formats knows, made of those the engine computes with."""

import msgspec
import pyarrow as pa
from datafusion import DataFrame


def plan_plain(schema: pa.Schema) -> pa.Schema:
    """The schema without views and dictionaries, which the engine makes and older readers do not know."""
    return pa.schema([field.with_type(_plain(field.type)) for field in schema])


def _plain(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_binary_view(kind):
        return pa.binary()
    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type)
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_plain(kind.value_type)))
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_plain(field.type)) for field in kind])
    return kind


def to_plain(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The batch in a schema of `plan_plain` or `plan_microseconds`."""
    arrays = [
        column if column.type == field.type else column.cast(field.type, safe=False)
        for column, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def plan_microseconds(schema: pa.Schema) -> pa.Schema:
    """Python's times end at microseconds, and the engine's own now() has nanoseconds; what is finer is cut off."""
    return pa.schema([field.with_type(_coarser(field.type)) for field in schema])


def _coarser(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        return pa.timestamp("us", kind.tz)
    if pa.types.is_time64(kind) and kind.unit == "ns":
        return pa.time64("us")
    if pa.types.is_duration(kind) and kind.unit == "ns":
        return pa.duration("us")
    return kind


def plan_flat(schema: pa.Schema) -> pa.Schema:
    """CSV has no lists: they become JSON texts."""
    return pa.schema(
        [field.with_type(pa.string()) if pa.types.is_nested(field.type) else field for field in schema]
    )


def to_flat(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The batch in a schema of `plan_flat`."""
    arrays = [
        column if column.type == field.type else _texts(column)
        for column, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _texts(column: pa.Array) -> pa.Array:
    values = (None if value is None else msgspec.json.encode(value).decode() for value in column.to_pylist())
    return pa.array(values, pa.string())


def read_frame(frame: DataFrame, limit_bytes: int) -> pa.Table | None:
    """All rows of a frame in plain types; None when they take more than `limit_bytes`."""
    batches, size = [], 0
    schema: pa.Schema | None = None
    for batch in frame.execute_stream():
        arrow = batch.to_pyarrow()
        schema = schema or plan_plain(arrow.schema)
        batches.append(to_plain(arrow, schema))
        size += batches[-1].nbytes
        if size > limit_bytes:
            return None
    return pa.Table.from_batches(batches, schema or plan_plain(frame.schema()))
