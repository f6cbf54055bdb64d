"""JSON and NDJSON: nothing lost, nothing rounded, nothing that crashes."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import InvalidFileError
from app.ingest.extract import Extract, open_extract
from app.ingest.models import Format


def read(
    path: Path, content: str | bytes, **options: Any
) -> tuple[dict[str, str], list[dict[str, Any]], Extract]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with open_extract(path, filename="f", **options) as opened:
        rows = []
        for batch in opened.batches:
            assert batch.schema.equals(opened.schema)
            batch.validate(full=True)
            rows += batch.to_pylist()
        return {c.name: c.type for c in opened.columns}, rows, opened


@pytest.fixture
def extract(tmp_path: Path) -> Iterator[Any]:
    yield lambda content, **options: read(tmp_path / "f", content, **options)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ("true,false,null", "boolean"),
        ("1,-2", "bigint"),
        ("1,2.5", "double precision"),
        ("9223372036854775808", "numeric"),
        ("9007199254740993,0.5", "numeric"),
        ("0.12345678901234567890,0.5", "numeric"),
        ("1e400", "text"),
        ("1" * 39, "text"),
        ("1e-400", "text"),
        ("true,1", "text"),
        ('"00123"', "text"),
        ('"2024-02-29"', "date"),
        ('"2024-02-30"', "text"),
        ('"2024-01-02T03:04:05Z"', "timestamptz"),
        ('"2024-01-02T03:04:05"', "timestamp"),
        ('"2024-01-02T03:04:05.1234567"', "text"),
        ('["a","b"],[]', "text[]"),
        ('["a",1]', "jsonb"),
        ('["a"],"b"', "jsonb"),
        ("null", "text"),
    ],
)
def test_the_type_holds_every_value(extract: Any, values: str, expected: str) -> None:
    content = "\n".join(f'{{"v": {v}}}' for v in json_items(values))
    types, rows, opened = extract(content, format="ndjson")
    assert (types["v"], opened.rejected) == (expected, 0)
    if expected == "numeric":
        assert [row["v"] for row in rows] == [Decimal(v) for v in values.split(",")]


def json_items(values: str) -> list[str]:
    decoder, items, at = json.JSONDecoder(parse_float=str), [], 0
    while at < len(values):
        _, end = decoder.raw_decode(values, at)
        items.append(values[at:end])
        at = end + 1
    return items


def test_temporal_values_arrive_as_such(extract: Any) -> None:
    _, rows, _ = extract('{"d": "2024-02-29", "t": "2024-01-02T03:04:05+01:00"}', format="ndjson")
    assert rows == [{"d": date(2024, 2, 29), "t": datetime(2024, 1, 2, 2, 4, 5, tzinfo=UTC)}]


def test_objects_are_flattened_and_names_stay_distinct(extract: Any) -> None:
    record = {"a": {"b": 1, "c": {"d": "x"}}, "a_b": 2, "l": [{"deep": 1}], "e": {}}
    types, rows, opened = extract(json.dumps([record]))
    assert types == {"a_b": "bigint", "a_c_d": "text", "a_b_2": "bigint", "l": "jsonb", "e": "jsonb"}
    assert rows == [{"a_b": 1, "a_c_d": "x", "a_b_2": 2, "l": '[{"deep":1}]', "e": "{}"}]
    assert [c.source_name for c in opened.columns] == ["a.b", "a.c.d", "a_b", "l", "e"]


def test_what_is_nested_too_deep_to_flatten_stays_json(extract: Any) -> None:
    types, _, _ = extract('[{"a":{"b":{"c":{"d":{"e":{"f":{"g":1}}}}}}}]')
    assert types == {"a_b_c_d_e_f": "jsonb"}


@pytest.mark.parametrize(
    ("document", "options", "ids"),
    [
        ('{"meta": {"n": 1}, "items": [{"id": 1}], "tags": ["x"]}', {}, [1]),
        ('{"few": [{"id": 9}], "many": [{"id": 1}, {"id": 2}]}', {}, [1, 2]),
        ('{"few": [{"id": 9}], "many": [{"id": 1}, {"id": 2}]}', {"records_path": "few"}, [9]),
        ('{"x": {"y": [{"id": 3}]}, "z": [{"id": 1}]}', {"records_path": "x.y"}, [3]),
    ],
)
def test_the_records_are_found(extract: Any, document: str, options: dict[str, str], ids: list[int]) -> None:
    _, rows, _ = extract(document, format="json", **options)
    assert [row["id"] for row in rows] == ids


@pytest.mark.parametrize(
    ("document", "options", "reason"),
    [
        ('{"a": [{"id": 1}], "b": [{"id": 2}]}', {}, "'[ab]', '[ab]'; say which with records_path"),
        ('{"a": [{"id": 1}]}', {"records_path": "x"}, "no array of objects at 'x'; there is one at 'a'"),
        ('{"a": 1}', {}, "no records"),
        ("[1, 2]", {}, "is not an object"),
        ("[]", {}, "no records"),
        ('[{"a": 1}', {}, "line 1, byte 9"),
        ('[{"a": 1},\n{"a": }]', {}, "line 2, near byte 17"),
        ('[{"a": NaN}]', {}, "malformed"),
        ('[{"a": 1}] x', {}, "text after the end"),
        ("[" * 100_000, {}, "deeper than 200|never ends"),
        ('[{"a":' + "[" * 5_000 + "]" * 5_000 + "}]", {}, "deeper than 200"),
        (b'[{"a": "\xff"}]', {}, "not valid text"),
        ('[{"a": "' + "x" * 17 * 1024**2 + '"}]', {}, "longer than 16 MB"),
    ],
)
def test_a_document_that_cannot_be_read_is_refused_whole(
    extract: Any, document: str | bytes, options: dict[str, str], reason: str
) -> None:
    with pytest.raises(InvalidFileError, match=reason):
        extract(document, format="json", **options)


@pytest.mark.parametrize("format", ["json", "ndjson"])
@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ('{"id": "\\ud800"}', "lone surrogate"),
        ('{"id": "a\\\\\\udc00"}', "lone surrogate"),
        ('{"id": "\\u0000"}', "NUL byte"),
        ('{"k\\u0000": 1}', "NUL byte"),
        ('{"id": ' + "9" * 5_000 + "}", "too large"),
        ('{"id": 1e999999}', "too large"),
        ("17", "not an object"),
    ],
)
def test_a_record_postgres_cannot_hold_is_a_reject(
    extract: Any, format: Format, bad: str, reason: str
) -> None:
    good = ['{"id": "\\ud83d\\ude00"}', '{"id": "\\\\ud800"}']
    records = [good[0], bad, good[1]]
    content = "\n".join(records) if format == "ndjson" else "[" + ",\n".join(records) + "]"
    _, rows, opened = extract(content, format=format)
    assert [row["id"] for row in rows] == ["😀", "\\ud800"]
    assert [(r.line, reason in r.reason) for r in opened.rejects] == [(2, True)]


def test_malformed_lines_are_rejects_unless_all_are(extract: Any) -> None:
    _, rows, opened = extract('{"a": 1, "a": 2}\n{"a": \n\n{"a": 3}\n{"a": ' + "[" * 50_000, format="ndjson")
    assert ([row["a"] for row in rows], [r.line for r in opened.rejects]) == ([2, 3], [2, 5])
    with pytest.raises(InvalidFileError, match="line 1"):
        extract("nope\nnope\n", format="ndjson")


def test_an_endless_ndjson_line_is_refused(extract: Any) -> None:
    with pytest.raises(InvalidFileError, match="longer than 16 MB"):
        extract('{"a": 1}\n{"a": "' + "x" * 20 * 1024**2, format="ndjson")


def test_a_document_longer_than_the_line_limit_is_fine(extract: Any) -> None:
    _, rows, _ = extract("[" + ",".join(['{"a": "' + "x" * 1_000 + '"}'] * 20_000) + "]", format="json")
    assert len(rows) == 20_000


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.dictionaries(st.text(max_size=3), values, min_size=1, max_size=4), min_size=1, max_size=5))
def test_any_records_extract_or_are_rejected(tmp_path_factory: Any, records: list[dict[str, Any]]) -> None:
    path = tmp_path_factory.mktemp("j") / "f"
    try:
        _, rows, opened = read(path, json.dumps(records), format="json")
    except InvalidFileError:
        assert "\\u0000" in json.dumps(records) or "\\ud" in json.dumps(records) or not any(flat(records))
        return
    assert len(rows) + opened.rejected == len(records)


def flat(records: list[dict[str, Any]]) -> list[Any]:
    return [value for record in records for value in record.values()]
