"""Arrow's types become ours."""

import pyarrow as pa
import pytest

from app.ingest.parquet_types import convert_leaf, find_leaves


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (pa.uint64(), "numeric"),
        (pa.uint32(), "bigint"),
        (pa.decimal256(50, 2), "text"),
        (pa.decimal128(38, 38), "numeric"),
        (pa.dictionary(pa.int32(), pa.string()), "text"),
        (pa.map_(pa.string(), pa.int64()), "jsonb"),
        (pa.list_(pa.struct([("a", pa.int64())])), "jsonb"),
        (pa.binary(16), "bytea"),
        (pa.uuid(), "text"),
        (pa.date64(), "date"),
        (pa.null(), "text"),
    ],
)
def test_every_type_has_a_column_type_and_empty_arrays_convert(kind: pa.DataType, expected: str) -> None:
    (leaf,) = find_leaves(pa.schema([("c", kind)]))
    assert leaf.type == expected
    assert convert_leaf(pa.array([None], kind), leaf).null_count == 1


def test_structs_are_flattened_five_levels_deep() -> None:
    kind: pa.DataType = pa.int64()
    for _ in range(7):
        kind = pa.struct([("x", kind)])
    (leaf,) = find_leaves(pa.schema([("c", kind)]))
    assert (len(leaf.path), leaf.type) == (6, "jsonb")
