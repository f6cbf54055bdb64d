"""Two statements, one round trip: settings and a read, prepared, in one pipeline up to one sync.

psycopg's own pipeline does the same with two cursors and six waits; on a search of 1 ms that cost another 0.5 ms.
This is its loop (psycopg/generators.py) for exactly this case: send all, wait, take the results.
Until the sync Postgres runs what it got as one implicit transaction, so settings that are local end with the read.
"""

import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, TypeAlias, TypeVar

import msgspec
from psycopg import errors, pq, sql
from psycopg.abc import PQGen
from psycopg.abc import Transformer as TransformerType
from psycopg.adapt import PyFormat, Transformer
from psycopg.waiting import Ready, Wait

from app.db.pool import Connection

Row = TypeVar("Row")

_PLACEHOLDER = re.compile(rb"%(?:\((\w+)\))?([sb%])")
_OK = (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK)
#: Prepared statements of one connection, by the bytes of their texts: what the server keeps of one is some forty times
#: as much, and a reader's filters can be of any shape.
MAX_PREPARED_BYTES = 1_000_000
_Key: TypeAlias = tuple[bytes, tuple[int, ...]]


class _Prepared(OrderedDict[_Key, bytes]):
    """Names of the statements that are prepared on a connection, by text and parameter types; none is used twice.

    Those that were used last are at the end.
    """

    made = 0
    size = 0

    def add(self, key: _Key) -> bytes:
        """A new name."""
        self.made += 1
        self.size += len(key[0])
        self[key] = name = b"lw%d" % self.made
        return name

    def remove(self, key: _Key) -> bytes | None:
        """Forget the name, and say which it was."""
        name = self.pop(key, None)
        if name is not None:
            self.size -= len(key[0])
        return name

    def forget(self) -> None:
        """The server knows none of them any more."""
        self.clear()
        self.size = 0


@lru_cache(maxsize=2048)
def _convert(statement: bytes) -> tuple[bytes, tuple[str | None, ...]]:
    """The statement with $1, $2 … in the place of psycopg's placeholders, and their names in that order."""
    names: list[str | None] = []

    def number(match: re.Match[bytes]) -> bytes:
        if match[2] == b"%":
            return b"%"
        name = match[1].decode() if match[1] else None
        if name is None or name not in names:
            names.append(name)
            return b"$%d" % len(names)
        return b"$%d" % (names.index(name) + 1)

    return _PLACEHOLDER.sub(number, statement), tuple(names)


class Call(msgspec.Struct, frozen=True):
    """A statement with its parameters, by name or in order; `texts` says that all of them are bytes of text."""

    statement: bytes
    parameters: Mapping[str, Any] | Sequence[Any]
    texts: bool = False

    def resolve(self) -> tuple[bytes, list[Any]]:
        """Text and parameters as the protocol takes them."""
        text, names = _convert(self.statement)
        if isinstance(self.parameters, Mapping):
            by_name = self.parameters
            return text, [by_name[name] for name in names if name is not None]
        return text, list(self.parameters)


def as_bytes(statement: str | bytes | sql.Composable) -> bytes:
    """A statement's text, however it was written."""
    if isinstance(statement, bytes):
        return statement
    return statement.encode() if isinstance(statement, str) else statement.as_bytes(None)


async def fetch_last(connection: Connection, calls: Sequence[Call], kind: type[Row]) -> list[Row]:
    """Run the calls as one implicit transaction and answer the last one's rows as `kind`, binary on the wire.

    Raises:
        psycopg.Error: the first call that failed; none of them has had an effect then.
    """
    prepared: _Prepared | None = connection.__dict__.get("_lakeward_prepared")
    if prepared is None:
        prepared = connection.__dict__["_lakeward_prepared"] = _Prepared()
    while prepared.size > MAX_PREPARED_BYTES:
        await _deallocate(connection, prepared, [next(iter(prepared))])
    transformer: TransformerType = Transformer(connection)
    ready = _plan_all(transformer, calls, prepared)
    try:
        result = await connection.wait(_exchange(connection.pgconn, ready, prepared))
    except errors.InvalidSqlStatementName:
        # psycopg deallocates everything after a ROLLBACK on this connection
        prepared.forget()
    except errors.FeatureNotSupported as exc:
        # a table has other columns by now
        if exc.diag.source_function != "RevalidateCachedQuery":
            raise
        await _deallocate(connection, prepared, [call.key for call in ready])
    else:
        return _rows(transformer, result, kind)
    ready = _plan_all(transformer, calls, prepared)
    return _rows(transformer, await connection.wait(_exchange(connection.pgconn, ready, prepared)), kind)


async def _deallocate(connection: Connection, prepared: _Prepared, keys: Sequence[_Key]) -> None:
    """One by one: to deallocate all would take psycopg's own, which it does not notice each time."""
    for key in keys:
        name = prepared.remove(key)
        if name is not None:
            statement = sql.SQL("deallocate {}").format(sql.Identifier(name.decode()))
            with suppress(errors.InvalidSqlStatementName):
                await connection.execute(statement, prepare=False)


class _Ready(msgspec.Struct, frozen=True):
    """A call as it is sent: `text` only when it has to be prepared first."""

    key: _Key
    name: bytes
    text: bytes | None
    values: Sequence[Any]
    types: tuple[int, ...]
    formats: Sequence[pq.Format] | None


def _plan_all(transformer: TransformerType, calls: Sequence[Call], prepared: _Prepared) -> list[_Ready]:
    """Parameters are dumped, and may fail to be, before the connection is in pipeline mode."""
    ready: list[_Ready] = []
    try:
        for call in calls:
            ready.append(_plan(transformer, call, prepared))
    except BaseException:
        for planned in ready:
            if planned.text is not None:
                prepared.remove(planned.key)
        raise
    return ready


def _plan(transformer: TransformerType, call: Call, prepared: _Prepared) -> _Ready:
    text, parameters = call.resolve()
    if call.texts:
        return _name(prepared, text, parameters, (), None)
    values = transformer.dump_sequence(parameters, [PyFormat.AUTO] * len(parameters))
    return _name(prepared, text, values, tuple(transformer.types or ()), list(transformer.formats or ()))


def _name(
    prepared: _Prepared,
    text: bytes,
    values: Sequence[Any],
    types: tuple[int, ...],
    formats: Sequence[pq.Format] | None,
) -> _Ready:
    key = (text, types)
    name = prepared.get(key)
    if name is not None:
        prepared.move_to_end(key)
        return _Ready(key, name, None, values, types, formats)
    return _Ready(key, prepared.add(key), text, values, types, formats)


def _exchange(pgconn: pq.abc.PGconn, ready: Sequence[_Ready], prepared: _Prepared) -> PQGen[pq.abc.PGresult]:
    pgconn.enter_pipeline_mode()
    for call in ready:
        if call.text is not None:
            pgconn.send_prepare(call.name, call.text, call.types)
        pgconn.send_query_prepared(call.name, call.values, call.formats, result_format=pq.Format.BINARY)
    pgconn.pipeline_sync()
    try:
        results = yield from _results(pgconn)
    finally:
        if pgconn.status == pq.ConnStatus.OK and not pgconn.is_busy():
            pgconn.exit_pipeline_mode()
    for result in results:
        if result.status not in _OK:
            for call in ready:
                if call.text is not None:
                    prepared.remove(call.key)
            raise errors.error_from_result(result, encoding="utf-8")
    return results[-1]


def _results(pgconn: pq.abc.PGconn) -> PQGen[list[pq.abc.PGresult]]:
    """Everything up to the sync, errors and what was aborted after them included."""
    while pgconn.flush():
        ready = yield Wait.RW
        if ready & Ready.R:
            pgconn.consume_input()
    results: list[pq.abc.PGresult] = []
    while True:
        while pgconn.is_busy():
            yield Wait.R
            pgconn.consume_input()
        result = pgconn.get_result()
        if result is None:
            continue
        if result.status == pq.ExecStatus.PIPELINE_SYNC:
            return results
        results.append(result)


def _rows(transformer: TransformerType, result: pq.abc.PGresult, kind: type[Row]) -> list[Row]:
    transformer.set_pgresult(result)
    names = tuple((result.fname(position) or b"").decode() for position in range(result.nfields))
    if names == getattr(kind, "__struct_fields__", None):
        return transformer.load_rows(0, result.ntuples, lambda values: kind(*values))
    return transformer.load_rows(
        0, result.ntuples, lambda values: kind(**dict(zip(names, values, strict=True)))
    )
