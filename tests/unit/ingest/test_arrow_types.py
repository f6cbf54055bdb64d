"""The Arrow types that binary COPY needs."""

import pyarrow as pa
import pytest

from app.catalog.models import ColumnType, StoredColumn
from app.ingest.arrow_types import get_arrow_type, plan_schema


@pytest.mark.parametrize(
    ("column_type", "arrow"),
    [
        ("bigint", pa.int64()),
        ("time", pa.time64("us")),
        ("timestamptz", pa.timestamp("us", "UTC")),
        ("text[]", pa.list_(pa.string())),
        ("jsonb", pa.json_(pa.string())),
    ],
)
def test_each_type_has_its_arrow_type(column_type: ColumnType, arrow: pa.DataType) -> None:
    assert get_arrow_type(column_type) == arrow


def test_a_schema_carries_the_scale_of_its_numbers() -> None:
    columns = (
        StoredColumn(name="n", source_name="N", type="numeric"),
        StoredColumn(name="m", source_name="m", type="numeric"),
    )
    schema = plan_schema(columns, {"n": 4})
    assert (schema.field("n").type, schema.field("m").type) == (pa.decimal128(38, 4), pa.decimal128(38, 0))
