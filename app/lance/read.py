"""Chunk ids and vectors out of vec.<index>, by COPY in binary: rows of one size, read as one array."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from psycopg import sql

from app.db.scope import Scope, Transaction
from app.errors import InternalError

Ids = NDArray[np.int64]
Halves = NDArray[np.float16]

#: Signature, flags and length of the header's extension; the trailer is -1 as two bytes
#: (https://www.postgresql.org/docs/18/sql-copy.html, Binary Format).
HEADER_BYTES, TRAILER_BYTES = 19, 2
_COUNT, _LENGTH = ("fields", ">i2"), ">i4"


def chunks_of(table_name: str) -> sql.Identifier:
    """vec.<index>."""
    return sql.Identifier("vec", table_name)


async def read_ids(steward: Scope, table_name: str) -> Ids:
    """The ids of all chunks, in ascending order."""
    statement = sql.SQL("copy (select chunk_id from {}) to stdout (format binary)").format(
        chunks_of(table_name)
    )
    row = np.dtype([_COUNT, ("length", _LENGTH), ("id", ">i8")])
    async with steward.begin() as transaction:
        data = await _copy(transaction, statement)
    return np.sort(_rows(data, row)["id"].astype(np.int64))


async def read_vectors(
    steward: Scope, table_name: str, dimensions: int, ids: Sequence[int]
) -> tuple[Ids, Halves]:
    """Those of the chunks that are still there, with their vectors of shape (n, dimensions).

    Raises:
        InternalError: the index has other dimensions.
    """
    statement = sql.SQL(
        "copy (select chunk_id, embedding from {} where chunk_id = any({}::bigint[]) order by chunk_id) "
        "to stdout (format binary)"
    ).format(chunks_of(table_name), sql.Literal([int(chunk_id) for chunk_id in ids]))
    async with steward.begin() as transaction:
        data = await _copy(transaction, statement)
    return parse_vectors(data, dimensions)


def parse_vectors(data: bytes, dimensions: int) -> tuple[Ids, Halves]:
    """The rows (bigint, halfvec) of a binary COPY; a halfvec is its dimensions, a zero, and big-endian halves.

    Raises:
        InternalError: they have other dimensions.
    """
    row = np.dtype(
        [
            _COUNT,
            ("id_length", _LENGTH),
            ("id", ">i8"),
            ("length", _LENGTH),
            ("dimensions", ">i2"),
            ("unused", ">i2"),
            ("vector", ">f2", (dimensions,)),
        ]
    )
    rows = _rows(data, row)
    if len(rows) and not (rows["dimensions"] == dimensions).all():
        raise InternalError(f"the index has vectors of other dimensions than {dimensions}")
    return rows["id"].astype(np.int64), rows["vector"].astype(np.float16)


def _rows(data: bytes, row: np.dtype[np.void]) -> NDArray[np.void]:
    size = len(data) - HEADER_BYTES - TRAILER_BYTES
    if size % row.itemsize:
        raise InternalError("a COPY of vectors has rows of another size than expected")
    return np.frombuffer(data, row, size // row.itemsize, HEADER_BYTES)


async def _copy(transaction: Transaction, statement: sql.Composed) -> bytes:
    async with transaction.connection.cursor().copy(statement) as copy:
        return b"".join([bytes(block) async for block in copy])
