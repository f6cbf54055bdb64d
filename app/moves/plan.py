"""Pure decisions about a move."""

from app.catalog.models import Home
from app.catalog.plan import plan_name
from app.errors import ConflictError

SUFFIX: dict[Home, str] = {"bucket": "_parquet", "table": "_table"}


def plan_copy_name(dataset: str, target: str | None, home: Home) -> str:
    """The copy's name: the one asked for, or the dataset's with what says where its rows are.

    Raises:
        InvalidNameError: it cannot be one; of a long dataset's name the default cannot.
    """
    name = target or dataset + SUFFIX[home]
    plan_name(name, "dataset")
    return name


def check_source(dataset: str, home: Home, target_home: Home, *, has_columns: bool) -> None:
    """There is something to copy, and it is not there already.

    Raises:
        ConflictError: a table is to become a table, or the dataset has no columns yet.
    """
    if home == target_home == "table":
        raise ConflictError(f"the rows of dataset {dataset!r} are in Postgres already")
    if not has_columns:
        raise ConflictError(f"dataset {dataset!r} has no columns yet; load something into it first")
