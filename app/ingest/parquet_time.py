"""Dates and times of Parquet files that Postgres does not hold: finer than a microsecond, or outside its calendar."""

from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

_t = pa.types
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
#: The years that every reader can show: Python's, and Postgres' own without BC. A day is left at both ends, so that a
#: time zone does not lead out of them.
_FIRST = int(datetime(1, 1, 2, tzinfo=UTC).timestamp())
_LAST = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp())


def has_nanoseconds(kind: pa.DataType) -> bool:
    """True for a type that can be finer than a microsecond."""
    temporal = _t.is_timestamp(kind) or _t.is_time64(kind) or _t.is_duration(kind)
    return bool(temporal and kind.unit == "ns")


def is_exact_in_microseconds(array: pa.Array) -> bool:
    """True when no value of an array of a type with nanoseconds is finer than a microsecond."""
    numbers = array.cast(pa.int64())
    thousands = pc.multiply(pc.divide(numbers, 1000), 1000)
    return bool(pc.all(pc.equal(numbers, thousands), min_count=0).as_py())


def find_outside_calendar(array: pa.Array) -> list[int]:
    """The positions of dates and timestamps outside the years 1 to 9999."""
    kind = array.type
    if _t.is_timestamp(kind):
        numbers, per_second = array.cast(pa.int64()), _PER_SECOND[kind.unit]
        first, last = _FIRST * per_second, _LAST * per_second
    elif _t.is_date32(kind):
        numbers, first, last = array.cast(pa.int32()), _FIRST // 86_400, _LAST // 86_400
    elif _t.is_date64(kind):
        numbers, first, last = array.cast(pa.int64()), _FIRST * 1_000, _LAST * 1_000
    else:
        return []
    if kind.bit_width == 64 and first < -(2**63):
        return []  # all of what nanoseconds can say is inside
    outside = pc.or_(pc.less(numbers, first), pc.greater(numbers, last))
    return [int(at) for at in pc.indices_nonzero(outside.fill_null(False)).to_pylist()]


def as_readable(kind: pa.DataType) -> pa.DataType:
    """The type with text in the place of nanoseconds, because Python's values have microseconds."""
    if _t.is_duration(kind) and kind.unit == "ns":
        return pa.int64()
    if has_nanoseconds(kind):
        return pa.string()
    if _t.is_list(kind) or _t.is_large_list(kind):
        return pa.list_(as_readable(kind.value_type))
    if _t.is_struct(kind):
        return pa.struct([(field.name, as_readable(field.type)) for field in kind])
    return kind
