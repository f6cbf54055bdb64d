"""An index as Parquet: its chunks with their vectors, in pieces as they are read, in one snapshot."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from psycopg import sql
from psycopg.types.json import Jsonb

from app.db.builder import building
from app.db.database import Database
from app.db.queries import load_queries
from app.db.scope import Scope
from app.errors import UnavailableError
from app.vectors.indexing import get_index_row
from app.vectors.models import IndexRow
from app.vectors.statements import table

QUERIES = load_queries(__file__)
MEDIA_TYPE = "application/vnd.apache.parquet"
#: Rows of a row group, which is what is in memory: 384 components of each are 6 MB.
BATCH_ROWS = 8192
#: pgvector's wire format of halfvec: two int16, then the components as IEEE 754 binary16, all big-endian (halfvec.c).
HEAD_BYTES = 4


class ExportRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is exported: `texts` adds the chunks' texts, as they were embedded."""

    texts: bool = False


class _Sink:
    """Takes what the writer writes, until it is fetched."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self.closed = False

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self._size += len(part)
        return len(part)

    def tell(self) -> int:
        return self._size

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        self.closed = True

    def fetch(self) -> bytes:
        """What came since the last call."""
        parts, self._parts = self._parts, []
        return b"".join(parts)


async def open_export(
    database: Database, scope: Scope, name: str, request: ExportRequest
) -> AsyncIterator[bytes]:
    """The Parquet file's bytes; `scope` is a steward's. Without its audit entry there is no file.

    Columns: chunk_id, doc_key (the raw row key as text), chunk_no, start, end (characters of the row's text), text if
    asked for, embedding (a list of fixed size of float16). The model is in the file's metadata: lakeward.provider,
    .model, .model_version, .dimensions, .index, .source.

    Raises:
        NotFoundError: no such index.
    """
    index = await get_index_row(scope, name)
    async with scope.begin() as transaction:
        rows = await transaction.fetch_value(
            sql.SQL("select count(*) from {}").format(table(index.table_name))
        )
        parameters = {
            "relation": index.source,
            "operation": f"export {index.name}",
            "rows": rows,
            "arguments": Jsonb(msgspec.to_builtins(request)),
        }
        if not await transaction.fetch_value(QUERIES["record_export"], parameters):
            raise UnavailableError("the export could not be put on record, so there is none")
    return _stream(database, index, texts=request.texts)


def export_schema(index: IndexRow, *, texts: bool) -> pa.Schema:
    """The file's columns and metadata."""
    fields = [
        pa.field("chunk_id", pa.int64(), nullable=False),
        pa.field("doc_key", pa.string(), nullable=False),
        pa.field("chunk_no", pa.int32(), nullable=False),
        pa.field("start", pa.int32(), nullable=False),
        pa.field("end", pa.int32(), nullable=False),
        *([pa.field("text", pa.string(), nullable=False)] if texts else []),
        pa.field("embedding", pa.list_(pa.float16(), index.dimensions), nullable=False),
    ]
    about = {
        "lakeward.index": index.name,
        "lakeward.source": index.source,
        "lakeward.provider": index.provider,
        "lakeward.model": index.model_name,
        "lakeward.model_version": index.model_version,
        "lakeward.dimensions": str(index.dimensions),
    }
    return pa.schema(fields, metadata=about)


async def _stream(database: Database, index: IndexRow, *, texts: bool) -> AsyncIterator[bytes]:
    schema, sink = export_schema(index, texts=texts), _Sink()
    writer = pq.ParquetWriter(pa.PythonFile(sink, mode="w"), schema, compression="zstd")
    async for rows in _read(database, index, texts=texts):
        await asyncio.to_thread(writer.write_batch, _to_batch(rows, schema, index.dimensions))
        yield sink.fetch()
    await asyncio.to_thread(writer.close)
    yield sink.fetch()


async def _read(database: Database, index: IndexRow, *, texts: bool) -> AsyncIterator[list[tuple[Any, ...]]]:
    statement = sql.SQL(
        "copy (select c.chunk_id, c.row_key::text, c.chunk_no, t.start_at, t.end_at{content}, "
        "{ext}.halfvec_send(c.embedding) from {chunks} c join {texts} t on t.chunk_id = c.chunk_id) "
        "to stdout (format binary)"
    ).format(
        content=sql.SQL(", t.content" if texts else ""),
        ext=sql.Identifier(database.deployment.ext_schema),
        chunks=table(index.table_name),
        texts=table(index.table_name, "_text"),
    )
    # a connection of its own: whoever reads slowly keeps it as long, and the pool's are few
    lock = f"lakeward.export.{index.table_name}"
    async with (
        building(database, lock=lock, memory_bytes=0) as connection,
        connection.cursor().copy(statement) as copy,
    ):
        copy.set_types(["int8", "text", "int4", "int4", "int4", *(["text"] if texts else []), "bytea"])
        batch: list[tuple[Any, ...]] = []
        async for row in copy.rows():
            batch.append(row)
            if len(batch) == BATCH_ROWS:
                yield batch
                batch = []
        if batch:
            yield batch


def _to_batch(rows: list[tuple[Any, ...]], schema: pa.Schema, dimensions: int) -> pa.RecordBatch:
    *columns, vectors = zip(*rows, strict=True)
    halves = np.frombuffer(b"".join(vector[HEAD_BYTES:] for vector in vectors), dtype=">f2").astype(
        np.float16
    )
    arrays = [pa.array(column, schema.field(place).type) for place, column in enumerate(columns)]
    arrays.append(pa.FixedSizeListArray.from_arrays(pa.array(halves), dimensions))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
