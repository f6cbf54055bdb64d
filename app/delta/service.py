"""Bucket datasets: locked, written, pinned. Delta first, then the version in Postgres; readers see the pinned one."""

import asyncio
import secrets
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import msgspec
import pyarrow as pa

from app.db.queries import load_queries
from app.db.scope import Transaction
from app.delta import log
from app.delta.footers import find_parquet
from app.delta.models import BucketDataset, Format, Place, Written
from app.delta.places import Places
from app.errors import ConflictError, LakewardError

QUERIES = load_queries(__file__)


#: For a transaction that writes files: it may wait long for its turn, and holds no lock that a reader would wait for.
WRITER = {"lock_timeout": "600000", "lakeward.journal_rows": "off"}


async def lock_writers(transaction: Transaction, dataset_id: int) -> None:
    """Wait until no other writer of the dataset's files is at work; until the transaction ends."""
    await transaction.execute(QUERIES["lock_writers"], {"dataset_id": dataset_id})


async def find_bucket_dataset(transaction: Transaction, name: str) -> BucketDataset | None:
    """The bucket dataset as it is now, or None."""
    return await transaction.find_one(BucketDataset, QUERIES["find_dataset"], {"name": name})


def plan_location(name: str) -> str:
    """A folder that no dataset before had: what a crash left in another is not in the way."""
    return f"datasets/{name}-{secrets.token_hex(6)}"


async def create_bucket_dataset(
    transaction: Transaction,
    dataset_id: int,
    bucket: str,
    location: str,
    written: Written,
    format: Format = "delta",
) -> None:
    """The files that were written are the dataset's from the commit on."""
    parameters: dict[str, Any] = {
        "dataset_id": dataset_id,
        "bucket": bucket,
        "location": location,
        "format": format,
        "partition_columns": [],
        "arrow_schema": None,
        **_version(written),
    }
    await transaction.execute(QUERIES["create_bucket_dataset"], parameters)


async def pin(transaction: Transaction, dataset: BucketDataset, written: Written) -> None:
    """Readers see `written` from the commit on.

    Raises:
        ConflictError: another writer was faster; nothing of this one is seen.
    """
    parameters = {"dataset_id": dataset.dataset_id, "before": dataset.delta_version, **_version(written)}
    if await transaction.fetch_value(QUERIES["pin"], parameters) is None:
        raise ConflictError(f"dataset {dataset.name!r} was changed by another writer meanwhile; try again")


def _version(written: Written) -> dict[str, int]:
    return {"version": written.version, "files": written.files, "bytes": written.bytes}


async def write(act: Callable[[], Written], rows: "Kept | None" = None) -> Written:
    """Run a writer of app.delta.log in a thread; it goes to its end even when the request is cancelled.

    Raises:
        LakewardError: what went wrong in it, or in the rows that it read.
    """
    task = asyncio.ensure_future(asyncio.to_thread(act))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
    except LakewardError as exc:
        if rows is not None and rows.error is not None:
            raise rows.error from exc
        raise


class Kept:
    """Record batches on their way through Arrow's C stream, which would lose what they raise."""

    def __init__(self, reader: pa.RecordBatchReader) -> None:
        self._reader = reader
        self.error: Exception | None = None

    def stream(self) -> pa.RecordBatchReader:
        """The same batches."""
        return pa.RecordBatchReader.from_batches(self._reader.schema, self._batches())

    def _batches(self) -> Iterator[pa.RecordBatch]:
        try:
            yield from self._reader
        except Exception as exc:
            self.error = exc
            raise


class Files(msgspec.Struct, frozen=True):
    """The files of a version and their Arrow schema (IPC)."""

    uris: tuple[str, ...]
    schema: bytes


def file_scales(files: Files) -> dict[str, int]:
    """The digits after the point that the files' decimal columns have."""
    schema = pa.ipc.read_schema(pa.BufferReader(files.schema))
    return {field.name: field.type.scale for field in schema if pa.types.is_decimal(field.type)}


@lru_cache(maxsize=512)
def _list_files(uri: str, engine_uri: str, version: int, options: tuple[tuple[str, str], ...]) -> Files:
    names, schema = log.list_files(Place(uri, dict(options)), version)
    return Files(tuple(f"{engine_uri}/{name}" for name in names), schema.serialize().to_pybytes())


async def list_files(places: Places, dataset: BucketDataset) -> Files:
    """The files of a dataset as the engine names them: those of the pinned version, or what was attached.

    A version never changes, so it is read once. Raises UnavailableError when the bucket does not answer.
    """
    place = places.find_place(dataset.bucket, dataset.location)
    if dataset.delta_version is None:
        return await asyncio.to_thread(_list_attached, places, dataset, place.engine_uri)
    options = tuple(sorted(place.options.items()))
    return await asyncio.to_thread(_list_files, place.uri, place.engine_uri, dataset.delta_version, options)


def _list_attached(places: Places, dataset: BucketDataset, engine_uri: str) -> Files:
    schema = dataset.arrow_schema or b""
    if dataset.partition_columns:
        return Files((f"{engine_uri}/",), schema)
    found = find_parquet(places.find_store(dataset.bucket), dataset.location)
    root = engine_uri.removesuffix(dataset.location)
    return Files(tuple(root + file.key for file in found), schema)
