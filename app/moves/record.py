"""A copy on record: its dataset with columns, sensitivities, lineage and journal, in the transaction that shows it."""

import asyncio
import time

import msgspec
import pyarrow as pa
from psycopg.types.json import Jsonb

from app.catalog.models import DatasetRow
from app.catalog.service import QUERIES as CATALOG
from app.catalog.service import register_dataset
from app.db.database import Database
from app.db.queries import load_queries
from app.db.scope import Transaction
from app.delta.find import find_keys
from app.delta.models import BucketDataset
from app.delta.places import Places
from app.delta.service import list_files
from app.errors import ConflictError, UnavailableError
from app.moves.models import Moved, MovePlan
from app.moves.source import Source

QUERIES = load_queries(__file__)


class _Later(msgspec.Struct, frozen=True):
    key_value: str | None
    row_key_column: str


async def find_moved(database: Database, plan: MovePlan, job_id: str) -> Moved | None:
    """What an earlier attempt of the job made, if it came so far."""
    parameters = {"target": plan.target, "job": job_id}
    async with database.owner().begin() as transaction:
        return await transaction.find_one(Moved, QUERIES["find_moved"], parameters)


async def check_free(transaction: Transaction, name: str) -> None:
    """No dataset and no view has the name.

    Raises:
        ConflictError: one has.
    """
    if await transaction.fetch_value(QUERIES["name_taken"], {"name": name}):
        raise ConflictError(f"there is a dataset or view {name!r} already; name another target")


async def register_copy(transaction: Transaction, source: Source, plan: MovePlan) -> DatasetRow:
    """The copy's dataset, with the columns of the source and what is said of them; the source is locked from now on.

    Raises:
        ConflictError: there is a dataset of that name by now, or the source was deleted.
    """
    here = {"dataset_id": source.id, "name": source.name}
    if await transaction.fetch_value(QUERIES["lock_source"], here) is None:
        raise ConflictError(f"dataset {source.name!r} was deleted while it was copied")
    await check_free(transaction, plan.target)
    copy = await register_dataset(transaction, plan.target, plan.home, source.row_key)
    columns = {
        "names": [column.name for column in source.columns],
        "source_names": [column.source_name for column in source.columns],
        "types": [column.type for column in source.columns],
        "sensitivities": [column.sensitivity for column in source.columns],
        "piis": [column.pii for column in source.columns],
    }
    ids = {"dataset_id": copy.id, "source_id": source.id}
    await transaction.execute(QUERIES["copy_columns"], ids | columns)
    await transaction.execute(QUERIES["describe_copy"], ids)
    return copy


async def tombstone_later(
    places: Places, transaction: Transaction, source: Source, copy: BucketDataset
) -> int:
    """What was tombstoned in the source since its rows were read is tombstoned in the files as well; how many rows.

    Raises:
        UnavailableError: a key was erased meanwhile, so nobody can say which it was; the files are made anew.
    """
    parameters = {"dataset_id": source.id, "known": source.tombstones}
    later = await transaction.fetch_all(_Later, QUERIES["later_tombstones"], parameters)
    if not later:
        return 0
    keys = [row.key_value for row in later if row.key_value is not None]
    if len(keys) < len(later) or {row.row_key_column for row in later} != {source.row_key}:
        raise UnavailableError(
            f"rows of dataset {source.name!r} were erased while it was copied; it is copied again",
            retry_after_s=2,
        )
    assert source.row_key is not None
    files = await list_files(places, copy)
    there = await asyncio.to_thread(find_keys, files, source.row_key, pa.chunked_array([keys], pa.string()))
    [key_type] = [column.type for column in source.columns if column.name == source.row_key]
    parameters = {
        "dataset_id": copy.dataset_id,
        "key_type": key_type,
        "keys": there,
        "reason": f"tombstoned in {source.name}",
    }
    tombstoned: int = await transaction.fetch_value(QUERIES["tombstone_keys"], parameters)
    return tombstoned


async def record_copy(
    transaction: Transaction,
    source: Source,
    plan: MovePlan,
    copy: DatasetRow,
    *,
    job_id: str,
    rows: int,
    tombstoned: int,
) -> Moved:
    """Rows, lineage and journal of the copy, and an entry that says that the source was copied."""
    lineage = {
        "kind": plan.kind,
        "dataset": source.name,
        "version": source.version,
        "bucket": plan.bucket,
        "rows": rows,
        "tombstoned": tombstoned,
        "job": job_id,
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    loaded = {"id": copy.id, "row_count": rows, "row_key": source.row_key, "lineage": Jsonb([lineage])}
    await transaction.execute(CATALOG["set_loaded"], loaded)
    entry = {"target": copy.name, "source": Jsonb(lineage)}
    await transaction.execute(QUERIES["append_move"], entry)
    told = {
        "kind": plan.kind,
        "dataset": source.name,
        "copy": Jsonb({"target": copy.name, "bucket": plan.bucket, "rows": rows}),
    }
    await transaction.execute(QUERIES["append_read"], told)
    return Moved(dataset=copy.name, source=source.name, rows=rows, tombstoned=tombstoned)
