"""The types of CSV columns, decided by DuckDB on the text itself: a type holds only when every value survives it."""

from collections.abc import Callable, Sequence
from typing import Any

import duckdb
from msgspec import Struct

from app.ingest.arrow_types import MAX_DIGITS
from app.ingest.models import ColumnType

_NUMBER = r"\s*-?(0|[1-9][0-9]*)?(\.[0-9]*)?([eE][-+]?[0-9]{1,2})?\s*"
_PLAIN_NUMBER = r"\s*-?(0|[1-9][0-9]*)(\.[0-9]+)?\s*"
_TIME = r"\d\d:\d\d:\d\d(\.\d{1,6})?"
_TIMESTAMP = r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d{1,6})?)?"
_ZONE = r"\s?(Z|[-+]\d\d(:?\d\d)?)"


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
    "date": lambda c: f"coalesce(TRY_CAST({c} AS DATE)::VARCHAR = {c} AND length({c}) = 10, false)",
    "time": lambda c: f"TRY_CAST({c} AS TIME) IS NOT NULL AND {_matches(_TIME)(c)}",
    "timestamp": lambda c: _canonical(
        c, "TIMESTAMP", f"TRY_CAST({c} AS TIMESTAMP) IS NOT NULL AND {_matches(_TIMESTAMP)(c)}"
    ),
    "timestamptz": lambda c: (
        f"TRY_CAST({c} AS TIMESTAMPTZ) IS NOT NULL AND {_matches(_TIMESTAMP + _ZONE)(c)}"
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
    tests = [_all_hold(f"c{i}", test(f"c{i}")) for i in columns for test in _TESTS.values()]
    row = _fetch(con, tests, source)
    names = tuple(_TESTS)
    decided: dict[int, CsvType] = {}
    numeric: list[int] = []
    for position, column in enumerate(columns):
        results = row[position * len(names) : (position + 1) * len(names)]
        holding = (name for name, holds in zip(names, results, strict=True) if holds)
        found: ColumnType = next(holding, "text")
        decided[column] = CsvType(found)
        if found == "numeric":
            numeric.append(column)
    return decided | _decide_scales(con, source, numeric)


def _decide_scales(con: duckdb.DuckDBPyConnection, source: str, columns: Sequence[int]) -> dict[int, CsvType]:
    if not columns:
        return {}
    parts = [f"max(length(split_part(trim(c{i}), '.', {part})))" for i in columns for part in (1, 2)]
    row = _fetch(con, parts, source)
    scales: dict[int, CsvType] = {}
    for position, column in enumerate(columns):
        # the sign counts as a digit here, which only matters for 38-digit negative numbers
        whole, scale = row[2 * position], row[2 * position + 1]
        fits = whole + scale <= MAX_DIGITS
        scales[column] = CsvType("numeric", scale) if fits else CsvType("text")
    return scales


def _confirm(
    con: duckdb.DuckDBPyConnection, source: str, proposed: dict[int, CsvType]
) -> tuple[list[int], int]:
    """The columns whose proposed type does not hold for the whole file, and the number of rows."""
    typed = [i for i, csv_type in proposed.items() if csv_type.type != "text"]
    tests = [f"coalesce({_all_hold(f'c{i}', _test(f'c{i}', proposed[i]))}, true)" for i in typed]
    row = _fetch(con, ["count(*)", *tests], source)
    return [i for i, holds in zip(typed, row[1:], strict=True) if not holds], int(row[0])


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
