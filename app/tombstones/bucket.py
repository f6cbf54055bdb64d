"""Tombstones of rows that are in files: the files say which keys there are, Postgres which of them are gone."""

import asyncio
from collections.abc import Sequence

import msgspec
import pyarrow as pa

from app.db.database import Database
from app.db.queries import load_queries
from app.db.scope import Scope, Transaction
from app.delta.find import find_keys
from app.delta.models import BucketDataset
from app.delta.places import Places
from app.delta.service import find_bucket_dataset, list_files
from app.errors import InvalidInputError
from app.tombstones.models import Tombstoned, TombstoneRequest, Undone, UndoRequest
from app.tombstones.plan import plan_keys
from app.tombstones.service import check_row_key

QUERIES = load_queries(__file__)
#: `missing_keys` lists no more.
LISTED = 100


class _Undone(msgspec.Struct, frozen=True):
    restored: int
    purged: int
    missing: int
    missing_keys: list[str]


async def find_files(database: Database, dataset: str) -> BucketDataset | None:
    """The dataset, if its rows are in files."""
    async with database.steward().begin() as transaction:
        return await find_bucket_dataset(transaction, dataset)


async def check_may_tombstone(scope: Scope, dataset: str, row_key_column: str) -> None:
    """Whoever asks may do it, and means the row key.

    Raises:
        NotFoundError: no such dataset, or not the caller's to see.
        ConflictError: `row_key_column` is not the row key.
        ForbiddenError: a reader that may not write here; the message says why.
    """
    await check_row_key(scope, dataset, row_key_column)
    async with scope.begin() as transaction:
        await transaction.execute(QUERIES["may_tombstone"], {"dataset": dataset})


async def tombstone_files(
    places: Places, scope: Scope, dataset: BucketDataset, request: TombstoneRequest
) -> Tombstoned:
    """Leave the rows out of every read from now on; `scope` is a steward's, for whoever asks.

    A load or a compaction that is writing meanwhile changes nothing of that.

    Raises:
        InvalidInputError: a key does not fit the row key's type, or there is no row key.
        UnavailableError: the bucket does not answer.
    """
    async with scope.begin() as transaction:
        key_type, keys = await _read_keys(transaction, dataset, request.row_key_values)
        # the row's lock: what is pinned now stays so until this commits
        await transaction.execute(QUERIES["lock_row"], {"dataset_id": dataset.dataset_id})
        current = await find_bucket_dataset(transaction, dataset.name)
        assert current is not None
        files = await list_files(places, current)
        there = await asyncio.to_thread(
            find_keys, files, dataset.row_key or "", pa.chunked_array([keys], pa.string())
        )
        known = set(
            await transaction.fetch_values(
                QUERIES["tombstoned_of"], {"dataset_id": dataset.dataset_id, "keys": keys}
            )
        )
        parameters = {
            "dataset_id": dataset.dataset_id,
            "key_type": key_type,
            "keys": [key for key in there if key not in known],
            "reason": request.reason,
        }
        tombstoned: int = await transaction.fetch_value(QUERIES["tombstone_keys"], parameters)
    missing = sorted(set(keys) - set(there) - known)
    return Tombstoned(
        dataset=dataset.name,
        tombstoned=tombstoned,
        already=len(keys) - len(missing) - tombstoned,
        missing=len(missing),
        missing_keys=missing[:LISTED],
    )


async def undo_files(scope: Scope, dataset: BucketDataset, request: UndoRequest) -> Undone:
    """Read the rows again, those that are still in the files.

    Raises:
        InvalidInputError: a key does not fit the row key's type, or there is no row key.
    """
    async with scope.begin() as transaction:
        key_type, keys = await _read_keys(transaction, dataset, request.row_key_values)
        parameters = {"dataset_id": dataset.dataset_id, "key_type": key_type, "keys": keys}
        counts = await transaction.find_one(_Undone, QUERIES["undo_tombstone_keys"], parameters)
    assert counts is not None
    return Undone(dataset=dataset.name, **msgspec.structs.asdict(counts))


async def _read_keys(
    transaction: Transaction, dataset: BucketDataset, values: Sequence[str | int | float]
) -> tuple[str, list[str]]:
    """The type of the row key, and the keys as it spells them."""
    if dataset.row_key is None:
        raise InvalidInputError(f"dataset {dataset.name!r} has no row key, so its rows cannot be named")
    keys = plan_keys(values)
    parameters = {"dataset_id": dataset.dataset_id, "row_key": dataset.row_key, "keys": keys}
    key_type: str = await transaction.fetch_value(QUERIES["key_type"], parameters)
    unfit = await transaction.fetch_value(QUERIES["unfit_key"], {"keys": keys, "key_type": key_type})
    if unfit is not None:
        raise InvalidInputError(
            f"the key {unfit[:60]!r} does not fit {dataset.row_key!r}, which is {key_type}"
        )
    return key_type, await transaction.fetch_values(
        QUERIES["spelled_keys"], {"keys": keys, "key_type": key_type}
    )
