"""What an indexing job reads and writes: rows that wait, and their chunks with vectors."""

import asyncio
import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from pgvector import HalfVector
from psycopg import sql

from app.db.scope import Scope, Transaction
from app.errors import InvalidInputError
from app.vectors import refresh_statements as statements
from app.vectors.chunking import compose_text, plan_chunks
from app.vectors.models import IndexRow
from app.vectors.near import table

#: Cutting a text that is longer takes long enough to be done beside the event loop.
MAX_CUT_HERE = 100_000
TEXTS_PER_LOOKUP = 1000
#: Texts whose vectors a job remembers: more than what is embedded and not written yet.
REMEMBERED = 4096

Vector = NDArray[np.float32]


class Pending(msgspec.Struct, frozen=True):
    """A row that waits; `seq` is another when it has changed. No `texts`: they have too many `bytes`."""

    row_key: Any
    seq: int
    bytes: int
    texts: dict[str, Any] | None


class RowChunk(msgspec.Struct, frozen=True):
    """A chunk of a row."""

    row_key: Any
    chunk_no: int
    text: str
    start: int
    end: int


class Cut(msgspec.Struct, frozen=True):
    """Rows and their chunks; those in `refused` have none, for that reason."""

    rows: list[Pending]
    chunks: list[RowChunk]
    refused: dict[Any, str]


class Batch(msgspec.Struct, frozen=True):
    """Rows to write: `vectors[i]` is that of `chunks[i]`; some of the chunks of `embedded` rows came from the model."""

    rows: list[Pending]
    chunks: list[RowChunk]
    vectors: Sequence[Vector]
    embedded: set[Any]
    refused: dict[Any, str]


class Written(msgspec.Struct, frozen=True):
    """What of a batch was written; rows that changed meanwhile are not counted, they wait again."""

    rows: int
    chunks: int
    embedded: int
    reused: int
    rejected: int


class Remembered:
    """Vectors of texts that are perhaps not written yet, by the texts' digests; the oldest are forgotten."""

    def __init__(self) -> None:
        self._vectors: dict[bytes, Vector] = {}

    def find(self, texts: Iterable[str]) -> dict[str, Vector]:
        """Those that are remembered."""
        found = ((text, self._vectors.get(_digest(text))) for text in texts)
        return {text: vector for text, vector in found if vector is not None}

    def add(self, vectors: dict[str, Vector]) -> None:
        """Remember these, too."""
        self._vectors.update((_digest(text), vector) for text, vector in vectors.items())
        for oldest in list(self._vectors)[: max(0, len(self._vectors) - REMEMBERED)]:
            del self._vectors[oldest]


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


async def cut(index: IndexRow, rows: list[Pending]) -> Cut:
    """The chunks of the rows."""
    chunks: list[RowChunk] = []
    refused: dict[Any, str] = {}
    for row in rows:
        try:
            if row.bytes > MAX_CUT_HERE:
                chunks += await asyncio.to_thread(_chunks_of, row, index)
            else:
                chunks += _chunks_of(row, index)
        except InvalidInputError as exc:
            refused[row.row_key] = exc.message
    return Cut(rows, chunks, refused)


def _chunks_of(row: Pending, index: IndexRow) -> list[RowChunk]:
    if row.texts is None:
        raise InvalidInputError(
            f"the row has {row.bytes:,} bytes of text, an index takes at most {statements.MAX_ROW_BYTES:,}"
        )
    text = compose_text(row.texts, index.text_columns)
    return [
        RowChunk(row_key=row.row_key, chunk_no=chunk.no, text=chunk.text, start=chunk.start, end=chunk.end)
        for chunk in plan_chunks(text, index.chunk_size, index.chunk_overlap)
    ]


class _Found(msgspec.Struct, frozen=True):
    position: int
    embedding: HalfVector


async def find_vectors(owner: Scope, index: IndexRow, texts: Sequence[str]) -> dict[str, Vector]:
    """The vectors of the texts that are in the index already, of whichever row."""
    known: dict[str, Vector] = {}
    statement = statements.find_vectors(index)
    for first in range(0, len(texts), TEXTS_PER_LOOKUP):
        part = list(texts[first : first + TEXTS_PER_LOOKUP])
        for found in await owner.fetch(_Found, statement, {"texts": part}):
            known[part[found.position - 1]] = found.embedding.to_numpy().astype(np.float32)
    return known


async def write(owner: Scope, index: IndexRow, batch: Batch) -> Written:
    """Write the chunks of the rows that are still as they were read, and why others were set aside; one transaction."""
    async with owner.begin() as transaction:
        await transaction.execute(statements.lock_chunks(index))
        seen = {"keys": [row.row_key for row in batch.rows], "seqs": [row.seq for row in batch.rows]}
        as_read = set(await transaction.fetch_values(statements.lock_rows(index), seen))
        refused = {key: reason for key, reason in batch.refused.items() if key in as_read}
        ready = as_read - refused.keys()
        if ready:
            await transaction.execute(statements.remove_pending(index), {"keys": list(ready)})
        if refused:
            aside = {"keys": list(refused), "reasons": list(refused.values())}
            await transaction.execute(statements.set_aside(index), aside)
        keep = [position for position, chunk in enumerate(batch.chunks) if chunk.row_key in ready]
        await _copy_chunks(transaction, index, batch, keep)
    with_chunks = {batch.chunks[position].row_key for position in keep}
    embedded = len(with_chunks & batch.embedded)
    return Written(
        rows=len(as_read),
        chunks=len(keep),
        embedded=embedded,
        reused=len(with_chunks) - embedded,
        rejected=len(refused),
    )


async def _copy_chunks(transaction: Transaction, index: IndexRow, batch: Batch, keep: list[int]) -> None:
    if not keep:
        return
    ids = await transaction.fetch_values(
        "select nextval(pg_get_serial_sequence(%s, 'chunk_id')) from generate_series(1, %s)",
        [table(index.table_name).as_string(None), len(keep)],
    )
    cursor = transaction.connection.cursor()
    texts = sql.SQL("copy {} (chunk_id, content, start_at, end_at) from stdin (format binary)")
    async with cursor.copy(texts.format(table(index.table_name, "_text"))) as copy:
        copy.set_types(["int8", "text", "int4", "int4"])
        for chunk_id, position in zip(ids, keep, strict=True):
            chunk = batch.chunks[position]
            await copy.write_row((chunk_id, chunk.text, chunk.start, chunk.end))
    chunks = sql.SQL("copy {} (chunk_id, row_key, chunk_no, embedding) from stdin (format binary)")
    async with cursor.copy(chunks.format(table(index.table_name))) as copy:
        copy.set_types(["int8", index.row_key_type, "int4", "halfvec"])
        for chunk_id, position in zip(ids, keep, strict=True):
            chunk = batch.chunks[position]
            await copy.write_row(
                (chunk_id, chunk.row_key, chunk.chunk_no, HalfVector(batch.vectors[position]))
            )
