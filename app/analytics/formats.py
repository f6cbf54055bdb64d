"""The five formats of an answer, chosen by `Accept`. Each is made a batch at a time, in the query's own process.

Bytes that an encoder gives are whole rows, so that an answer can be ended after any of them: JSON and NDJSON with an
error that says why, the others by breaking off (Arrow IPC without its end-of-stream mark, Parquet without its footer).
"""

import io
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from app.analytics.frames import Piece
from app.analytics.plain import plan_flat, plan_microseconds, plan_plain, to_flat, to_plain
from app.errors import InvalidInputError

JSON = "application/json"
NDJSON = "application/x-ndjson"
CSV = "text/csv"
PARQUET = "application/vnd.apache.parquet"
ARROW = "application/vnd.apache.arrow.stream"
#: Rows and bytes that a row group of a Parquet answer has at most; they are held in memory.
GROUP_ROWS, GROUP_BYTES = 131_072, 32 * 1024 * 1024
#: Metadata of the last record batch (Arrow) or the footer (Parquet).
TRUNCATED, ROW_COUNT = "lakeward.truncated", "lakeward.row_count"
_END_OF_STREAM = b"\xff\xff\xff\xff\0\0\0\0"


class Encoder(Protocol):
    """An answer in one format, begun with the schema of its rows."""

    def begin(self) -> Sequence[Piece]:
        """What comes before the rows."""

    def rows(self, batch: pa.RecordBatch) -> Sequence[Piece]:
        """These rows; or nothing yet."""

    def end(self, *, truncated: bool) -> Sequence[Piece]:
        """What comes after the last row, as far as it is known here."""


class _Json:
    def __init__(self, schema: pa.Schema) -> None:
        self._columns = [{"name": field.name, "type": str(field.type)} for field in schema]
        self._schema = plan_microseconds(schema)
        self._any = False

    def begin(self) -> Sequence[Piece]:
        return [b'{"columns":', msgspec.json.encode(self._columns), b',"rows":[']

    def rows(self, batch: pa.RecordBatch) -> Sequence[Piece]:
        columns = [column.to_pylist() for column in to_plain(batch, self._schema).columns]
        body = memoryview(msgspec.json.encode(list(zip(*columns, strict=True))))[1:-1]
        pieces: Sequence[Piece] = [b",", body] if self._any else [body]
        self._any = True
        return pieces

    def end(self, *, truncated: bool) -> Sequence[Piece]:
        return []


class _Ndjson:
    def __init__(self, schema: pa.Schema) -> None:
        self._schema = plan_microseconds(schema)
        self._encoder = msgspec.json.Encoder()

    def begin(self) -> Sequence[Piece]:
        return []

    def rows(self, batch: pa.RecordBatch) -> Sequence[Piece]:
        return [self._encoder.encode_lines(to_plain(batch, self._schema).to_pylist())]

    def end(self, *, truncated: bool) -> Sequence[Piece]:
        return []


class _Sink(io.RawIOBase):
    """What a writer wrote since it was last taken."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, piece: Piece) -> int:
        self._pieces.append(bytes(piece))
        return len(self._pieces[-1])

    def take(self) -> list[bytes]:
        pieces, self._pieces = self._pieces, []
        return pieces


class _Csv:
    def __init__(self, schema: pa.Schema) -> None:
        self._sink = _Sink()
        self._schema = plan_flat(schema)
        self._writer = pyarrow.csv.CSVWriter(self._sink, self._schema)

    def begin(self) -> Sequence[Piece]:
        return self._sink.take()

    def rows(self, batch: pa.RecordBatch) -> Sequence[Piece]:
        self._writer.write_batch(to_flat(batch, self._schema))
        return self._sink.take()

    def end(self, *, truncated: bool) -> Sequence[Piece]:
        self._writer.close()
        return self._sink.take()


class _Parquet:
    def __init__(self, schema: pa.Schema) -> None:
        self._sink = _Sink()
        self._schema = schema
        self._writer = pyarrow.parquet.ParquetWriter(self._sink, schema)
        self._held: list[pa.RecordBatch] = []
        self._count = 0

    def begin(self) -> Sequence[Piece]:
        return self._sink.take()

    def rows(self, batch: pa.RecordBatch) -> Sequence[Piece]:
        self._held.append(batch)
        self._count += batch.num_rows
        if (
            sum(held.num_rows for held in self._held) >= GROUP_ROWS
            or sum(held.nbytes for held in self._held) >= GROUP_BYTES
        ):
            self._write_group()
        return self._sink.take()

    def end(self, *, truncated: bool) -> Sequence[Piece]:
        self._write_group()
        self._writer.add_key_value_metadata(_metadata(truncated, self._count))
        self._writer.close()
        return self._sink.take()

    def _write_group(self) -> None:
        if self._held:
            self._writer.write_table(pa.Table.from_batches(self._held, self._schema))
            self._held = []


class _Arrow:
    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._count = 0

    def begin(self) -> Sequence[Piece]:
        return [self._schema.serialize()]

    def rows(self, batch: pa.RecordBatch) -> Sequence[Piece]:
        self._count += batch.num_rows
        return [batch.serialize()]

    def end(self, *, truncated: bool) -> Sequence[Piece]:
        sink = io.BytesIO()
        with pa.ipc.new_stream(sink, self._schema) as writer:
            empty = pa.RecordBatch.from_arrays(
                [pa.array([], f.type) for f in self._schema], schema=self._schema
            )
            writer.write_batch(empty, custom_metadata=_metadata(truncated, self._count))
        # without the schema, which was the first of what was sent
        return [sink.getbuffer()[self._schema.serialize().size :]]


def _metadata(truncated: bool, rows: int) -> dict[str, str]:
    return {TRUNCATED: "true" if truncated else "false", ROW_COUNT: str(rows)}


FORMATS: dict[str, Callable[[pa.Schema], Encoder]] = {
    JSON: _Json,
    NDJSON: _Ndjson,
    CSV: _Csv,
    PARQUET: _Parquet,
    ARROW: _Arrow,
}


class Answer:
    """An answer in one format; takes batches as the engine has them."""

    def __init__(self, media_type: str, schema: pa.Schema) -> None:
        self._schema = plan_plain(schema)
        self._encoder = FORMATS[media_type](self._schema)

    def begin(self) -> Sequence[Piece]:
        """What comes before the rows."""
        return self._encoder.begin()

    def rows(self, batch: pa.RecordBatch) -> Sequence[Piece]:
        """The rows of a batch, or of those before it."""
        return self._encoder.rows(to_plain(batch, self._schema))

    def end(self, *, truncated: bool) -> Sequence[Piece]:
        """What is left."""
        return self._encoder.end(truncated=truncated)


def plan_format(accept: str) -> str:
    """The first media type of an Accept header that there is; JSON when it takes anything.

    Raises:
        InvalidInputError: it takes none of ours.
    """
    wanted = [part.split(";")[0].strip().lower() for part in accept.split(",")]
    for media_type in wanted:
        if media_type in FORMATS:
            return media_type
    if not accept.strip() or any(media_type in ("*/*", "application/*", "") for media_type in wanted):
        return JSON
    raise InvalidInputError(f"Accept: use one of {', '.join(FORMATS)}")
