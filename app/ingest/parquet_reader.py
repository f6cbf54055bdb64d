"""Parquet files: read by pyarrow, row group by row group, and converted to the types Postgres takes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from app.errors import InvalidFileError
from app.ingest.arrow_types import Opened, plan_schema
from app.ingest.column_names import check_column_count, plan_column_names
from app.ingest.models import Column
from app.ingest.parquet_types import Leaf, convert_leaf, find_leaves, get_leaf
from app.ingest.rejects import RejectLog

BATCH_ROWS = 65_536
BATCH_BYTES = 32 * 1024 * 1024
#: What one row group may take decoded; a file that claims more is split by its writer, or it is a bomb.
MAX_ROW_GROUP_BYTES = 4 * 1024**3


@contextmanager
def open_parquet(path: Path, rejects: RejectLog) -> Iterator[Opened]:
    """The columns, the schema and the batches of a Parquet file.

    Structs are flattened like JSON objects; lists of strings become text[], other nested values jsonb; what Postgres
    has no type for becomes text. Rows with a NUL character in a text are rejected, without a line number.

    Raises:
        InvalidFileError: a damaged, truncated or encrypted file, or too many columns.
    """
    with _reading(), pq.ParquetFile(path, memory_map=False, pre_buffer=False) as file:
        _check(file)
        leaves = find_leaves(file.schema_arrow)
        check_column_count(len(leaves))
        if not leaves:
            raise InvalidFileError("the Parquet file has no columns")
        names = plan_column_names(["_".join(leaf.path) for leaf in leaves])
        columns = tuple(
            Column(name=name, source_name=".".join(leaf.path), type=leaf.type)
            for name, leaf in zip(names, leaves, strict=True)
        )
        schema = plan_schema(columns, {n: leaf.scale for n, leaf in zip(names, leaves, strict=True)})
        yield columns, schema, _stream(file, leaves, schema, rejects)


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, NotImplementedError, UnicodeDecodeError) as exc:
        reason = " ".join(str(exc).split())[:300]
        if "encrypt" in reason.lower() or "PARE" in reason:
            raise InvalidFileError("the Parquet file is encrypted; decrypt it first") from exc
        raise InvalidFileError(f"the Parquet file cannot be read: {reason}") from exc


def _check(file: pq.ParquetFile) -> None:
    meta = file.metadata
    for i in range(meta.num_row_groups):
        if meta.row_group(i).total_byte_size > MAX_ROW_GROUP_BYTES:
            raise InvalidFileError(
                f"row group {i} of the Parquet file takes {meta.row_group(i).total_byte_size:,} bytes; "
                f"at most {MAX_ROW_GROUP_BYTES:,} can be read: write it with smaller row groups"
            )


def _stream(
    file: pq.ParquetFile, leaves: tuple[Leaf, ...], schema: pa.Schema, rejects: RejectLog
) -> Iterator[pa.RecordBatch]:
    rows = max(1, file.metadata.num_rows)
    total = sum(file.metadata.row_group(i).total_byte_size for i in range(file.metadata.num_row_groups))
    size = max(64, min(BATCH_ROWS, BATCH_BYTES * rows // max(1, total)))
    with _reading():
        for source in file.iter_batches(batch_size=size, use_threads=True):
            if source.num_rows:
                arrays = [convert_leaf(get_leaf(source, leaf), leaf) for leaf in leaves]
                yield _without_nuls(pa.RecordBatch.from_arrays(arrays, schema=schema), rejects)


def _without_nuls(batch: pa.RecordBatch, rejects: RejectLog) -> pa.RecordBatch:
    bad = sorted({row for column in batch.columns for row in _rows_with_nul(column)})
    if not bad:
        return batch
    for row in bad:
        rejects.add(None, "contains a NUL byte", str(batch.slice(row, 1).to_pylist()[0]))
    keep = pa.array([True] * batch.num_rows).to_numpy(zero_copy_only=False)
    keep[bad] = False
    return batch.filter(pa.array(keep))


def _rows_with_nul(column: pa.Array) -> list[int]:
    if isinstance(column, pa.ListArray):
        values = column.values
        if not _buffer_has_nul(values):
            return []
        return [
            i for i, items in enumerate(column.to_pylist()) if items and any(v and "\x00" in v for v in items)
        ]
    if isinstance(column, pa.ExtensionArray):
        # JSON text escapes NUL; Postgres' jsonb refuses the escape all the same
        texts = column.storage.to_pylist()
        return [i for i, text in enumerate(texts) if text is not None and "\\u0000" in text]
    if not pa.types.is_string(column.type) or not _buffer_has_nul(column):
        return []
    return [i for i, text in enumerate(column.to_pylist()) if text is not None and "\x00" in text]


def _buffer_has_nul(column: pa.Array) -> bool:
    data = column.buffers()[2] if pa.types.is_string(column.type) else None
    return data is not None and b"\x00" in memoryview(data).tobytes()
