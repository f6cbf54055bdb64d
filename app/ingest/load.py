"""A file's rows into a load table of their own: nobody sees it before the transaction that makes it a dataset's."""

import re
import secrets
import time
from collections.abc import Iterator

import adbc_driver_manager
import msgspec
import pyarrow as pa
from adbc_driver_postgresql import dbapi
from psycopg import sql
from psycopg.conninfo import make_conninfo

from app.catalog.models import StoredColumn
from app.errors import (
    DiskFullError,
    DuplicateRowKeyError,
    InvalidFileError,
    InvalidInputError,
    LakewardError,
    UnavailableError,
)
from app.ingest import statements
from app.ingest.extract import Extract
from app.ingest.models import Reject


class Loaded(msgspec.Struct, frozen=True):
    """A load table, complete, and what the file's other rows were rejected for."""

    table: str
    row_key: str | None
    columns: tuple[StoredColumn, ...]
    rows: int
    rejects: list[Reject]
    rejected: int


class _Batches:
    """The extract's batches; counts rows, and keeps the exception that Arrow's C stream would lose."""

    def __init__(self, extract: Extract) -> None:
        self._extract = extract
        self.rows = 0
        self.error: Exception | None = None

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self._extract.batches:
                self.rows += batch.num_rows
                yield batch
        except Exception as exc:
            self.error = exc
            raise


def create_load_table_name() -> str:
    """A new name; it begins with the second it was made in, so that leftovers can be told by their age."""
    return f"_load_{int(time.time())}_{secrets.token_hex(4)}"


def stored_columns(extract: Extract) -> tuple[StoredColumn, ...]:
    """The extract's columns as the catalog keeps them."""
    return tuple(
        StoredColumn(name=column.name, source_name=column.source_name, type=column.type)
        for column in extract.columns
    )


def load_rows(dsn: str, owner_role: str, extract: Extract, row_key: str | None = None) -> Loaded:
    """Write every row of the extract to a new load table, in one transaction. Blocking: run it in a thread.

    With a `row_key` the table has its unique index. Index and statistics are made in the transaction that made the
    table: no WAL is written there; a first scan after the commit takes 2 s of 1M rows (hint bits, with checksums).

    Raises:
        DuplicateRowKeyError: a row key is missing, or there twice.
        InvalidFileError: the file turns out to be broken on the way.
        DiskFullError, UnavailableError: Postgres cannot take the rows.
    """
    table = create_load_table_name()
    columns = stored_columns(extract)
    batches = _Batches(extract)
    try:
        with dbapi.connect(_uri(dsn)) as connection, connection.cursor() as cursor:
            cursor.execute("select set_config('role', $1, true)", parameters=(owner_role,))
            cursor.fetchall()
            cursor.execute(_create_table(table, columns))
            reader = pa.RecordBatchReader.from_batches(extract.schema, iter(batches))
            cursor.adbc_ingest(table, reader, mode="append", db_schema_name="lake")
            if row_key is not None:
                for statement in statements.unique_key(table, row_key):
                    cursor.execute(statement.as_string(None))
            cursor.execute(statements.analyze(table).as_string(None))
            connection.commit()
    except (adbc_driver_manager.Error, pa.ArrowException, OSError) as exc:
        raise _reason(exc, batches.error, row_key) from exc
    return Loaded(
        table=table,
        row_key=row_key,
        columns=columns,
        rows=batches.rows,
        rejects=list(extract.rejects),
        rejected=extract.rejected,
    )


#: Types whose long values Postgres would compress; a byte scan must be able to find what erasure has to remove. Loading
#: texts of 3.5 KB takes a third of the time without compression, and prose takes up to twice the room.
COMPRESSIBLE = frozenset({"text", "text[]", "jsonb", "bytea"})


def _create_table(table: str, columns: tuple[StoredColumn, ...]) -> str:
    definitions = sql.SQL(", ").join(
        sql.SQL("{} {} {}").format(
            sql.Identifier(column.name),
            sql.SQL(column.type),
            sql.SQL("storage external" if column.type in COMPRESSIBLE else ""),
        )
        for column in columns
    )
    return sql.SQL("create table {} ({})").format(sql.Identifier("lake", table), definitions).as_string(None)


def _uri(dsn: str) -> str:
    """The DSN with libpq's own quoting; ADBC hands it to libpq as it is."""
    return make_conninfo(dsn)


def _reason(exc: Exception, reading: Exception | None, row_key: str | None) -> Exception:
    if isinstance(reading, LakewardError):
        return reading
    if reading is not None:
        return InvalidFileError(f"the file cannot be read to its end: {type(reading).__name__}")
    sqlstate = getattr(exc, "sqlstate", None) or ""
    if sqlstate == "23502":
        return DuplicateRowKeyError(f"a row has no {row_key!r}, the row key; nothing was loaded")
    if sqlstate == "23505":
        example = re.search(r"Key \(.*?\)=\((.{0,60})", str(exc))
        shown = f", for example {example[1].partition(') is dup')[0]!r}" if example else ""
        return DuplicateRowKeyError(
            f"row key {row_key!r} is not unique in the file{shown}; nothing was loaded"
        )
    if sqlstate == "42704":
        return InvalidInputError(f"column {row_key!r} cannot be a row key: its values have no order")
    if sqlstate == "53100" or "No space left on device" in str(exc):
        return DiskFullError("the disk is full; nothing of this file was kept", retry_after_s=60)
    if sqlstate.startswith("22"):
        return InvalidFileError("a value of the file cannot be stored in Postgres; nothing of it was kept")
    return UnavailableError("Postgres could not take the rows; nothing was kept, try again", retry_after_s=2)
