"""Each format, a batch at a time, is what its own reader reads; cut off anywhere it is not taken for whole."""

import csv
import datetime
import io
import json

import pyarrow as pa
import pyarrow.parquet
import pytest

from app.analytics.formats import ARROW, CSV, JSON, NDJSON, PARQUET, Answer, plan_format
from app.errors import InvalidInputError

SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("name", pa.string_view()),
        ("tags", pa.list_(pa.string_view())),
        ("at", pa.timestamp("ns", tz="UTC")),
        ("kind", pa.dictionary(pa.int32(), pa.string())),
    ]
)
AT = datetime.datetime(2024, 2, 29, 12, tzinfo=datetime.UTC)


def batch(start: int, count: int) -> pa.RecordBatch:
    ids = range(start, start + count)
    arrays = [
        pa.array(ids),
        pa.array([None if i == 1 else f"ä\n{i}" for i in ids], pa.string_view()),
        pa.array([[f"t{i}", None] for i in ids], pa.list_(pa.string())).cast(SCHEMA.field("tags").type),
        pa.array([AT] * count, SCHEMA.field("at").type),
        pa.array(["a" if i % 2 else "b" for i in ids]).dictionary_encode(),
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def encode(media_type: str, *counts: int, truncated: bool = False) -> bytes:
    answer = Answer(media_type, SCHEMA)
    pieces, start = list(answer.begin()), 0
    for count in counts:
        pieces += answer.rows(batch(start, count))
        start += count
    return b"".join(bytes(memoryview(piece)) for piece in [*pieces, *answer.end(truncated=truncated)])


@pytest.mark.parametrize("counts", [(), (1,), (2, 3), (1, 0, 4)])
def test_json_is_columns_and_rows_and_is_closed_by_who_knows_the_rest(counts: tuple[int, ...]) -> None:
    document = json.loads(encode(JSON, *(c for c in counts if c)) + b"]}")
    assert [column["type"] for column in document["columns"]][:3] == ["int64", "string", "list<item: string>"]
    assert [row[0] for row in document["rows"]] == list(range(sum(counts)))


def test_ndjson_has_a_line_for_each_row() -> None:
    lines = [json.loads(line) for line in encode(NDJSON, 2, 3).splitlines()]
    assert [line["id"] for line in lines] == [0, 1, 2, 3, 4]
    assert lines[1] == {
        "id": 1,
        "name": None,
        "tags": ["t1", None],
        "at": "2024-02-29T12:00:00Z",
        "kind": "a",
    }


def test_csv_has_one_header_and_lists_as_json() -> None:
    rows = list(csv.reader(io.StringIO(encode(CSV, 2, 3).decode())))
    assert rows[0] == ["id", "name", "tags", "at", "kind"] and len(rows) == 6
    assert rows[1][1:3] == ["ä\n0", '["t0",null]']
    assert encode(CSV).decode().strip() == '"id","name","tags","at","kind"'


def read_arrow(body: bytes) -> tuple[pa.Table, dict[bytes, bytes]]:
    with pa.ipc.open_stream(body) as reader:
        batches, last = [], {}
        while True:
            try:
                item, metadata = reader.read_next_batch_with_custom_metadata()
            except StopIteration:
                break
            batches.append(item)
            last = dict(metadata) if metadata is not None else last
        return pa.Table.from_batches(batches, reader.schema), last


def test_arrow_says_at_its_end_whether_there_is_more() -> None:
    table, last = read_arrow(encode(ARROW, 2, 3, truncated=True))
    assert table.column("id").to_pylist() == [0, 1, 2, 3, 4]
    assert table.schema.field("name").type == pa.string() and table.schema.field("kind").type == pa.string()
    assert last == {b"lakeward.truncated": b"true", b"lakeward.row_count": b"5"}
    assert read_arrow(encode(ARROW))[1][b"lakeward.truncated"] == b"false"


def test_parquet_says_so_in_its_footer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.analytics.formats.GROUP_ROWS", 2)
    file = pyarrow.parquet.ParquetFile(io.BytesIO(encode(PARQUET, 2, 1, 2, truncated=True)))
    assert file.read().column("id").to_pylist() == [0, 1, 2, 3, 4]
    assert file.num_row_groups == 2
    assert file.metadata.metadata[b"lakeward.truncated"] == b"true"
    assert pyarrow.parquet.read_table(io.BytesIO(encode(PARQUET))).num_rows == 0


def test_a_part_of_an_answer_is_not_taken_for_a_whole_one() -> None:
    parquet = encode(PARQUET, 2, 3)
    with pytest.raises(pa.ArrowInvalid):
        pyarrow.parquet.read_table(io.BytesIO(parquet[:-1]))
    with pytest.raises((pa.ArrowInvalid, OSError)):
        pa.ipc.open_stream(encode(ARROW, 5)[:-100]).read_all()


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("text/csv;q=0.9, */*", CSV),
        ("text/html, application/vnd.apache.parquet", PARQUET),
    ],
)
def test_the_format_is_the_first_there_is(accept: str, wanted: str) -> None:
    assert plan_format(accept) == wanted


def test_a_format_that_there_is_not_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="text/csv"):
        plan_format("image/png")
