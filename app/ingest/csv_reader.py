"""CSV files: DuckDB reads, finds the types and streams; what does not fit the columns is rejected with its line."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa
from msgspec.structs import replace

from app.catalog.models import StoredColumn
from app.errors import InvalidFileError
from app.ingest.arrow_types import Opened, plan_schema
from app.ingest.column_names import check_column_count, plan_column_names
from app.ingest.csv_dialect import Dialect, find_dialect, plan_read, quote_literal, read_header, read_rows
from app.ingest.csv_types import CsvType, find_types, plan_cast
from app.ingest.rejects import MAX_KEPT, RejectLog
from app.ingest.text_file import MARK_PATTERN, MARK_REASONS, TextFile

BATCH_ROWS = 65_536
#: DuckDB keeps every reject in memory, about 1.2 kB each (1,000,000 took 1.3 GB with 2.0.0), so beyond this number of
#: suspicious lines they are looked for with Python's csv instead.
MAX_STORED_REJECTS = 50_000
MAX_STORED_BYTES = 64 * 1024 * 1024


@contextmanager
def open_csv(text: TextFile, rejects: RejectLog) -> Iterator[Opened]:
    """The columns, the schema and the batches of a CSV file. Values are exactly those of the file, or text.

    Empty cells are NULL, quoted or not. The rows come in the file's order.

    Raises:
        InvalidFileError: not a CSV file, too many columns, or no row fits.
    """
    with _connect(text.path) as con:
        try:
            dialect = find_dialect(con, text)
            types, rows = find_types(con, _plan_source(text, dialect), dialect.width)
            unquoted = _find_unquoted(con, text, dialect, rows)
            if unquoted:
                dialect = unquoted
                types, rows = find_types(con, _plan_source(text, dialect), dialect.width)
        except duckdb.Error as exc:
            raise InvalidFileError(_explain(exc)) from exc
        names = read_header(text, dialect)
        columns = _plan_columns(names, types)
        schema = plan_schema(columns, {c.name: t.scale for c, t in zip(columns, types, strict=True)})
        if rows == 0 and text.lines > dialect.skip + dialect.has_header and not _is_blank(text, dialect):
            raise InvalidFileError("no row of the file fits its header")
        yield columns, schema, _stream(con, text, dialect, types, schema, rows, rejects)


def _find_unquoted(
    con: duckdb.DuckDBPyConnection, text: TextFile, dialect: Dialect, rows: int
) -> Dialect | None:
    """The dialect without quotes, when that makes rows of all lines: then quotes are just characters (IMDb's TSV)."""
    expected = text.lines - dialect.skip - dialect.has_header
    if dialect.quote_seen or rows == expected or text.has_marks:
        return None
    plain = replace(dialect, quote="", escape="")
    sql = f"SELECT count(*) FROM {_plan_source(text, plain)}"  # noqa: S608 - plan_read quotes
    fitting = con.execute(sql).fetchall()[0][0]
    return plain if fitting == expected else None


@contextmanager
def _connect(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    config: dict[str, str | bool | int | float | list[str]] = {
        "threads": 2,
        "memory_limit": "256MB",
        "temp_directory": "",
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "python_enable_replacements": False,
    }
    con = duckdb.connect(":memory:", config=config)
    try:
        con.execute("SET TimeZone = 'UTC'")
        con.execute(f"SET allowed_paths = [{quote_literal(str(path))}]")
        con.execute("SET enable_external_access = false")
        con.execute("SET lock_configuration = true")
        yield con
    finally:
        con.close()


def _plan_columns(names: list[str], types: tuple[CsvType, ...]) -> tuple[StoredColumn, ...]:
    check_column_count(len(names))
    source_names = [MARK_PATTERN.sub("\ufffd", name) for name in names]
    return tuple(
        StoredColumn(name=name, source_name=source_name.strip(), type=csv_type.type)
        for name, source_name, csv_type in zip(
            plan_column_names(source_names), source_names, types, strict=True
        )
    )


def _plan_source(text: TextFile, dialect: Dialect, *, store_rejects: bool = False) -> str:
    """All rows that fit, without those that carry a mark."""
    source = plan_read(text, dialect, "store_rejects=true" if store_rejects else "ignore_errors=true")
    unmarked = f"(SELECT * FROM {source} WHERE NOT ({_marked(dialect)}))"  # noqa: S608 - plan_read quotes
    return unmarked if text.has_marks else source


def _marked(dialect: Dialect) -> str:
    pattern = MARK_PATTERN.pattern
    return " OR ".join(f"coalesce(regexp_matches(c{i}, '{pattern}'), false)" for i in range(dialect.width))


def _stream(
    con: duckdb.DuckDBPyConnection,
    text: TextFile,
    dialect: Dialect,
    types: tuple[CsvType, ...],
    schema: pa.Schema,
    rows: int,
    rejects: RejectLog,
) -> Iterator[pa.RecordBatch]:
    suspicious = text.lines - dialect.skip - dialect.has_header - rows
    few = (
        suspicious <= MAX_STORED_REJECTS
        and suspicious * (text.size // max(1, text.lines)) <= MAX_STORED_BYTES
    )
    source = _plan_source(text, dialect, store_rejects=few)
    casts = ", ".join(plan_cast(i, csv_type) for i, csv_type in enumerate(types))
    _reject_preamble(text, dialect, rejects)
    sql = f"SELECT {casts} FROM {source}"  # noqa: S608 - plan_read quotes, the casts name c0, c1, ...
    try:
        with con.sql(sql).to_arrow_reader(BATCH_ROWS) as reader:
            for batch in reader:
                yield pa.RecordBatch.from_arrays(batch.columns, schema=schema)
        marked = _reject_marked(con, text, dialect, rejects) if text.has_marks else 0
        if few:
            _reject_stored(con, rejects)
        elif suspicious > marked:
            _reject_ragged(text, dialect, rows + marked, rejects)
    except duckdb.Error as exc:
        raise InvalidFileError(_explain(exc)) from exc


def _reject_preamble(text: TextFile, dialect: Dialect, rejects: RejectLog) -> None:
    with text.path.open(encoding="utf-8-sig", newline="") as file:
        for line in range(1, dialect.skip + 1):
            raw = file.readline().strip()
            if raw:
                rejects.add(line, "stands before the header", raw)


def _reject_stored(con: duckdb.DuckDBPyConnection, rejects: RejectLog) -> None:
    sql = (
        "SELECT line, any_value(csv_line), string_agg(DISTINCT error_message, '; ') FROM reject_errors "
        "GROUP BY line ORDER BY line"
    )
    result = con.execute(sql)
    while found := result.fetchmany(1_000):
        for line, raw, reason in found:
            rejects.add(int(line), str(reason).splitlines()[0], raw or "")


def _reject_marked(
    con: duckdb.DuckDBPyConnection, text: TextFile, dialect: Dialect, rejects: RejectLog
) -> int:
    source = plan_read(text, dialect, "ignore_errors=true")
    cells = ", ".join(f"c{i}" for i in range(dialect.width))
    rest = f"FROM {source} WHERE {_marked(dialect)}"
    pattern = MARK_PATTERN.pattern
    found = f"SELECT regexp_extract(concat_ws(',', {cells}), '{pattern}'), left(concat_ws(',', {cells}), 3000) {rest}"
    for first, raw in con.execute(f"{found} LIMIT {MAX_KEPT}").fetchall():
        mark = MARK_PATTERN.search(first)
        line, reason = (int(mark[2]), MARK_REASONS[mark[1]]) if mark else (None, MARK_REASONS["U"])
        rejects.add(line, reason, MARK_PATTERN.sub("\ufffd", raw))
    marked = int(con.execute(f"SELECT count(*) {rest}").fetchall()[0][0])
    rejects.total += max(0, marked - MAX_KEPT)
    return marked


def _reject_ragged(text: TextFile, dialect: Dialect, fitting: int, rejects: RejectLog) -> None:
    """The rejects of a file with very many suspicious lines, in bounded memory; the count is DuckDB's own."""
    records = 0
    named = rejects.total
    with text.path.open(encoding="utf-8-sig", newline="") as file:
        for _ in range(dialect.skip):
            file.readline()
        reader = read_rows(file, dialect)
        if dialect.has_header:
            next(reader, None)
        for row in reader:
            records += bool(row)
            if row and len(row) != dialect.width and len(rejects.kept) < MAX_KEPT:
                reason = f"Expected Number of Columns: {dialect.width} Found: {len(row)}"
                rejects.add(
                    getattr(reader, "line_num", 0) + dialect.skip, reason, dialect.delimiter.join(row)
                )
    rejects.total = max(rejects.total, named + records - fitting)


def _is_blank(text: TextFile, dialect: Dialect) -> bool:
    """True when nothing but blank lines follows the header."""
    with text.path.open("rb") as file:
        rest = (line for number, line in enumerate(file) if number >= dialect.skip and line.strip())
        return len(list(itertools.islice(rest, 2))) <= int(dialect.has_header)


def _explain(exc: duckdb.Error) -> str:
    lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
    reason = " ".join(lines[:3]).removeprefix("Invalid Input Error: ")
    return f"the CSV file cannot be read: {reason}"[:500]
