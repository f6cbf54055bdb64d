"""Parquet files: read by pyarrow, row group by row group, and converted to the types Postgres takes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import structs

from app.catalog.models import StoredColumn
from app.errors import InvalidFileError
from app.ingest.arrow_types import Opened, plan_schema
from app.ingest.column_names import check_column_count, plan_column_names
from app.ingest.parquet_time import find_outside_calendar, has_nanoseconds, is_exact_in_microseconds
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
    has no type for becomes text, as do times finer than a microsecond. Rows with a NUL character in a text, or a date
    outside the years 1 to 9999, are rejected, without a line number.

    Raises:
        InvalidFileError: a damaged, truncated or encrypted file, or too many columns.
    """
    with _reading(), pq.ParquetFile(path, memory_map=False, pre_buffer=False) as file:
        _check(file)
        leaves = find_leaves(file.schema_arrow)
        check_column_count(len(leaves))
        leaves = _widen_nanoseconds(file, leaves)
        if not leaves:
            raise InvalidFileError("the Parquet file has no columns")
        names = plan_column_names(["_".join(leaf.path) for leaf in leaves])
        columns = tuple(
            StoredColumn(name=name, source_name=".".join(leaf.path), type=leaf.type)
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


def _widen_nanoseconds(file: pq.ParquetFile, leaves: tuple[Leaf, ...]) -> tuple[Leaf, ...]:
    """The leaves; text where values are finer than a microsecond. Reads columns of nanoseconds, and only those."""
    exact: dict[Leaf, bool] = {}
    for leaf in leaves:
        field = file.schema_arrow.field(leaf.indices[0])
        if leaf.type == "text" or not _may_hold_nanoseconds(field.type):
            continue
        # a name with a dot, or one that is there twice, does not say which column
        alone = "." not in field.name and file.schema_arrow.names.count(field.name) == 1
        at = (0, *leaf.indices[1:]) if alone else leaf.indices
        for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=[field.name] if alone else None):
            values = get_leaf(batch, structs.replace(leaf, indices=at))
            if has_nanoseconds(values.type) and not is_exact_in_microseconds(values):
                exact[leaf] = False
                break
    return tuple(leaf if exact.get(leaf, True) else structs.replace(leaf, type="text") for leaf in leaves)


def _may_hold_nanoseconds(kind: pa.DataType) -> bool:
    return has_nanoseconds(kind) or pa.types.is_struct(kind)


def _stream(
    file: pq.ParquetFile, leaves: tuple[Leaf, ...], schema: pa.Schema, rejects: RejectLog
) -> Iterator[pa.RecordBatch]:
    rows = max(1, file.metadata.num_rows)
    total = sum(file.metadata.row_group(i).total_byte_size for i in range(file.metadata.num_row_groups))
    size = max(64, min(BATCH_ROWS, BATCH_BYTES * rows // max(1, total)))
    good = 0
    with _reading():
        for source in file.iter_batches(batch_size=size, use_threads=True):
            inside = _inside_calendar(source, leaves, rejects)
            if inside.num_rows:
                arrays = [convert_leaf(get_leaf(inside, leaf), leaf) for leaf in leaves]
                batch = _without_nuls(pa.RecordBatch.from_arrays(arrays, schema=schema), rejects)
                good += batch.num_rows
                yield batch
    if rejects.total and not good:
        raise InvalidFileError(
            f"no row of the Parquet file can be loaded; the first {rejects.kept[0].reason}"
        )


def _inside_calendar(batch: pa.RecordBatch, leaves: tuple[Leaf, ...], rejects: RejectLog) -> pa.RecordBatch:
    bad = {
        row
        for leaf in leaves
        if leaf.type in ("date", "timestamp", "timestamptz")
        for row in find_outside_calendar(get_leaf(batch, leaf))
    }
    return _without(batch, bad, "has a date outside the years 1 to 9999", rejects)


def _without(batch: pa.RecordBatch, bad: set[int], reason: str, rejects: RejectLog) -> pa.RecordBatch:
    if not bad:
        return batch
    for row in sorted(bad):
        rejects.add(None, reason, _show(batch.slice(row, 1)))
    return batch.filter(pa.array([row not in bad for row in range(batch.num_rows)]))


def _show(row: pa.RecordBatch) -> str:
    try:
        return str(row.to_pylist()[0])
    except (OverflowError, ValueError):  # what the row is rejected for may be more than Python can show
        return str(row.to_string(preview_cols=100))


def _without_nuls(batch: pa.RecordBatch, rejects: RejectLog) -> pa.RecordBatch:
    bad = {row for column in batch.columns for row in _rows_with_nul(column)}
    return _without(batch, bad, "contains a NUL byte", rejects)


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
