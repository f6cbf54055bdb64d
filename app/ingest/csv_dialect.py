"""How a CSV file is written: its delimiter, quotes, header and where its rows begin."""

import csv
import itertools
import re
from collections.abc import Iterable, Iterator
from typing import Any

import duckdb
from msgspec import Struct
from msgspec.structs import replace

from app.errors import InvalidFileError
from app.ingest.column_names import check_column_count
from app.ingest.text_file import TextFile

_SNIFF_ROWS = 4_096
#: Any line is a row of one column, so rows of several columns weigh more: a file of which a third fits them is ragged.
_WIDE_BONUS = 4
_DELIMITERS = ",;\t|"
#: Python's csv stops at 128 kB a cell otherwise; this is process-wide, and lines are checked before.
csv.field_size_limit(64 * 1024 * 1024)
#: What Excel writes and reads before the header.
_SEP_LINE = re.compile(r"sep=([,;\t|])\r?\n", re.IGNORECASE)
_LOOKS_LIKE_DATA = re.compile(r"\s*[-+]?(\d+([.,]\d+)*([eE][-+]?\d+)?|\d{4}-\d\d-\d\d.*)\s*")


class Dialect(Struct, frozen=True):
    """How to read a file; `skip` lines stand before the header or the first row."""

    delimiter: str
    quote: str
    escape: str
    skip: int
    has_header: bool
    width: int
    quote_seen: bool = True


def find_dialect(con: duckdb.DuckDBPyConnection, text: TextFile) -> Dialect:
    """The dialect under which most of the file's first lines are rows; the first of equals.

    Raises:
        InvalidFileError: more columns than a table can have, or no dialect gives any row.
    """
    plausible: list[tuple[int, Dialect]] = []
    for dialect in _candidates(con, text):
        check_column_count(dialect.width)
        rows = _count_rows(con, text, dialect)
        if dialect.width > 1 and rows >= min(_SNIFF_ROWS, text.lines - dialect.skip - dialect.has_header) > 0:
            return dialect
        plausible.append((rows * (_WIDE_BONUS if dialect.width > 1 else 1), dialect))
    score, best = max(plausible, key=lambda found: found[0])
    if score:
        return best
    headers = [d for _, d in plausible if d.has_header and d.skip == 0 and text.lines <= 1]
    if headers:
        return headers[0]
    raise InvalidFileError("no line of the file can be read as a CSV row; is it another kind of file?")


def read_header(text: TextFile, dialect: Dialect) -> list[str]:
    """The header's cells as they are written, as many as the dialect has columns; "" where there is none."""
    if not dialect.has_header:
        return [""] * dialect.width
    row = _first_row(_read_start_rows(text, dialect))
    return [*row, *[""] * dialect.width][: dialect.width]


def plan_read(text: TextFile, dialect: Dialect, *extra: str) -> str:
    """The `read_csv(...)` call that gives all columns as text, named c0, c1, ..."""
    columns = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(dialect.width))
    longest = max(2_000_000, text.longest_line + 1_000)
    options = [
        quote_literal(str(text.path)),
        f"columns={{{columns}}}",
        f"delim={quote_literal(dialect.delimiter)}",
        f"quote={quote_literal(dialect.quote)}",
        f"escape={quote_literal(dialect.escape)}",
        f"header={str(dialect.has_header).lower()}",
        f"skip={dialect.skip}",
        f"max_line_size={longest}",
        f"buffer_size={max(8_000_000, 2 * longest)}",
        "auto_detect=false, comment='', compression='none'",
        *extra,
    ]
    return f"read_csv({', '.join(options)})"


def quote_literal(text: str) -> str:
    """A string literal of DuckDB's SQL."""
    return "'" + text.replace("'", "''") + "'"


def _candidates(con: duckdb.DuckDBPyConnection, text: TextFile) -> Iterator[Dialect]:
    """Lenient first: strict sniffing takes a ragged file for one column, or skips its first half."""
    first = _read_start(text)
    if named := _SEP_LINE.match(first):
        rest = _guess(first[named.end() :], named[1])
        yield _with_honest_header(text, replace(rest, skip=1))
    for strict in (False, True):
        sniffed = _sniff(con, text, strict=strict)
        if sniffed and (sniffed.quote == '"' or not first.startswith('"')):
            yield _with_honest_header(text, sniffed)
    yield _with_honest_header(text, _guess(first))


def _sniff(con: duckdb.DuckDBPyConnection, text: TextFile, *, strict: bool) -> Dialect | None:
    longest = max(2_000_000, text.longest_line + 1_000)
    lenient = "" if strict else ", ignore_errors=true"
    sql = (
        "SELECT Delimiter, Quote, Escape, SkipRows, HasHeader, len(Columns) FROM sniff_csv(?, comment='', "  # noqa: S608 - numbers
        f"compression='none', sample_size={_SNIFF_ROWS}, max_line_size={longest}, "
        f"buffer_size={max(8_000_000, 2 * longest)}{lenient})"
    )
    try:
        row: Any = con.execute(sql, [str(text.path)]).fetchall()[0]
    except duckdb.Error:
        return None
    # a sample without quotes says nothing about the rest of the file
    quote, escape = ('"' if row[1] == "(empty)" else row[1]), row[2]
    escape = quote if escape == "(empty)" else escape
    return Dialect(row[0], quote, escape, int(row[3]), bool(row[4]), int(row[5]), row[1] != "(empty)")


def _guess(start: str, delimiters: str = _DELIMITERS) -> Dialect:
    """RFC 4180 with the delimiter that gives the first line most cells."""
    lines = start.splitlines(keepends=True)[:100]
    rows = {d: _first_row(csv.reader(lines, delimiter=d)) for d in delimiters}
    delimiter = max(rows, key=lambda d: len(rows[d]))
    return Dialect(delimiter, '"', '"', 0, True, max(1, len(rows[delimiter])))


def _first_row(rows: Iterator[list[str]]) -> list[str]:
    try:
        return next((row for row in rows if row), [])
    except csv.Error:
        return []


def _with_honest_header(text: TextFile, dialect: Dialect) -> Dialect:
    """A first row of nothing but numbers, dates and blanks is data, whatever the sniffer says."""
    if not dialect.has_header:
        return dialect
    filled = [cell for cell in _first_row(_read_start_rows(text, dialect)) if cell.strip()]
    has_header = not filled or not all(_LOOKS_LIKE_DATA.fullmatch(cell) for cell in filled)
    return replace(dialect, has_header=has_header)


def _count_rows(con: duckdb.DuckDBPyConnection, text: TextFile, dialect: Dialect) -> int:
    """The rows among the first that fit, at most as many as are sniffed."""
    source = plan_read(text, dialect, "ignore_errors=true")
    sql = f"SELECT count(*) FROM (SELECT c0 FROM {source} LIMIT {_SNIFF_ROWS})"  # noqa: S608 - plan_read quotes
    try:
        return int(con.execute(sql).fetchall()[0][0])
    except duckdb.Error:
        return 0


def _read_start(text: TextFile) -> str:
    with text.path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        return file.read(1 << 20)


def _read_start_rows(text: TextFile, dialect: Dialect) -> Iterator[list[str]]:
    """The rows of the first megabyte; enough for a header."""
    lines = itertools.islice(_read_start(text).splitlines(keepends=True), dialect.skip, None)
    return read_rows(lines, dialect)


def read_rows(lines: Iterable[str], dialect: Dialect) -> Iterator[list[str]]:
    """The rows as Python's csv reads them. It is lenient where DuckDB rejects, so only for headers and for reasons."""
    doubled = dialect.escape == dialect.quote
    return csv.reader(
        lines,
        delimiter=dialect.delimiter,
        quotechar=dialect.quote or None,
        quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
        doublequote=doubled,
        escapechar=None if doubled else dialect.escape or None,
    )
