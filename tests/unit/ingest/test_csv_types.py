"""A type holds only when every value of the file survives it."""

import duckdb
import pytest

from app.ingest.csv_types import CsvType, find_types, plan_cast


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", None, " 2"], CsvType("bigint")),
        (["1", "2.50"], CsvType("double precision")),
        (["1.123456789012345678", "12"], CsvType("numeric", 18)),
        (["1" * 30, "0." + "1" * 30], CsvType("text")),
        ([None, None], CsvType("text")),
        (["12:00:00"], CsvType("time")),
    ],
)
def test_the_narrowest_type_is_found_and_its_cast_works(values: list[str | None], expected: CsvType) -> None:
    with duckdb.connect() as con:
        con.execute("CREATE TABLE t (c0 VARCHAR)")
        con.executemany("INSERT INTO t VALUES (?)", [[value] for value in values])
        types, rows = find_types(con, "t", 1)
        assert (types, rows) == ((expected,), len(values))
        assert len(con.execute(f"SELECT {plan_cast(0, types[0])} FROM t").fetchall()) == len(values)


def test_a_late_value_decides() -> None:
    with duckdb.connect() as con:
        con.execute("CREATE TABLE t AS SELECT i::VARCHAR AS c0 FROM range(50000) r(i)")
        con.execute("INSERT INTO t VALUES ('9223372036854775808')")
        assert find_types(con, "t", 1) == ((CsvType("numeric"),), 50_001)
