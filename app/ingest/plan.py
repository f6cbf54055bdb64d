"""Pure decisions about a load."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from app.catalog.models import DatasetRow, StoredColumn
from app.errors import ConflictError, InvalidInputError
from app.ingest.requests import Disposition

Step = Literal["attach", "append", "merge", "replace_rows", "replace_table"]

#: What a column of the dataset can hold beside its own type, without loss.
_FITS = {
    "double precision": {"bigint"},
    "numeric": {"bigint"},
    "timestamp": {"date"},
    "timestamptz": {"date", "timestamp"},
    "text": {
        "boolean",
        "bigint",
        "double precision",
        "numeric",
        "date",
        "time",
        "timestamp",
        "timestamptz",
        "jsonb",
    },
    "jsonb": {"text[]"},
}


class LoadPlan(msgspec.Struct, frozen=True):
    """How a load table becomes part of a dataset, and which row key the dataset has then."""

    step: Step
    row_key: str | None


def plan_load(
    dataset: DatasetRow | None,
    existing: Sequence[StoredColumn],
    incoming: Sequence[StoredColumn],
    row_key: str | None,
    disposition: Disposition,
    *,
    may_add: bool = False,
) -> LoadPlan:
    """What to do with rows of these columns; `may_add`: columns that the dataset does not have become its own.

    Raises:
        InvalidInputError: the row key is not a column, or merge without one.
        ConflictError: the dataset has another row key, or columns that do not fit.
    """
    key = plan_row_key(incoming, row_key)
    if dataset is not None and dataset.row_key is not None:
        if key is not None and key != dataset.row_key:
            raise ConflictError(f"dataset {dataset.name!r} has the row key {dataset.row_key!r}, not {key!r}")
        key = plan_row_key(incoming, dataset.row_key)
    if disposition == "merge" and key is None:
        raise InvalidInputError("disposition 'merge' needs a row_key to tell which rows are the same")
    if dataset is None or not dataset.has_table:
        return LoadPlan(step="attach", row_key=key)
    if disposition == "replace" and not _same(existing, incoming):
        return LoadPlan(step="replace_table", row_key=key)
    _check_fit(dataset, existing, incoming, may_add=may_add)
    step: Step = "replace_rows" if disposition == "replace" else disposition
    return LoadPlan(step=step, row_key=key)


def plan_row_key(columns: Sequence[StoredColumn], row_key: str | None) -> str | None:
    """The column's name here, whether it was asked for by that or by its name in the file.

    Raises:
        InvalidInputError: there is no such column; the message lists those there are.
    """
    if row_key is None:
        return None
    for column in columns:
        if row_key in (column.name, column.source_name):
            return column.name
    names = ", ".join(column.name for column in columns[:50])
    raise InvalidInputError(f"row_key {row_key[:60]!r} is not a column of the file; it has {names}")


def _same(existing: Sequence[StoredColumn], incoming: Sequence[StoredColumn]) -> bool:
    return [(c.name, c.type) for c in existing] == [(c.name, c.type) for c in incoming]


def _check_fit(
    dataset: DatasetRow, existing: Sequence[StoredColumn], incoming: Sequence[StoredColumn], *, may_add: bool
) -> None:
    types = {column.name: column.type for column in existing}
    unknown = [column.name for column in incoming if column.name not in types]
    if unknown and not may_add:
        raise ConflictError(
            f"dataset {dataset.name!r} has no column {', '.join(map(repr, unknown[:10]))}; "
            "load it with disposition 'replace', or into another dataset"
        )
    for column in incoming:
        wanted = types.get(column.name, column.type)
        if column.type != wanted and column.type not in _FITS.get(wanted, ()):
            raise ConflictError(
                f"column {column.name!r} of dataset {dataset.name!r} is {wanted}, in the file it is {column.type}"
            )
