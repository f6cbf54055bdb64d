"""Rows as Arrow: ADBC reads under a role of ours, in one read-only transaction."""

from collections.abc import Iterator
from contextlib import contextmanager

import adbc_driver_manager
import pyarrow as pa
from adbc_driver_postgresql import dbapi
from psycopg import sql
from psycopg.conninfo import make_conninfo

from app.errors import ForbiddenError, LakewardError, TimeoutExceededError, UnavailableError

#: ADBC's batches are about as large as this hint.
BATCH_BYTES = 4 * 1024 * 1024


@contextmanager
def open_rows(
    dsn: str, role: str, statement: sql.Composed, *, timeout_ms: int, snapshot: str | None = None
) -> Iterator[pa.RecordBatchReader]:
    """The answer to a statement as record batches; read them before the context ends. Blocking.

    With a `snapshot` (pg_export_snapshot) it is what the exporting transaction sees, which must still be open.

    Raises:
        ForbiddenError: the role may not read it.
        UnavailableError, TimeoutExceededError: the database is away, or too slow.
    """
    try:
        with dbapi.connect(make_conninfo(dsn)) as connection, connection.cursor() as cursor:
            cursor.execute("set transaction isolation level repeatable read, read only")
            if snapshot is not None:
                cursor.execute(sql.SQL("set transaction snapshot {}").format(snapshot).as_string(None))
            cursor.execute(
                "select set_config('statement_timeout', $1, true), set_config('search_path', 'pg_catalog', true), "
                "set_config('role', $2, true)",
                parameters=(str(timeout_ms), role),
            )
            cursor.fetchall()
            cursor.adbc_statement.set_options(**{"adbc.postgresql.batch_size_hint_bytes": str(BATCH_BYTES)})
            cursor.execute(statement.as_string(None))
            yield cursor.fetch_record_batch()
    except adbc_driver_manager.Error as exc:
        raise translate_adbc(exc) from exc


def translate_adbc(exc: adbc_driver_manager.Error) -> LakewardError:
    """The error that a reader gets for one of the driver's."""
    sqlstate = exc.sqlstate or ""
    if sqlstate == "42501":
        return ForbiddenError("this profile may not read one of the query's relations")
    if sqlstate == "57014":
        return TimeoutExceededError("the time limit was reached while rows were read")
    return UnavailableError("the rows could not be read from Postgres; try again", retry_after_s=2)
