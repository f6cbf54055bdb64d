"""Tombstones: made, taken back, listed. What they do happens in Postgres, in one transaction."""

import msgspec

from app.catalog.service import not_found
from app.db.queries import load_queries
from app.db.scope import Scope
from app.errors import ConflictError
from app.tombstones.models import Tombstone, Tombstoned, TombstoneRequest, Undone, UndoRequest
from app.tombstones.plan import plan_keys
from app.web.paging import Page, decode_cursor, plan_page

QUERIES = load_queries(__file__)


class _Tombstoned(msgspec.Struct, frozen=True):
    tombstoned: int
    already: int
    missing: int
    missing_keys: list[str]


class _Undone(msgspec.Struct, frozen=True):
    restored: int
    purged: int
    missing: int
    missing_keys: list[str]


class _Dataset(msgspec.Struct, frozen=True):
    row_key: str | None


async def create_tombstones(
    scope: Scope, dataset: str, request: TombstoneRequest, *, as_reader: bool = False
) -> Tombstoned:
    """The rows are gone from every door when this returns.

    Raises:
        NotFoundError: no such dataset, or not the caller's to see.
        ConflictError: `row_key_column` is not the dataset's row key.
        InvalidInputError: a key does not fit the row key's type, or there is no row key.
        ForbiddenError: a reader that may not write here; the message says why.
    """
    keys = plan_keys(request.row_key_values)
    await check_row_key(scope, dataset, request.row_key_column)
    parameters = {
        "dataset": dataset,
        "row_key_column": request.row_key_column,
        "keys": keys,
        "reason": request.reason,
    }
    async with scope.begin() as transaction:
        query = QUERIES["tombstone" if as_reader else "create_tombstones"]
        counts = await transaction.find_one(_Tombstoned, query, parameters)
    assert counts is not None
    return Tombstoned(dataset=dataset, **msgspec.structs.asdict(counts))


async def undo_tombstones(scope: Scope, dataset: str, request: UndoRequest) -> Undone:
    """The rows are back in every door but search, where they are once the indexes are refreshed. All or nothing.

    Raises:
        NotFoundError: no such dataset.
        ConflictError: `row_key_column` is not the row key, or a row has one of the keys by now.
        InvalidInputError: a key does not fit the row key's type.
    """
    keys = plan_keys(request.row_key_values)
    await check_row_key(scope, dataset, request.row_key_column)
    parameters = {"dataset": dataset, "row_key_column": request.row_key_column, "keys": keys}
    async with scope.begin() as transaction:
        counts = await transaction.find_one(_Undone, QUERIES["undo_tombstones"], parameters)
    assert counts is not None
    return Undone(dataset=dataset, **msgspec.structs.asdict(counts))


async def check_row_key(scope: Scope, dataset: str, row_key_column: str) -> None:
    """The caller sees the dataset, and the column is its row key.

    Raises:
        NotFoundError: no such dataset, or not the caller's to see.
        ConflictError: the row key is another column.
    """
    rows = await scope.fetch(_Dataset, QUERIES["row_key"], {"dataset": dataset})
    if not rows:
        raise not_found(dataset)
    row_key = rows[0].row_key
    if row_key is not None and row_key != row_key_column:
        raise ConflictError(f"the row key of dataset {dataset!r} is {row_key!r}, not {row_key_column[:60]!r}")


async def list_tombstones(scope: Scope, dataset: str, limit: int, cursor: str | None) -> Page[Tombstone]:
    """The dataset's tombstones that the scope may know of, newest first.

    Raises:
        NotFoundError: no such dataset, or not the caller's to see.
    """
    before = decode_cursor(cursor, int) if cursor else None
    if not await scope.fetch(_Dataset, QUERIES["row_key"], {"dataset": dataset}):
        raise not_found(dataset)
    parameters = {"dataset": dataset, "before": before, "limit": limit + 1}
    rows = await scope.fetch(Tombstone, QUERIES["list_tombstones"], parameters)
    return plan_page(rows, limit, lambda row: row.id)
