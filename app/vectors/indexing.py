"""The indexing job: rows that wait in vec.<index>_pending are chunked, embedded and written.

Two tasks with a bounded queue between them: one reads and embeds, the other writes. A batch's chunks and the removal
of its rows from _pending are one transaction, so the queue of pending rows is the checkpoint: a worker that was killed
goes on with what is still pending, and nothing that was written is embedded again. A row that changed while it was
being embedded has a new `seq` and stays pending.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol

import msgspec
import numpy as np
from pgvector import HalfVector
from psycopg import sql

from app.db.builder import building
from app.db.database import Database
from app.db.queries import load_queries
from app.db.scope import Scope, Transaction
from app.errors import InternalError, NotFoundError, ProviderError
from app.models.embedders import Embedders
from app.models.protocol import Embedder
from app.vectors.chunking import compose_text, plan_chunks
from app.vectors.models import IndexRow
from app.vectors.statements import pending_statement, table

QUERIES = load_queries(__file__)
ROWS_PER_READ = 256
#: Batches that may wait to be written: enough to keep the model busy, and all that a kill -9 makes it embed again.
QUEUE_SIZE = 2


class Report(Protocol):
    """How a job says how far it is."""

    async def __call__(self, done: int, total: int | None = None) -> None:
        """`done` of `total` rows."""
        ...


class _Pending(msgspec.Struct, frozen=True):
    row_key: Any
    seq: int
    texts: dict[str, Any]


class _Chunk(msgspec.Struct, frozen=True):
    row_key: Any
    chunk_no: int
    text: str
    start: int
    end: int


class _Batch(msgspec.Struct, frozen=True):
    rows: list[_Pending]
    chunks: list[_Chunk]
    vectors: np.ndarray


class Indexed(msgspec.Struct, frozen=True):
    """What an indexing job did."""

    index: str
    rows: int
    chunks: int


async def get_index_row(scope: Scope, name: str) -> IndexRow:
    """The index, as the scope sees it.

    Raises:
        NotFoundError: no such index, or not the caller's to see.
    """
    parameters = {"name": name, "source": None, "model": None, "after": None, "limit": 1}
    rows = await scope.fetch(IndexRow, QUERIES["indexes"], parameters)
    if not rows:
        raise NotFoundError(f"no index {name[:60]!r}")
    return rows[0]


async def index_pending(database: Database, embedders: Embedders, name: str, report: Report) -> Indexed:
    """Embed every pending row of the index and write its chunks; returns when nothing is pending.

    Raises:
        NotFoundError: the index went away meanwhile.
        ConflictError: no configured model is the index's own.
        ProviderError: the model did not answer as it should.
    """
    owner = database.owner()
    index = await get_index_row(owner, name)
    embedder = await embedders.find(index.provider, index.model_name, index.model_version)
    rows, pending = await _count_rows(owner, index)
    before = max(rows - pending, 0)
    done_rows = done_chunks = 0
    await report(before, rows)
    queue: asyncio.Queue[_Batch | None] = asyncio.Queue(maxsize=QUEUE_SIZE)
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_embed_all(owner, embedder, index, queue))
            while (batch := await queue.get()) is not None:
                done_chunks += await _write(owner, index, batch)
                done_rows += len(batch.rows)
                await report(before + done_rows, max(rows, before + done_rows))
        await _finish(database, owner, index)
    except (InternalError, ExceptionGroup):
        await get_index_row(owner, name)  # it may have been deleted, with the tables this works on
        raise
    return Indexed(index=name, rows=done_rows, chunks=done_chunks)


async def _embed_all(
    owner: Scope, embedder: Embedder, index: IndexRow, queue: "asyncio.Queue[_Batch | None]"
) -> None:
    async for rows in _read_pending(owner, index):
        chunks = [chunk for row in rows for chunk in _chunks_of(row, index)]
        vectors = await embedder.embed([chunk.text for chunk in chunks])
        if vectors.shape != (len(chunks), index.dimensions):
            raise ProviderError(
                f"{index.model_name} answered vectors of shape {vectors.shape}, "
                f"index {index.name!r} needs ({len(chunks)}, {index.dimensions})"
            )
        await queue.put(_Batch(rows=rows, chunks=chunks, vectors=vectors))
    await queue.put(None)


def _chunks_of(row: _Pending, index: IndexRow) -> list[_Chunk]:
    text = compose_text(row.texts, index.text_columns)
    return [
        _Chunk(row_key=row.row_key, chunk_no=chunk.no, text=chunk.text, start=chunk.start, end=chunk.end)
        for chunk in plan_chunks(text, index.chunk_size, index.chunk_overlap)
    ]


async def _read_pending(owner: Scope, index: IndexRow) -> AsyncIterator[list[_Pending]]:
    """Batches in the order of the row key, so that what is still being written is not read again."""
    last: Any = None
    while True:
        statement = pending_statement(index, ROWS_PER_READ, first=last is None)
        rows = await owner.fetch(_Pending, statement, {"last": last})
        if not rows:
            return
        last = rows[-1].row_key
        yield rows


async def _write(owner: Scope, index: IndexRow, batch: _Batch) -> int:
    """Write the chunks of the rows that are still as they were read; how many chunks that were."""
    async with owner.begin() as transaction:
        # first, as whoever deletes the index does; the other order would be a deadlock
        await transaction.execute(
            sql.SQL("lock table {} in row exclusive mode").format(table(index.table_name))
        )
        ready = await _claim_rows(transaction, index, batch.rows)
        keep = [position for position, chunk in enumerate(batch.chunks) if chunk.row_key in ready]
        if keep:
            ids = await transaction.fetch_values(
                "select nextval(pg_get_serial_sequence(%s, 'chunk_id')) from generate_series(1, %s)",
                [table(index.table_name).as_string(None), len(keep)],
            )
            await _copy_chunks(transaction, index, batch, keep, ids)
    return len(keep)


async def _claim_rows(transaction: Transaction, index: IndexRow, rows: Sequence[_Pending]) -> set[Any]:
    statement = sql.SQL(
        "delete from {pending} p using unnest(%(keys)s::{type}[], %(seqs)s::bigint[]) as r (row_key, seq) "
        "where p.row_key = r.row_key and p.seq = r.seq returning p.row_key"
    ).format(pending=table(index.table_name, "_pending"), type=sql.SQL(index.row_key_type))
    keys = [row.row_key for row in rows]
    return set(await transaction.fetch_values(statement, {"keys": keys, "seqs": [row.seq for row in rows]}))


async def _copy_chunks(
    transaction: Transaction, index: IndexRow, batch: _Batch, keep: list[int], ids: list[int]
) -> None:
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
            vector = HalfVector(batch.vectors[position])
            await copy.write_row((chunk_id, chunk.row_key, chunk.chunk_no, vector))


class _Counts(msgspec.Struct, frozen=True):
    rows: int
    pending: int


async def _count_rows(owner: Scope, index: IndexRow) -> tuple[int, int]:
    """All rows of the relation, and those that wait; a resumed job goes on counting where it was."""
    statement = sql.SQL(
        "select (select count(*) from {}) as pending, (select count(*) from {}) as rows"
    ).format(table(index.table_name, "_pending"), table(index.table_name, "_source"))
    counts = (await owner.fetch(_Counts, statement))[0]
    return counts.rows, counts.pending


async def _finish(database: Database, owner: Scope, index: IndexRow) -> None:
    # an emptied _pending is otherwise read page by page by every search that counts it
    async with building(database, lock=f"lakeward.vacuum.{index.table_name}", memory_bytes=0) as connection:
        await connection.execute(
            sql.SQL("vacuum (analyze) {}, {}, {}").format(
                table(index.table_name), table(index.table_name, "_text"), table(index.table_name, "_pending")
            )
        )
    async with owner.begin() as transaction:
        siblings = await transaction.fetch_values(QUERIES["sibling_indexes"], {"name": index.name})
        fresh = True
        for sibling in siblings:
            pending = await transaction.fetch_value(
                sql.SQL("select exists (select from {})").format(table(sibling, "_pending"))
            )
            fresh = fresh and not pending
        await transaction.execute(QUERIES["set_embedded"], {"name": index.name})
        await transaction.execute(QUERIES["refresh_staleness"], {"name": index.name, "fresh": fresh})
