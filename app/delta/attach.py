"""Parquet files become a dataset where they are; nothing is copied, nothing is written."""

import asyncio
import time
from typing import Any

from psycopg.types.json import Jsonb

from app.catalog.models import Dataset, StoredColumn
from app.catalog.plan import plan_name
from app.catalog.service import QUERIES as CATALOG
from app.catalog.service import find_dataset, get_dataset, register_dataset, replace_columns
from app.db.database import Database
from app.db.queries import load_queries
from app.db.scope import Scope, Transaction
from app.delta.find import is_unique
from app.delta.footers import Footers, find_parquet, read_footers
from app.delta.models import BucketDataset
from app.delta.places import Places
from app.delta.requests import AttachRequest
from app.delta.schema import plan_foreign
from app.delta.service import list_files
from app.errors import ConflictError, DuplicateRowKeyError, InvalidInputError
from app.storage.bucket import Bucket
from app.storage.keys import check_key

QUERIES = load_queries(__file__)
MAX_NAME_BYTES = 63


async def attach(database: Database, places: Places, scope: Scope, request: AttachRequest) -> Dataset:
    """A new dataset of the files at `path` in a bucket: a file, a folder, or a pattern in the last part of the path.

    Raises:
        NotFoundError: no file is there.
        InvalidFileError: one is damaged, encrypted or unlike the others.
        InvalidInputError: a column that has no counterpart here; a row key that is none of them.
        DuplicateRowKeyError: the row key has doubles or nulls.
        ConflictError: there is a dataset of that name.
        UnavailableError: no such bucket, or it does not answer.
    """
    plan_name(request.name, "dataset")
    check_key(request.path.rstrip("/"))
    bucket = request.bucket or places.default
    location = request.path.rstrip("/")
    places.check(bucket)
    answer = await places.read(bucket, location, "attach", lambda found: _read(found, location))
    footers = answer.value
    columns = plan_columns(footers)
    if request.row_key is not None:
        if request.row_key not in {column.name for column in columns}:
            raise InvalidInputError(f"row_key {request.row_key[:60]!r} is not among the columns of the files")
        await _check_row_key(places, bucket, location, footers, request.row_key)
    owner = database.owner(scope.actor)
    async with owner.begin() as transaction:
        if await find_dataset(transaction, request.name) is not None:
            raise ConflictError(f"there is a dataset {request.name!r} already")
        dataset = await register_dataset(transaction, request.name, "bucket", request.row_key)
        await replace_columns(transaction, dataset.id, columns)
        await transaction.execute(
            QUERIES["create_bucket_dataset"],
            {
                "dataset_id": dataset.id,
                "bucket": bucket,
                "location": location,
                "format": "parquet",
                "version": None,
            }
            | _described(footers),
        )
        await _record(transaction, dataset.id, request, bucket, footers)
    database.changes.bump()
    return await get_dataset(scope, request.name)


def _read(bucket: Bucket, location: str) -> Footers:
    return read_footers(bucket.store, location, find_parquet(bucket.store, location))


def plan_columns(footers: Footers) -> list[StoredColumn]:
    """The dataset's columns: those of the files, then those of their folders.

    Raises:
        InvalidInputError: a type without a counterpart, or a name that is too long.
    """
    columns = [
        StoredColumn(name=field.name, source_name=field.name, type=plan_foreign(field.name, field.type)[0])
        for field in footers.schema
    ]
    known = {column.name for column in columns}
    columns += [
        StoredColumn(name=name, source_name=name, type="bigint" if kind == "int64" else "text")
        for name, kind in footers.partitions.items()
        if name not in known
    ]
    for column in columns:
        if len(column.name.encode()) > MAX_NAME_BYTES or not column.name.isprintable():
            raise InvalidInputError(
                f"the column name {column.name[:60]!r} cannot be used: 63 bytes, all printable"
            )
    return columns


def _described(footers: Footers) -> dict[str, Any]:
    return {
        "partition_columns": list(footers.partitions),
        "files": footers.files,
        "bytes": footers.bytes,
        "arrow_schema": footers.schema.serialize().to_pybytes(),
    }


async def _record(
    transaction: Transaction, dataset_id: int, request: AttachRequest, bucket: str, footers: Footers
) -> None:
    source = {
        "kind": "attach",
        "bucket": bucket,
        "path": request.path,
        "files": footers.files,
        "rows": footers.rows,
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    await transaction.execute(
        CATALOG["set_loaded"],
        {"id": dataset_id, "row_count": footers.rows, "row_key": request.row_key, "lineage": Jsonb([source])},
    )
    await transaction.execute(QUERIES["append_load"], {"dataset": request.name, "source": Jsonb(source)})


async def _check_row_key(places: Places, bucket: str, location: str, footers: Footers, row_key: str) -> None:
    described = _described(footers)
    probe = BucketDataset(
        dataset_id=0,
        name="",
        row_key=row_key,
        bucket=bucket,
        location=location,
        format="parquet",
        delta_version=None,
        partition_columns=described["partition_columns"],
        arrow_schema=described["arrow_schema"],
    )
    files = await list_files(places, probe)
    if not await asyncio.to_thread(is_unique, files, row_key, footers.partitions):
        raise DuplicateRowKeyError(f"column {row_key!r} cannot be the row key: it has doubles or nulls")
