"""Rows of a Postgres table in the types that they have in files, a batch at a time. Blocking; run it in a thread."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from app.db.adbc import open_rows
from app.delta.models import StoredType
from app.delta.schema import stored_type
from app.errors import ConflictError

#: A copy may take as long as it takes.
TIMEOUT_MS = 24 * 60 * 60 * 1000
#: The writer of files counts days from 1970 up to about the year 262,000.
MAX_DAYS, DAY_US = 95_000_000, 86_400_000_000
#: What ADBC reads as something else, or not at all, is read as text.
_AS_TEXT = ("numeric", "jsonb", "time")


def stored_schema(columns: Sequence[StoredType], scales: dict[str, int]) -> pa.Schema:
    """The Arrow schema of the files for these columns; `scales` of the numeric ones."""
    return pa.schema(
        [(column.name, stored_type(column.type, scales.get(column.name, 0))) for column in columns]
    )


@contextmanager
def open_copy(
    dsn: str,
    role: str,
    table: sql.Identifier,
    columns: Sequence[StoredType],
    scales: dict[str, int],
    snapshot: str | None = None,
) -> Iterator[pa.RecordBatchReader]:
    """All rows of a table as `role` sees them, or saw them in a `snapshot` (app.db.adbc).

    Raises:
        ConflictError: a number has more digits than 38, which files cannot hold.
        UnavailableError: Postgres is away.
    """
    schema = stored_schema(columns, scales)
    names = sql.SQL(", ").join(
        sql.SQL("{}::text").format(sql.Identifier(column.name))
        if column.type in _AS_TEXT
        else sql.Identifier(column.name)
        for column in columns
    )
    statement = sql.SQL("select {} from {}").format(names, table)
    with open_rows(dsn, role, statement, timeout_ms=TIMEOUT_MS, snapshot=snapshot) as reader:
        yield pa.RecordBatchReader.from_batches(schema, _convert(reader, schema))


def read_scales(
    dsn: str, role: str, table: sql.Identifier, columns: Sequence[StoredType], snapshot: str | None = None
) -> dict[str, int]:
    """The digits after the point that each numeric column has at most."""
    names = [column.name for column in columns if column.type == "numeric"]
    if not names:
        return {}
    parts = sql.SQL(", ").join(
        sql.SQL("coalesce(max(scale({})), 0)").format(sql.Identifier(name)) for name in names
    )
    statement = sql.SQL("select {} from {}").format(parts, table)
    with open_rows(dsn, role, statement, timeout_ms=TIMEOUT_MS, snapshot=snapshot) as reader:
        row = reader.read_all().to_pylist()[0]
    return dict(zip(names, (int(value) for value in row.values()), strict=True))


def _convert(reader: pa.RecordBatchReader, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for batch in reader:
        arrays = [_cast(batch.column(position), field) for position, field in enumerate(schema)]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _cast(array: pa.Array, field: pa.Field) -> pa.Array:
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    _check_range(array, field.name)
    if array.type == field.type:
        return array
    try:
        return array.cast(field.type)
    except pa.ArrowInvalid as exc:
        raise ConflictError(
            f"a value of column {field.name!r} does not fit {field.type}, which it is in the files; "
            "nothing was written"
        ) from exc


def _check_range(array: pa.Array, name: str) -> None:
    """Infinity, which Postgres has, arrives as some moment at the end of what 64 bits hold."""
    if pa.types.is_date32(array.type):
        most, whole = MAX_DAYS, pa.int32()
    elif pa.types.is_timestamp(array.type):
        most, whole = MAX_DAYS * DAY_US, pa.int64()
    else:
        return
    ends = pc.min_max(array.cast(whole))
    if ends["max"].is_valid and (ends["max"].as_py() > most or ends["min"].as_py() < -most):
        raise ConflictError(
            f"a value of column {name!r} is infinite or over 260,000 years away, which files cannot hold; "
            "nothing was written"
        )
