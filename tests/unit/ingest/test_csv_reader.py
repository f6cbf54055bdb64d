"""CSV: every value arrives as it is written, or the row is a reject with its line."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.errors import InvalidFileError
from app.ingest.extract import Extract, open_extract


@pytest.fixture
def extract(tmp_path: Path) -> Iterator[Any]:
    def run(content: str | bytes) -> tuple[dict[str, str], list[dict[str, Any]], Extract]:
        path = tmp_path / "f.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        with open_extract(path, filename="f.csv") as opened:
            rows = []
            for batch in opened.batches:
                assert batch.schema.equals(opened.schema)
                batch.validate(full=True)
                rows += batch.to_pylist()
            return {c.name: c.type for c in opened.columns}, rows, opened

    yield run


def test_each_type_is_found_and_exact(extract: Any) -> None:
    types, rows, _ = extract(
        "b,i,f,n,d,t,ts,tz,s\n"
        "true,1,1.5,12345678901234567890,2024-02-29,10:11:12,2024-01-02 03:04:05,2024-01-02T03:04:05+01:00,x\n"
        ",,,,,,,,\n"
        "False,-2,-0.25,-1,1999-12-31,00:00:00,2024-01-02T03:04:05.25,2024-01-02T03:04:05Z,y\n"
    )
    assert list(types.values()) == [
        "boolean", "bigint", "double precision", "numeric", "date", "time", "timestamp", "timestamptz", "text",
    ]  # fmt: skip
    assert list(rows[0].values()) == [
        True, 1, 1.5, Decimal("12345678901234567890"), date(2024, 2, 29), time(10, 11, 12),
        datetime(2024, 1, 2, 3, 4, 5), datetime(2024, 1, 2, 2, 4, 5, tzinfo=UTC), "x",
    ]  # fmt: skip
    assert set(rows[1].values()) == {None}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["00123", "45678"], "text"),
        (["+4915112345678"], "text"),
        (["007.5", "1.5"], "text"),
        (["9007199254740993", "1.5"], "numeric"),
        (["0.12345678901234567890"], "numeric"),
        (["0.1", "0.30000000000000004"], "double precision"),
        (["9223372036854775807"], "bigint"),
        (["9223372036854775808"], "numeric"),
        (["1" * 39], "text"),
        (["1e400", "1"], "text"),
        (["nan", "inf", "1.0"], "text"),
        (["01/02/2024", "03/04/2024"], "text"),
        (["2024-02-30"], "text"),
        (["2024-01-01 00:00:00.1234567"], "text"),
        (["24:30:00"], "text"),
        (["24:00:00"], "text"),
        (["2024-01-01 00:00:00", "infinity"], "text"),
        (["0044-03-15 (BC) 00:00:00"], "text"),
        (["12345-01-01 00:00:00"], "text"),
        (["0000-01-01"], "text"),
        (["2024-01-01 00:00:00+99:00"], "text"),
    ],
)
def test_nothing_is_rounded_or_reinterpreted(extract: Any, values: list[str], expected: str) -> None:
    types, rows, _ = extract("k,v\n" + "".join(f"x,{value}\n" for value in values))
    assert types["v"] == expected
    if expected == "numeric":
        assert [row["v"] for row in rows] == [Decimal(value) for value in values]
    if expected == "text":
        assert [row["v"] for row in rows] == values


def test_an_unlucky_sample_widens_the_column_and_loses_no_row(extract: Any) -> None:
    types, rows, opened = extract("k,n\n" + "".join(f"a,{i}\n" for i in range(20_000)) + "b,n/a\nc,007\n")
    assert (types["n"], len(rows), opened.rejected) == ("text", 20_002, 0)
    assert rows[-1] == {"k": "c", "n": "007"}
    types, rows, _ = extract("k,n\n" + "".join(f"a,{i}\n" for i in range(20_000)) + "b,1.5\n")
    assert (types["n"], rows[-1]["n"]) == ("double precision", 1.5)


def test_ragged_rows_are_rejects_with_line_reason_and_text(extract: Any) -> None:
    _, rows, opened = extract('a,b\n1,2\n3\n4,5,6\n"x\ny",8\n9\n')
    assert len(rows) == 2
    assert [(r.line, r.raw) for r in opened.rejects][:2] == [(3, "3"), (4, "4,5,6")]
    assert all("Number of Columns" in reject.reason for reject in opened.rejects)
    assert opened.rejected == 3


def test_very_many_rejects_are_counted_exactly_and_kept_bounded(extract: Any) -> None:
    _, rows, opened = extract("a,b,c\n" + "1,2,3\nshort,1\n" * 60_000)
    assert (len(rows), opened.rejected, len(opened.rejects)) == (60_000, 60_000, 10_000)
    assert (opened.rejects[0].line, opened.rejects[0].raw) == (3, "short,1")


def test_nul_bytes_make_rejects_and_reach_no_batch(extract: Any) -> None:
    _, rows, opened = extract(b"a,b\n1,x\n2,y\x00z\n3,w\n" + b"4,v\n" * 200)
    assert len(rows) == 202
    assert [(r.line, r.reason) for r in opened.rejects] == [(3, "contains a NUL byte")]


def test_damaged_utf8_rejects_only_its_row(extract: Any) -> None:
    _, rows, opened = extract("a,b\n1,Köln\n2,Tromsø\n".encode() + b"3,\xff\n")
    assert [row["b"] for row in rows] == ["Köln", "Tromsø"]
    assert [(r.line, r.reason[:17]) for r in opened.rejects] == [(4, "is not valid text")]


@pytest.mark.parametrize(
    ("content", "names", "rows"),
    [
        ("a,b\n", ["a", "b"], 0),
        ("a,b", ["a", "b"], 0),
        ("1,x\n2,y\n", ["column_1", "column_2"], 2),
        ("a;b\n1;2\n", ["a", "b"], 1),
        ("a\tb\n1\t2\n", ["a", "b"], 1),
        ("a,A,\n1,2,3\n", ["a", "A_2", "column_3"], 1),
        ("\ufeffid,name\n1,x\n", ["id", "name"], 1),
        ("id,v\n1,#not a comment\n#2,x\n", ["id", "v"], 2),
        ("a,b\r\n1,2\n3,4\r5,6", ["a", "b"], 3),
    ],
)
def test_headers_dialects_and_line_ends(extract: Any, content: str, names: list[str], rows: int) -> None:
    types, found, opened = extract(content)
    assert (list(types), len(found), opened.rejected) == (names, rows, 0)


def test_lines_before_the_header_are_rejects_not_forgotten(extract: Any) -> None:
    types, _, opened = extract("Exported 2024\nid,name,day\n1,x,2024-01-01\n")
    assert list(types) == ["id", "name", "day"]
    assert [(r.line, r.raw) for r in opened.rejects] == [(1, "Exported 2024")]


@pytest.mark.parametrize(
    ("preamble", "lines"),
    [("# c1\n# c2\n", [1, 2]), ("Report of sales, 2024\n\nGenerated by x\n", [1, 3]), ("sep=;\n", [1])],
)
def test_no_preamble_costs_the_rows_below_it(extract: Any, preamble: str, lines: list[int]) -> None:
    table = "id,name,v\n1,a,2\n2,b,3\n".replace(",", ";" if preamble.startswith("sep") else ",")
    types, rows, opened = extract(preamble + table)
    assert (list(types), len(rows), [r.line for r in opened.rejects]) == (["id", "name", "v"], 2, lines)


def test_quotes_that_only_come_later_are_understood(extract: Any) -> None:
    _, rows, opened = extract("a,b\n" + "1,x\n" * 6_000 + '2,"y, ""z"""\n')
    assert (rows[-1], opened.rejected) == ({"a": 2, "b": 'y, "z"'}, 0)


def test_too_many_columns_are_refused(extract: Any) -> None:
    line = ",".join(f"c{i}" for i in range(1_501))
    with pytest.raises(InvalidFileError, match="1,501 columns"):
        extract(line + "\n" + line + "\n")


@pytest.mark.slow
def test_as_many_columns_as_a_table_can_have_are_read(extract: Any) -> None:
    header = ",".join(f"c{i}" for i in range(1_500))
    types, rows, _ = extract(header + "\n" + (",".join(["1", "x"] * 750) + "\n") * 300)
    assert list(types.values()) == ["bigint", "text"] * 750
    assert (len(rows), rows[-1]["c1498"], rows[-1]["c1499"]) == (300, 1, "x")


def test_batches_are_bounded_and_in_order(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text("i,t\n" + "".join(f"{i},row {i}\n" for i in range(200_000)))
    with open_extract(path, filename="f.csv") as opened:
        sizes, values = [], []
        for batch in opened.batches:
            sizes.append(batch.num_rows)
            values += batch.column(0).to_pylist()
    assert max(sizes) <= 65_536
    assert values == list(range(200_000))


def test_the_reader_can_open_no_other_file(tmp_path: Path) -> None:
    import duckdb

    from app.ingest.csv_reader import _connect

    mine, other = tmp_path / "it's.csv", tmp_path / "other.csv"
    mine.write_text("a\n1\n")
    other.write_text("a\n1\n")
    with _connect(mine) as con:
        quoted = str(mine).replace("'", "''")
        assert con.execute(f"SELECT * FROM read_csv('{quoted}')").fetchall() == [(1,)]
        with pytest.raises(duckdb.Error, match="disabled"):
            con.execute(f"SELECT * FROM read_csv('{other}')").fetchall()
