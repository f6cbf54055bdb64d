"""Datasets: registered, listed, described, deleted."""

import msgspec
from psycopg import errors as pg_errors

from app.catalog.models import (
    ColumnRequest,
    Dataset,
    DatasetRequest,
    DatasetRow,
    DeletedDataset,
    Home,
    StoredColumn,
)
from app.catalog.plan import plan_name
from app.db.queries import load_queries
from app.db.scope import Scope, Transaction
from app.errors import ConflictError, DuplicateRowKeyError, InUseError, InvalidInputError, NotFoundError
from app.web.paging import Page, decode_cursor, plan_page

QUERIES = load_queries(__file__)


class _Users(msgspec.Struct, frozen=True):
    indexes: list[str]
    views: list[str]
    profiles: list[str]


class _Sensitivity(msgspec.Struct, frozen=True):
    name: str
    sensitivity: str


def not_found(name: str) -> NotFoundError:
    """The error for a dataset that is not there, or that the caller may not see; the two read the same."""
    return NotFoundError(f"no dataset {name[:60]!r}")


async def get_dataset(scope: Scope, name: str) -> Dataset:
    """The manifest.

    Raises:
        NotFoundError: it is not there, or not the caller's to see.
    """
    rows = await scope.fetch(Dataset, QUERIES["manifests"], {"name": name, "after": None, "limit": 1})
    if not rows:
        raise not_found(name)
    return convert_dataset(rows[0])


async def list_datasets(scope: Scope, limit: int, cursor: str | None) -> Page[Dataset]:
    """The manifests of all datasets the scope may see, by name."""
    after = decode_cursor(cursor, str) if cursor else None
    rows = await scope.fetch(
        Dataset, QUERIES["manifests"], {"name": None, "after": after, "limit": limit + 1}
    )
    return plan_page([convert_dataset(row) for row in rows], limit, lambda dataset: dataset.name)


def convert_dataset(row: Dataset) -> Dataset:
    """The row with its JSON parts as the Structs they are."""
    return msgspec.convert(msgspec.to_builtins(row), Dataset)


async def find_dataset(transaction: Transaction, name: str, *, lock: bool = False) -> DatasetRow | None:
    """The dataset as other capabilities need it, or None; locked until the transaction ends when asked."""
    query = QUERIES["lock_dataset" if lock else "dataset_row"]
    return await transaction.find_one(DatasetRow, query, {"name": name})


async def list_columns(transaction: Transaction, dataset_id: int) -> list[StoredColumn]:
    """The columns of a dataset in order."""
    return await transaction.fetch_all(StoredColumn, QUERIES["list_columns"], {"dataset_id": dataset_id})


async def register_dataset(
    transaction: Transaction, name: str, home: Home, row_key: str | None
) -> DatasetRow:
    """A new dataset without a table yet.

    Raises:
        InvalidNameError: the name cannot be used.
        ConflictError: a relation has that name.
    """
    plan_name(name, "dataset")
    relation_id: int = await transaction.fetch_value(QUERIES["create_relation"], {"name": name})
    await transaction.execute(
        QUERIES["create_dataset"], {"id": relation_id, "name": name, "home": home, "row_key": row_key}
    )
    return DatasetRow(
        id=relation_id, name=name, home=home, row_key=row_key, row_count=0, version=0, has_table=False
    )


async def replace_columns(transaction: Transaction, dataset_id: int, columns: list[StoredColumn]) -> None:
    """The dataset has these columns, in this order, and no others.

    A column that was there keeps its sensitivity. One that is new to a dataset that has columns is closed until
    somebody classifies it.
    """
    rows = await transaction.fetch_all(_Sensitivity, QUERIES["sensitivities"], {"dataset_id": dataset_id})
    known = {row.name: row.sensitivity for row in rows}
    otherwise = "unclassified" if known else "internal"
    await transaction.execute(QUERIES["delete_columns"], {"dataset_id": dataset_id})
    for position, column in enumerate(columns, start=1):
        await transaction.execute(
            QUERIES["create_column"],
            {
                "dataset_id": dataset_id,
                "position": position,
                "sensitivity": known.get(column.name, otherwise),
                **msgspec.structs.asdict(column),
            },
        )


async def create_or_update_dataset(scope: Scope, request: DatasetRequest) -> tuple[Dataset, bool]:
    """Register a dataset, or update the given fields of one that exists. Answers the manifest and whether it is new.

    Raises:
        InvalidNameError, InvalidInputError: a name, home or row key that cannot be.
        ConflictError: columns are given for a dataset that has some.
        DuplicateRowKeyError: the row key that is asked for has doubles or nulls in the rows that are there.
    """
    plan_name(request.name, "dataset")
    if request.home != "table":
        raise InvalidInputError(
            "a dataset with home 'bucket' begins with its files: ingest one with home=bucket, or attach "
            "those that are there"
        )
    async with scope.begin() as transaction:
        dataset = await find_dataset(transaction, request.name, lock=True)
        created = dataset is None
        if dataset is None:
            dataset = await register_dataset(transaction, request.name, request.home, request.row_key)
            if request.columns:
                await _create_table(transaction, dataset, request.columns)
        else:
            if request.columns:
                raise ConflictError(f"dataset {request.name!r} exists and keeps its columns")
            await _update_row_key(transaction, dataset, request.row_key)
        fields = msgspec.structs.asdict(request)
        del fields["columns"], fields["home"]
        await transaction.execute(QUERIES["update_dataset"], {"id": dataset.id, **fields})
    return await get_dataset(scope, request.name), created


async def _create_table(transaction: Transaction, dataset: DatasetRow, columns: list[ColumnRequest]) -> None:
    names = [column.name for column in columns]
    if len(set(names)) != len(names):
        raise InvalidInputError("two columns have the same name")
    if any(len(name.encode()) > 63 or not name.isprintable() for name in names):
        raise InvalidInputError("a column name has at most 63 bytes, all of them printable")
    if dataset.row_key is not None and dataset.row_key not in names:
        raise InvalidInputError(f"row_key {dataset.row_key[:60]!r} is not among the columns")
    stored = [StoredColumn(name=c.name, source_name=c.name, type=c.type) for c in columns]
    await replace_columns(transaction, dataset.id, stored)
    await transaction.execute(QUERIES["create_dataset_table"], {"dataset_id": dataset.id})


async def _update_row_key(transaction: Transaction, dataset: DatasetRow, row_key: str | None) -> None:
    if row_key is None or row_key == dataset.row_key:
        return
    columns = [column.name for column in await list_columns(transaction, dataset.id)]
    if dataset.has_table and row_key not in columns:
        raise InvalidInputError(f"dataset {dataset.name!r} has no column {row_key[:60]!r}")
    users = await transaction.find_one(_Users, QUERIES["dataset_users"], {"id": dataset.id})
    if users and users.indexes:
        raise InUseError(f"the row key of {dataset.name!r} is used by: {', '.join(users.indexes)}")
    if not dataset.has_table:
        return
    try:
        await transaction.execute(QUERIES["ensure_row_key"], {"dataset_id": dataset.id, "row_key": row_key})
    except (pg_errors.UniqueViolation, pg_errors.NotNullViolation) as exc:
        raise DuplicateRowKeyError(
            f"column {row_key!r} of {dataset.name!r} cannot be its row key: it has doubles or nulls"
        ) from exc


async def delete_dataset(scope: Scope, name: str) -> DeletedDataset:
    """The dataset, its rows and every reader's view of it go in one transaction.

    Raises:
        NotFoundError: no such dataset.
        InUseError: a view or an index uses it; the message names them.
    """
    async with scope.begin() as transaction:
        dataset = await find_dataset(transaction, name, lock=True)
        if dataset is None:
            raise not_found(name)
        users = await transaction.find_one(_Users, QUERIES["dataset_users"], {"id": dataset.id})
        assert users is not None
        if users.indexes or users.views:
            used_by = [f"index {index}" for index in users.indexes] + [f"view {view}" for view in users.views]
            raise InUseError(
                f"dataset {name!r} is used by {', '.join(used_by)}; delete that first",
                used_by=[*users.indexes, *users.views],
            )
        await transaction.execute(QUERIES["delete_relation"], {"id": dataset.id})
    return DeletedDataset(name=name, row_count=dataset.row_count, unbound_profiles=users.profiles)
