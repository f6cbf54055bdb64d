"""The types of CSV columns, decided by DuckDB on the text itself: a type holds only when every value survives it."""

from collections.abc import Callable, Sequence
from typing import Any

import duckdb
from msgspec import Struct

from app.catalog.models import ColumnType
from app.ingest.arrow_types import MAX_DIGITS

_NUMBER = r"\s*-?(0|[1-9][0-9]*)?(\.[0-9]*)?([eE][-+]?[0-9]{1,2})?\s*"
_PLAIN_NUMBER = r"\s*-?(0|[1-9][0-9]*)(\.[0-9]+)?\s*"
_TIME = r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?"
_TIMESTAMP = r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d{1,6})?)?"
_ZONE = r"\s?(Z|[-+](0\d|1[0-5])(:?[0-5]\d)?)"
#: The years that DuckDB, Arrow and Postgres write alike; outside are BC dates and DuckDB's infinity. A day is left at
#: both ends, so that a time zone does not lead out of them.
_CALENDAR = "BETWEEN '0001-01-02' AND '9999-12-31'"
#: Columns in one statement: DuckDB 2.0.0 takes time and memory with the square of the number of aggregates (800 took
#: 2 s and 800 MB), and 1,500 columns at once do not fit the memory limit.
_AT_ONCE = 64


def _matches(pattern: str) -> Callable[[str], str]:
    return lambda c: f"regexp_full_match({c}, '{pattern}')"


def _canonical(c: str, cast: str, otherwise: str) -> str:
    """The quick test first: the value is what its type prints. CASE looks at the other rows only."""
    return f"CASE WHEN TRY_CAST({c} AS {cast})::VARCHAR = {c} THEN true ELSE {otherwise} END"


#: What must be true of every value. In order of preference; text is what is left. Leading zeros are part of an
#: identifier ("00123"), so numbers must be written as we would write them; dates only the ISO way, because 01/02/2024
#: is two days. A double has at most 15 digits, or is written exactly as the double it becomes.
_TESTS: dict[ColumnType, Callable[[str], str]] = {
    "boolean": lambda c: f"lower({c}) IN ('true', 'false')",
    "bigint": lambda c: _canonical(
        c, "BIGINT", f"coalesce(TRY_CAST({c} AS BIGINT)::VARCHAR = trim({c}), false)"
    ),
    "double precision": lambda c: (
        f"TRY_CAST({c} AS DOUBLE) IS NOT NULL AND {_matches(_NUMBER)(c)} "
        f"AND (length({c}) <= 15 OR TRY_CAST({c} AS DOUBLE)::VARCHAR = trim({c}))"
    ),
    "numeric": _matches(_PLAIN_NUMBER),
    "date": lambda c: (
        f"coalesce(TRY_CAST({c} AS DATE)::VARCHAR = {c} AND length({c}) = 10, false) AND {c} >= '0001'"
    ),
    "time": lambda c: f"TRY_CAST({c} AS TIME) IS NOT NULL AND {_matches(_TIME)(c)}",
    "timestamp": lambda c: (
        f"coalesce(TRY_CAST({c} AS TIMESTAMP) {_CALENDAR}, false) "
        f"AND {_canonical(c, 'TIMESTAMP', _matches(_TIMESTAMP)(c))}"
    ),
    "timestamptz": lambda c: (
        f"coalesce(TRY_CAST({c} AS TIMESTAMPTZ) {_CALENDAR}, false) AND {_matches(_TIMESTAMP + _ZONE)(c)}"
    ),
}
_CASTS: dict[ColumnType, str] = {
    "boolean": "BOOLEAN",
    "bigint": "BIGINT",
    "double precision": "DOUBLE",
    "date": "DATE",
    "time": "TIME",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMPTZ",
}


class CsvType(Struct, frozen=True):
    """The type of a column, and the scale when it is numeric."""

    type: ColumnType
    scale: int = 0


def find_types(con: duckdb.DuckDBPyConnection, source: str, width: int) -> tuple[tuple[CsvType, ...], int]:
    """The narrowest type of each of the columns c0, c1, ... that holds for *every* row, and the number of rows.

    A sample proposes, one pass over the whole file confirms; columns for which it does not are decided anew on the
    whole file, so an unlucky sample costs a pass and never a row.
    """
    sample_rows = max(200, min(3_000, 300_000 // width))
    columns = range(width)
    proposed = _decide(con, f"(FROM {source} LIMIT {sample_rows})", columns)
    failed, rows = _confirm(con, source, proposed)
    if failed:
        decided = _decide(con, source, failed)
        proposed |= decided
    return tuple(proposed[i] for i in columns), rows


def plan_cast(column: int, csv_type: CsvType) -> str:
    """The SQL expression that makes column c<n> the type; never fails for a type that `find_types` gave."""
    if csv_type.type == "text":
        return f"c{column}"
    cast = f"DECIMAL({MAX_DIGITS}, {csv_type.scale})" if csv_type.type == "numeric" else _CASTS[csv_type.type]
    return f"CAST(c{column} AS {cast}) AS c{column}"


def _decide(con: duckdb.DuckDBPyConnection, source: str, columns: Sequence[int]) -> dict[int, CsvType]:
    decided: dict[int, CsvType] = {}
    for at in range(0, len(columns), _AT_ONCE):
        decided |= _decide_some(con, source, columns[at : at + _AT_ONCE])
    return decided


def _decide_some(con: duckdb.DuckDBPyConnection, source: str, columns: Sequence[int]) -> dict[int, CsvType]:
    """The types that hold in `source`; the columns become rows of (column, value), so that each test stands once."""
    tests = ", ".join(f"bool_and({test('v')})" for test in _TESTS.values())
    digits = ", ".join(f"max(length(split_part(trim(v), '.', {part})))" for part in (1, 2))
    cells, numbers = ", ".join(f"c{i}" for i in columns), ", ".join(map(str, columns))
    sql = (
        f"SELECT i, {tests}, {digits} FROM "  # noqa: S608 - plan_read quotes; c0, c1, ... otherwise
        f"(SELECT unnest([{numbers}]) AS i, unnest([{cells}]) AS v FROM {source}) WHERE v IS NOT NULL GROUP BY i"
    )
    decided = {column: CsvType("text") for column in columns}
    for column, *results, whole, scale in con.execute(sql).fetchall():
        found: ColumnType = next((name for name, holds in zip(_TESTS, results, strict=True) if holds), "text")
        # the sign counts as a digit here, which only matters for 38-digit negative numbers
        if found == "numeric" and whole + scale > MAX_DIGITS:
            found = "text"
        decided[column] = CsvType(found, scale if found == "numeric" else 0)
    return decided


def _confirm(
    con: duckdb.DuckDBPyConnection, source: str, proposed: dict[int, CsvType]
) -> tuple[list[int], int]:
    """The columns whose proposed type does not hold for the whole file, and the number of rows."""
    typed = [i for i, csv_type in proposed.items() if csv_type.type != "text"]
    failed: list[int] = []
    rows = 0
    for at in range(0, max(1, len(typed)), _AT_ONCE):
        some = typed[at : at + _AT_ONCE]
        tests = [f"coalesce({_all_hold(f'c{i}', _test(f'c{i}', proposed[i]))}, true)" for i in some]
        rows, *results = _fetch(con, ["count(*)", *tests], source)
        failed += [i for i, holds in zip(some, results, strict=True) if not holds]
    return failed, rows


def _all_hold(c: str, test: str) -> str:
    return f"bool_and({test}) FILTER ({c} IS NOT NULL)"


def _test(c: str, csv_type: CsvType) -> str:
    if csv_type.type != "numeric":
        return _TESTS[csv_type.type](c)
    fits = (
        f"length(split_part(trim({c}), '.', 1)) <= {MAX_DIGITS - csv_type.scale} "
        f"AND length(split_part(trim({c}), '.', 2)) <= {csv_type.scale}"
    )
    return f"{_TESTS['numeric'](c)} AND {fits}"


def _fetch(con: duckdb.DuckDBPyConnection, expressions: Sequence[str], source: str) -> tuple[Any, ...]:
    sql = f"SELECT {', '.join(expressions)} FROM {source}"  # noqa: S608 - plan_read quotes; c0, c1, ... otherwise
    # fetchall: DuckDB 2 refuses the next statement while a result is not fetched to its end
    row: tuple[Any, ...] = con.execute(sql).fetchall()[0]
    return row
