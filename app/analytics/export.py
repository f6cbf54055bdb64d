"""Arrow exports: ADBC reads a relation under the reader's own role, so that rows arrive already governed.

All relations of one query are read in one snapshot, and those that the hot cache has are fresh in it or read, too.
"""

from collections.abc import Sequence

import adbc_driver_manager
import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from adbc_driver_postgresql import dbapi
from psycopg import sql
from psycopg.conninfo import make_conninfo

from app.analytics.cache_models import Cached
from app.analytics.models import RelationColumns
from app.db.queries import load_queries
from app.errors import ForbiddenError, InvalidQueryError, TimeoutExceededError, UnavailableError

QUERIES = load_queries(__file__)
ARROW_TYPES: dict[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "bigint": pa.int64(),
    "double precision": pa.float64(),
    "numeric": pa.decimal128(38, 10),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", tz="UTC"),
    "text": pa.string(),
    "text[]": pa.list_(pa.string()),
    "jsonb": pa.string(),
    "bytea": pa.binary(),
}
#: ADBC's first batch is as large as this hint, in bytes; smaller ones bound what is held beyond the limit.
BATCH_BYTES = 4 * 1024 * 1024


def arrow_schema(relation: RelationColumns) -> pa.Schema:
    """The schema a relation has in the engine before its rows are read."""
    return pa.schema(
        [(name, ARROW_TYPES[kind]) for name, kind in zip(relation.names, relation.types, strict=True)]
    )


class Exported(msgspec.Struct, frozen=True):
    """Rows by relation, the snapshot they are of, and the oids of the relations that were read."""

    tables: dict[str, pa.Table]
    oids: dict[str, int]
    snapshot: str


class ExportTask(msgspec.Struct, frozen=True):
    """What to read as whom; `cached` relations only if they are not fresh, which the steward's role may look up."""

    dsn: str
    role: str
    steward: str
    relations: list[RelationColumns]
    cached: list[tuple[Cached, RelationColumns]]
    timeout_ms: int
    memory_bytes: int

    def __repr__(self) -> str:
        """Without the DSN, which holds a password."""
        return f"ExportTask({self.role})"


def export_relations(task: ExportTask) -> Exported:
    """The rows of the relations as the role sees them, by name. Blocking: run it in a thread.

    Raises:
        ForbiddenError: the role may not read one of them.
        InvalidQueryError: together they are larger than `memory_bytes`.
        UnavailableError, TimeoutExceededError: the database is away, or too slow.
    """
    try:
        with dbapi.connect(_uri(task.dsn)) as connection, connection.cursor() as cursor:
            cursor.execute("set transaction isolation level repeatable read, read only")
            # until the transaction ends, nobody can replace a relation that was read: its oid is what it was
            relations = [*task.relations, *_begin(cursor, task)]
            tables: dict[str, pa.Table] = {}
            left = task.memory_bytes
            for relation in relations:
                table = _read(cursor, relation, left)
                left -= table.nbytes
                tables[relation.name] = table
            return _describe(cursor, relations, tables)
    except adbc_driver_manager.Error as exc:
        raise _translate(exc) from exc
    except pa.ArrowInvalid as exc:
        raise InvalidQueryError(
            "a number in one of the query's relations has more than 38 digits, or is none; the engine cannot hold it"
        ) from exc


def _begin(cursor: dbapi.Cursor, task: ExportTask) -> list[RelationColumns]:
    """Become the role. Those of the cached relations that are not fresh in the transaction's snapshot."""
    stale: list[str] = []
    if task.cached:
        cursor.execute("select set_config('role', $1, true)", parameters=(task.steward,))
        cursor.fetchall()
        items = msgspec.json.encode([cached for cached, _ in task.cached]).decode()
        cursor.execute(QUERIES["stale_in_export"], parameters=(items,))
        stale = [row[0] for row in cursor.fetchall()]
    cursor.execute(
        "select set_config('statement_timeout', $1, true), set_config('search_path', 'pg_catalog', true), "
        "set_config('role', $2, true)",
        parameters=(str(task.timeout_ms), task.role),
    )
    cursor.fetchall()
    return [relation for cached, relation in task.cached if cached.name in stale]


def _describe(
    cursor: dbapi.Cursor, relations: Sequence[RelationColumns], tables: dict[str, pa.Table]
) -> Exported:
    items = msgspec.json.encode([[r.schema_name, r.name] for r in relations]).decode()
    cursor.execute(QUERIES["exported"], parameters=(items,))
    rows = cursor.fetchall()
    return Exported(tables, {name: oid for name, oid, _ in rows}, rows[0][2] if rows else "")


def _read(cursor: dbapi.Cursor, relation: RelationColumns, limit_bytes: int) -> pa.Table:
    columns = sql.SQL(", ").join(
        sql.SQL("{}::text").format(sql.Identifier(name))
        if kind in ("numeric", "jsonb")
        else sql.Identifier(name)
        for name, kind in zip(relation.names, relation.types, strict=True)
    )
    statement = sql.SQL("select {} from {}").format(
        columns, sql.Identifier(relation.schema_name, relation.name)
    )
    cursor.adbc_statement.set_options(**{"adbc.postgresql.batch_size_hint_bytes": str(BATCH_BYTES)})
    cursor.execute(statement.as_string(None))
    reader = cursor.fetch_record_batch()
    batches, size = [], 0
    for batch in reader:
        size += batch.nbytes
        if size > limit_bytes:
            raise InvalidQueryError(
                f"relation {relation.name!r} does not fit the memory a query may use (query.memory_bytes)"
            )
        batches.append(batch)
    table = pa.Table.from_batches(batches, reader.schema)
    arrays = [_typed(table.column(position), kind) for position, kind in enumerate(relation.types)]
    return pa.table(arrays, names=relation.names)


def _typed(column: pa.ChunkedArray, kind: str) -> pa.ChunkedArray:
    if kind == "numeric":
        return column.cast(pa.decimal128(38, _scale(column)))
    wanted = ARROW_TYPES[kind]
    return column if column.type == wanted else column.cast(wanted)


def _scale(column: pa.ChunkedArray) -> int:
    """Digits after the point that the column needs, so that no value is rounded."""
    fraction = pc.max(pc.utf8_length(pc.replace_substring_regex(column, r"^[^.]*\.?", ""))).as_py()
    return min(int(fraction or 0), 38)


def _uri(dsn: str) -> str:
    """The DSN with libpq's own quoting; ADBC hands it to libpq as it is."""
    return make_conninfo(dsn)


def _translate(exc: adbc_driver_manager.Error) -> Exception:
    sqlstate = exc.sqlstate or ""
    if sqlstate == "42501":
        return ForbiddenError("this profile may not read one of the query's relations")
    if sqlstate == "57014":
        return TimeoutExceededError("the time limit was reached while rows were read")
    return UnavailableError("the rows could not be read from Postgres; try again", retry_after_s=2)
