"""The rows of a dataset for a copy: those of a table in one snapshot, those of files without what is tombstoned."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import msgspec
import pyarrow as pa
from datafusion import SessionConfig
from psycopg import sql

from app.catalog.models import Home
from app.catalog.service import find_dataset, not_found
from app.db.database import Database
from app.db.queries import load_queries
from app.db.scope import Transaction
from app.delta.copy import open_copy, read_scales
from app.delta.govern import GovernedFiles, govern
from app.delta.models import StoredType
from app.delta.places import Places
from app.delta.sources import find_sources
from app.errors import ConflictError, InvalidFileError
from app.moves.models import SourceColumn
from app.storage.faults import find_fault, to_error

QUERIES = load_queries(__file__)
#: Rows of a batch that the engine gives.
BATCH_ROWS = 65_536

SchemaOf = Callable[[Sequence[StoredType], dict[str, int]], pa.Schema]


class Source(msgspec.Struct, frozen=True):
    """A dataset as it was when the copy began.

    `tombstones` are the ids of those that were there; `snapshot` is what a table is read in; `files` are what is read
    when the rows are in a bucket.
    """

    id: int
    name: str
    home: Home
    row_key: str | None
    row_count: int
    version: int
    columns: list[SourceColumn]
    tombstones: list[int]
    snapshot: str
    files: GovernedFiles | None = None

    @property
    def stored(self) -> list[StoredType]:
        """The columns with their types."""
        return [StoredType(name=column.name, type=column.type) for column in self.columns]


async def read_source(database: Database, places: Places, transaction: Transaction, name: str) -> Source:
    """The dataset, readable until the transaction ends.

    Raises:
        NotFoundError: it is gone.
        UnavailableError: its bucket does not answer, and no rescue bucket has it.
    """
    dataset = await find_dataset(transaction, name)
    if dataset is None:
        raise not_found(name)
    of = {"dataset_id": dataset.id}
    columns = await transaction.fetch_all(SourceColumn, QUERIES["source_columns"], of)
    tombstones = await transaction.fetch_values(QUERIES["tombstones_of"], of)
    files = None
    if dataset.home == "bucket":
        found = await find_sources(database, places, None, [name])
        if not found:
            raise ConflictError(f"dataset {name!r} has no files yet; load something into it first")
        files = found[0]
    return Source(
        id=dataset.id,
        name=name,
        home=dataset.home,
        row_key=dataset.row_key,
        row_count=dataset.row_count,
        version=dataset.version,
        columns=columns,
        tombstones=tombstones,
        snapshot=await transaction.fetch_value(QUERIES["export_snapshot"]),
        files=files,
    )


@contextmanager
def open_source(dsn: str, role: str, source: Source, schema_of: SchemaOf) -> Iterator[pa.RecordBatchReader]:
    """Its rows in the types that `schema_of` makes of its columns and the digits of its numbers. Blocking.

    Raises:
        ConflictError: a value does not fit its type there.
        UnavailableError: Postgres or the bucket is away.
    """
    if source.files is not None:
        with _open_files(source.files, source.stored, schema_of) as reader:
            yield reader
        return
    table = sql.Identifier("lake", source.name)
    scales = read_scales(dsn, role, table, source.stored, source.snapshot)
    with open_copy(dsn, role, table, source.stored, scales, source.snapshot) as reader:
        schema = schema_of(source.stored, scales)
        yield pa.RecordBatchReader.from_batches(schema, _convert(reader, schema))


@contextmanager
def _open_files(
    files: GovernedFiles, columns: Sequence[StoredType], schema_of: SchemaOf
) -> Iterator[pa.RecordBatchReader]:
    frame = govern([files], SessionConfig().with_batch_size(BATCH_ROWS))[files.name]
    scales = {field.name: field.type.scale for field in frame.schema() if pa.types.is_decimal(field.type)}
    schema = schema_of(columns, scales)
    yield pa.RecordBatchReader.from_batches(
        schema, _convert(_read(pa.RecordBatchReader.from_stream(frame), files.name), schema)
    )


def _read(reader: pa.RecordBatchReader, name: str) -> Iterator[pa.RecordBatch]:
    try:
        yield from reader
    except Exception as exc:
        fault = find_fault(exc)
        if fault is not None:
            raise to_error(fault, name) from exc
        raise InvalidFileError(f"the files of dataset {name!r} cannot be read to their end") from exc


def _convert(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        arrays = [_cast(batch.column(position), field) for position, field in enumerate(schema)]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _cast(array: pa.Array, field: pa.Field) -> pa.Array:
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    kind = field.type.storage_type if isinstance(field.type, pa.BaseExtensionType) else field.type
    try:
        plain = array if array.type == kind else array.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as exc:
        raise ConflictError(
            f"a value of column {field.name!r} does not fit {kind}; nothing was written"
        ) from exc
    return plain if kind is field.type else pa.ExtensionArray.from_storage(field.type, plain)
