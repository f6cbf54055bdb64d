"""Which of some keys have a row in the files of a version. Blocking; run it in a thread."""

import contextlib
from collections.abc import Iterator, Mapping

import pyarrow as pa
from datafusion import SessionContext, col

from app.delta.damage import find_damage
from app.delta.places import register_store
from app.delta.scan import scan_files, scan_folder
from app.delta.service import Files


def find_keys(files: Files, row_key: str, keys: pa.ChunkedArray, *, limit: int | None = None) -> list[str]:
    """Those of `keys` (text, in the spelling of their type) that a row has, at most `limit`; in their order as text.

    Raises:
        DamagedFileError: a file cannot be read.
        UnavailableError: the bucket does not answer.
    """
    schema = pa.ipc.read_schema(pa.BufferReader(files.schema))
    field = schema.field(row_key)
    context = _context(files)
    texts = keys.combine_chunks()
    batch = pa.RecordBatch.from_arrays([texts.cast(field.type), texts], names=["wanted", "text"])
    wanted = context.create_dataframe([[batch]])
    base = scan_files(context, files.uris, schema)
    quoted = '"' + row_key.replace('"', '""') + '"'
    key = base.select(base.parse_sql_expr(quoted).alias("there"))
    found = wanted.join_on(key, col("wanted") == col("there"), how="semi").select(col("text"))
    found = found.sort(col("text").sort())
    if limit is not None:
        found = found.limit(limit)
    with _translated():
        return [str(value) for batch in found.collect() for value in batch.column(0).to_pylist()]


def is_unique(files: Files, column: str, partitions: Mapping[str, str]) -> bool:
    """Whether every row has a value in this column, and no two the same; raises as `find_keys`."""
    schema = pa.ipc.read_schema(pa.BufferReader(files.schema))
    context = _context(files)
    if partitions:
        kinds = [(name, pa.int64() if kind == "int64" else pa.string()) for name, kind in partitions.items()]
        frame = scan_folder(context, files.uris[0], schema, kinds)
    else:
        frame = scan_files(context, files.uris, schema)
    quoted = '"' + column.replace('"', '""') + '"'
    counts = [frame.parse_sql_expr(text) for text in ("count(*)", f"count(distinct {quoted})")]
    with _translated():
        rows, different = frame.aggregate([], counts).to_pylist()[0].values()
    return bool(rows == different)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except Exception as exc:
        damage = find_damage(str(exc), whose="the dataset")
        if damage is None:
            raise
        raise damage from exc


def _context(files: Files) -> SessionContext:
    context = SessionContext()
    if files.address is not None:
        register_store(context, files.address)
    return context
