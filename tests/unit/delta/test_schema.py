"""Types of files: ours, and what others wrote."""

import pyarrow as pa
import pytest

from app.delta.schema import engine_cast, plan_foreign, stored_type
from app.errors import InvalidInputError


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (pa.int8(), ("bigint", None)),
        (pa.uint64(), ("numeric", "Decimal128(20, 0)")),
        (pa.float32(), ("double precision", "Float64")),
        (pa.decimal128(15, 2), ("numeric", None)),
        (pa.date64(), ("date", "Date32")),
        (pa.time32("s"), ("time", "Time64(Microsecond)")),
        (pa.timestamp("us"), ("timestamp", None)),
        (pa.timestamp("ns", "Europe/Berlin"), ("timestamptz", 'Timestamp(Microsecond, Some("UTC"))')),
        (pa.large_string(), ("text", None)),
        (pa.dictionary(pa.int32(), pa.string()), ("text", "Utf8")),
        (pa.list_(pa.string()), ("text[]", None)),
        (pa.binary(16), ("bytea", "Binary")),
    ],
)
def test_types_of_others(kind: pa.DataType, expected: tuple[str, str | None]) -> None:
    assert plan_foreign("x", kind) == expected


@pytest.mark.parametrize("kind", [pa.struct([("a", pa.int64())]), pa.list_(pa.int64()), pa.decimal256(60, 2)])
def test_what_has_no_counterpart_is_refused_with_the_way_out(kind: pa.DataType) -> None:
    with pytest.raises(InvalidInputError, match=r"'x'.*lakeward ingest"):
        plan_foreign("x", kind)


def test_our_own() -> None:
    assert stored_type("numeric", 2) == pa.decimal128(38, 2) and stored_type("jsonb") == pa.string()
    assert engine_cast("time") == "Time64(Microsecond)" and engine_cast("text") is None
