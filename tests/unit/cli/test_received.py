import csv
import io
import json

import pyarrow as pa
import pytest

from app.analytics.answer_models import Ending
from app.analytics.endings import plan_ending, plan_failure
from app.analytics.formats import FORMATS, JSON, NDJSON, Answer
from app.cli.received import MEDIA_TYPES, READERS, Told
from app.errors import InvalidQueryError, LakewardError

ROWS = [{"t": f'say "{i}"\n],"row_count":{i}', "n": i} for i in range(500)]


def test_the_formats_are_those_of_the_server():
    assert set(MEDIA_TYPES.values()) == set(FORMATS)


def body(name, rows=ROWS, *, truncated=False):
    """An answer's bytes, made by the server's own code."""
    batch = pa.RecordBatch.from_pylist(rows, pa.schema([("t", pa.string()), ("n", pa.int64())]))
    answer = Answer(MEDIA_TYPES[name], batch.schema)
    pieces = [*answer.begin(), *(answer.rows(batch) if rows else []), *answer.end(truncated=truncated)]
    ending = plan_ending(MEDIA_TYPES[name], rows=len(rows), truncated=truncated, duration_ms=1)
    return b"".join(map(bytes, pieces)) + ending


def tell(name, content, path=None, headers=None, size=7):
    reader = READERS[name]()
    for begin in range(0, len(content), size):
        reader.take(content[begin : begin + size])
    return reader.tell(path, headers or {})


@pytest.mark.parametrize("size", [7, 10_000_000])
@pytest.mark.parametrize("name", MEDIA_TYPES)
@pytest.mark.parametrize("truncated", [False, True])
def test_rows_and_whether_there_are_more(tmp_path, name, truncated, size):
    content = body(name, truncated=truncated)
    (tmp_path / "file").write_bytes(content)
    headers = {"X-Lakehouse-Truncated": str(truncated).lower(), "X-Lakehouse-Max-Rows": "500"}
    assert tell(name, content, tmp_path / "file", headers, size) == Told(500, truncated)
    if name in ("csv", "ndjson"):
        del headers["X-Lakehouse-Truncated"]
        assert tell(name, content, None, headers, size) == Told(500, None)
        assert tell(name, content, None, {"X-Lakehouse-Max-Rows": "501"}, size) == Told(500, False)


@pytest.mark.parametrize("name", MEDIA_TYPES)
def test_no_rows(tmp_path, name):
    content = body(name, [])
    (tmp_path / "file").write_bytes(content)
    assert tell(name, content, tmp_path / "file", {"X-Lakehouse-Truncated": "false"}) == Told(0, False)


def test_the_csv_has_the_rows_that_a_reader_of_it_counts():
    content = body("csv")
    assert len(list(csv.reader(io.StringIO(content.decode())))) == tell("csv", content).rows + 1


@pytest.mark.parametrize(("name", "kind"), [("json", JSON), ("ndjson", NDJSON)])
@pytest.mark.parametrize("size", [7, 10_000_000])
def test_a_query_that_failed_on_its_way_is_an_error(name, kind, size):
    failure = plan_failure(kind, InvalidQueryError("Divide by zero"), rows=500, duration_ms=1)
    whole = body(name)
    rows = whole[: whole.rfind(b'],"row_count":500')] if name == "json" else whole
    with pytest.raises(LakewardError, match="after its first rows: Divide by zero") as caught:
        tell(name, rows + failure, size=size)
    assert caught.value.extra["problem"]["code"] == "invalid_query"


def test_a_column_that_is_named_error_is_none():
    assert tell("ndjson", b'{"error":"x"}\n{"error":{"type":"mine"}}\n').rows == 2
    assert "error" not in json.loads(b"{" + plan_ending(JSON, rows=1, truncated=False, duration_ms=1)[2:])
    assert Ending(1, False, "e", 1.0).row_count == 1


@pytest.mark.parametrize("name", ["json", "arrow", "parquet"])
def test_an_answer_without_an_end_is_an_error(tmp_path, name):
    content = body(name)[:-40] if name != "arrow" else body(name)[:-300]
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(LakewardError, match="has no end"):
        tell(name, content, tmp_path / "file")
