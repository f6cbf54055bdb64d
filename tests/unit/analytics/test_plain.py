"""Types that only the engine knows become those that every reader knows; values stay."""

import pyarrow as pa
import pytest

from app.analytics.plain import plan_flat, plan_microseconds, plan_plain, to_flat, to_plain


@pytest.mark.parametrize(
    ("kind", "plain"),
    [
        (pa.string_view(), pa.string()),
        (pa.binary_view(), pa.binary()),
        (pa.dictionary(pa.int8(), pa.string()), pa.string()),
        (pa.list_(pa.string_view()), pa.list_(pa.string())),
        (pa.struct([("a", pa.string_view())]), pa.struct([("a", pa.string())])),
        (pa.decimal128(38, 10), pa.decimal128(38, 10)),
    ],
    ids=str,
)
def test_views_and_dictionaries_are_no_more(kind: pa.DataType, plain: pa.DataType) -> None:
    schema = pa.schema([pa.field("x", kind, nullable=False)])
    [field] = plan_plain(schema)
    assert field.type == plain and not field.nullable
    batch = pa.RecordBatch.from_arrays([pa.nulls(2, kind)], names=["x"])
    assert to_plain(batch, plan_plain(schema)).schema == plan_plain(schema)


def test_times_are_cut_to_what_python_has() -> None:
    schema = pa.schema([("at", pa.timestamp("ns")), ("day", pa.date32())])
    batch = pa.RecordBatch.from_arrays(
        [pa.array([1_999], pa.timestamp("ns")), pa.array([1], pa.date32())], schema=schema
    )
    cut = to_plain(batch, plan_microseconds(schema))
    assert cut.column(0).cast(pa.int64()).to_pylist() == [1] and cut.schema.field("day").type == pa.date32()


def test_lists_become_texts_in_csv() -> None:
    schema = pa.schema([("a", pa.list_(pa.int64())), ("b", pa.int64())])
    batch = pa.RecordBatch.from_pylist([{"a": [1, None], "b": 1}, {"a": None, "b": 2}], schema)
    assert to_flat(batch, plan_flat(schema)).to_pylist() == [{"a": "[1,null]", "b": 1}, {"a": None, "b": 2}]
