"""Bucket datasets: locked, written, pinned. Delta first, then the version in Postgres; readers see the pinned one."""

import secrets
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import msgspec
import pyarrow as pa

from app.db.queries import load_queries
from app.db.scope import Transaction
from app.delta import log
from app.delta.footers import MIN_BYTES, find_parquet
from app.delta.models import BucketDataset, Place, Written
from app.delta.places import Places, find_place
from app.errors import ConflictError, DamagedFileError, UnavailableError
from app.storage.address import Address
from app.storage.bucket import Bucket

QUERIES = load_queries(__file__)
#: A bucket that has not said by then which files there are does not answer. The stores' own patience is a minute.
LISTING_S = 10.0


#: For a transaction that writes files: it may wait long for its turn, and holds no lock that a reader would wait for.
WRITER = {"lock_timeout": "600000", "lakeward.journal_rows": "off"}


async def lock_writers(transaction: Transaction, dataset_id: int) -> None:
    """Wait until no other writer of the dataset's files is at work; until the transaction ends."""
    await transaction.execute(QUERIES["lock_writers"], {"dataset_id": dataset_id})


async def find_bucket_dataset(transaction: Transaction, name: str) -> BucketDataset | None:
    """The bucket dataset as it is now, or None."""
    return await transaction.find_one(BucketDataset, QUERIES["find_dataset"], {"name": name})


def plan_bucket_dataset(dataset_id: int, name: str, bucket: str) -> BucketDataset:
    """A new Delta table in a folder that no dataset before had: what a crash left in another is not in the way."""
    return BucketDataset(
        dataset_id=dataset_id,
        name=name,
        row_key=None,
        bucket=bucket,
        location=f"datasets/{name}-{secrets.token_hex(6)}",
        format="delta",
        delta_version=None,
        partition_columns=[],
    )


async def create_bucket_dataset(transaction: Transaction, dataset: BucketDataset, written: Written) -> None:
    """The files that were written are the dataset's from the commit on."""
    parameters: dict[str, Any] = {
        "dataset_id": dataset.dataset_id,
        "bucket": dataset.bucket,
        "location": dataset.location,
        "format": "delta",
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
    """The files of a dataset as the engine names them, and their Arrow schema (IPC).

    `sizes` are those in the log, in bytes. `address` is what the engine needs to reach them; `rescue_used`: they are
    those of the rescue bucket.
    """

    uris: tuple[str, ...]
    schema: bytes
    address: Address | None = None
    rescue_used: bool = False
    sizes: tuple[int, ...] = ()


def file_scales(files: Files) -> dict[str, int]:
    """The digits after the point that the files' decimal columns have."""
    schema = pa.ipc.read_schema(pa.BufferReader(files.schema))
    return {field.name: field.type.scale for field in schema if pa.types.is_decimal(field.type)}


async def list_files(places: Places, dataset: BucketDataset) -> Files:
    """The files of the pinned version, or what was attached; the rescue bucket's when the dataset's does not answer.

    Raises:
        UnavailableError: neither answers, or files of the version are gone.
        DamagedFileError: a file is cut off, or another one than was written.
    """
    answer = await places.read(
        dataset.bucket, dataset.location, "query", lambda bucket: _list(bucket, dataset), within_s=LISTING_S
    )
    return msgspec.structs.replace(answer.value, rescue_used=answer.rescue_used)


def _list(bucket: Bucket, dataset: BucketDataset) -> Files:
    place = find_place(bucket, dataset.location)
    if dataset.delta_version is None:
        return _list_attached(bucket, place, dataset)
    options = tuple(sorted(place.options.items()))
    files = _list_version(place.uri, place.engine_uri, dataset.delta_version, options)
    # the engine leaves out what is gone or empty, and says nothing
    there = {
        item["path"].rpartition("/")[2]: item["size"]
        for batch in bucket.store.list(dataset.location)
        for item in batch
    }
    if missing := [uri for uri in files.uris if uri.rpartition("/")[2] not in there]:
        raise UnavailableError(
            f"{len(missing)} of the {len(files.uris)} files of dataset {dataset.name!r} are gone from bucket "
            f"{bucket.name!r}",
            retry_after_s=60,
        )
    sizes = (there[uri.rpartition("/")[2]] for uri in files.uris)
    _check_sizes(dataset, [found == size for found, size in zip(sizes, files.sizes, strict=True)])
    return msgspec.structs.replace(files, address=place.address)


def _check_sizes(dataset: BucketDataset, right: list[bool]) -> None:
    if not all(right):
        raise DamagedFileError(
            f"{right.count(False)} of the {len(right)} files of dataset {dataset.name!r} are not what was written: "
            "they have another size",
            retry_after_s=60,
        )


@lru_cache(maxsize=512)
def _list_version(uri: str, engine_uri: str, version: int, options: tuple[tuple[str, str], ...]) -> Files:
    """A version never changes, so its log is read once."""
    sizes, schema = log.list_files(Place(uri, dict(options)), version)
    uris = tuple(f"{engine_uri}/{name}" for name in sizes)
    return Files(uris, schema.serialize().to_pybytes(), sizes=tuple(sizes.values()))


def _list_attached(bucket: Bucket, place: Place, dataset: BucketDataset) -> Files:
    schema = dataset.arrow_schema or b""
    found = find_parquet(bucket.store, dataset.location)
    if small := sum(file.size < MIN_BYTES for file in found):
        raise DamagedFileError(
            f"{small} of the {len(found)} files of dataset {dataset.name!r} are empty or cut off"
        )
    if dataset.partition_columns:
        return Files((f"{place.engine_uri}/",), schema, place.address)
    return Files(tuple(bucket.engine_uri(file.key) for file in found), schema, place.address)
