"""What people say about a dataset: description, owner, tags, and how sensitive it and its columns are."""

from collections.abc import Mapping, Sequence

from app.catalog.models import LEVELS, Dataset, MetadataRequest
from app.catalog.service import QUERIES, find_dataset, get_dataset, list_columns, not_found
from app.db.scope import Scope
from app.errors import InvalidInputError, NotFoundError


def check_levels(request: MetadataRequest) -> None:
    """Every level is one of the words.

    Raises:
        InvalidInputError: one is not; the message lists them.
    """
    said = {f"column {name[:60]!r}": column.sensitivity for name, column in request.columns.items()}
    for what, level in {"sensitivity": request.sensitivity, **said}.items():
        if level is not None and level not in LEVELS:
            raise InvalidInputError(f"{what}: there is no level {level!r}; use one of {', '.join(LEVELS)}")


def plan_levels(request: MetadataRequest, dataset: str, columns: Sequence[str]) -> dict[str, str]:
    """The columns that are classified, with their levels.

    Raises:
        NotFoundError: the dataset has no such column; the message names those that it has.
        InvalidInputError: see check_levels.
    """
    check_levels(request)
    check_columns(dataset, request.columns, columns)
    return {name: c.sensitivity for name, c in request.columns.items() if c.sensitivity is not None}


def check_columns(dataset: str, named: Mapping[str, object], columns: Sequence[str]) -> None:
    """Every named column is one of the dataset's.

    Raises:
        NotFoundError: `missing` lists those that are not; the message names those that are.
    """
    missing = sorted(set(named) - set(columns))
    if missing:
        raise NotFoundError(
            f"dataset {dataset!r} has no column {', '.join(repr(name[:60]) for name in missing[:20])}; "
            f"it has {', '.join(columns[:50]) or 'none yet'}",
            missing=missing[:100],
        )


async def update_metadata(scope: Scope, name: str, request: MetadataRequest) -> Dataset:
    """The dataset's manifest with the given fields changed; all of them or none.

    What readers see follows in the same transaction: a column that is above a reader's clearance now is redacted when
    this returns, in every door.

    Raises:
        NotFoundError: no such dataset or column.
        InvalidInputError: a level that is none of the words.
    """
    async with scope.begin() as transaction:
        dataset = await find_dataset(transaction, name, lock=True)
        if dataset is None:
            raise not_found(name)
        columns = [column.name for column in await list_columns(transaction, dataset.id)]
        levels = plan_levels(request, name, columns)
        await transaction.execute(
            QUERIES["update_dataset"],
            {
                "id": dataset.id,
                "row_key": None,
                "embedding_refresh_policy": None,
                "embedding_refresh_s": None,
                "description": request.description,
                "owner": request.owner,
                "tags": request.tags,
                "sensitivity": request.sensitivity,
            },
        )
        if levels:
            parameters = {
                "dataset_id": dataset.id,
                "names": list(levels),
                "levels": list(levels.values()),
            }
            await transaction.execute(QUERIES["classify_columns"], parameters)
    return await get_dataset(scope, name)
