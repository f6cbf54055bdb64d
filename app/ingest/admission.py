"""What of a load may become rows of its dataset; asked in the transaction that publishes it."""

import msgspec

from app.catalog.models import DatasetRow
from app.db.queries import load_queries
from app.db.scope import Transaction
from app.errors import ConflictError, DuplicateRowKeyError, InUseError
from app.ingest import statements
from app.ingest.load import Loaded
from app.ingest.plan import LoadPlan

QUERIES = load_queries(__file__)


async def drop_tombstoned(
    transaction: Transaction, dataset: DatasetRow, loaded: Loaded, plan: LoadPlan
) -> tuple[Loaded, int]:
    """The load without the rows of tombstoned keys, which do not come back with a file; and how many that were."""
    as_loaded = plan.step in ("attach", "replace_table")
    parameters = {"dataset_id": dataset.id, "load_table": loaded.table, "as_loaded": as_loaded}
    dropped: int = await transaction.fetch_value(QUERIES["drop_tombstoned"], parameters)
    if dropped and plan.step in ("attach", "replace_table"):
        # else the dataset's table would hold their bytes, as those of dead rows
        for statement in statements.rewrite_table(loaded.table):
            await transaction.execute(statement)
    return msgspec.structs.replace(loaded, rows=loaded.rows - dropped), dropped


async def check_keys(
    transaction: Transaction, dataset: DatasetRow, types: dict[str, str], loaded: Loaded, plan: LoadPlan
) -> None:
    """No row of the load has a key that the dataset has already.

    Raises:
        ConflictError: the dataset got another row key while the file was being loaded.
        DuplicateRowKeyError: naming some of the keys.
    """
    key = plan.row_key
    if key is None:
        return
    if key != loaded.row_key:
        # the dataset got its row key, or another one, while the file was being loaded
        raise ConflictError(f"the row key of {dataset.name!r} changed meanwhile; send the file again")
    if plan.step == "append":
        clashes = await transaction.fetch_values(
            statements.clashing_keys(dataset.name, loaded.table, key, types[key])
        )
        if clashes:
            raise DuplicateRowKeyError(
                f"dataset {dataset.name!r} has rows with these keys already, for example {_examples(clashes)}; "
                "use disposition 'merge' to update them"
            )


def _examples(keys: list[str]) -> str:
    return ", ".join(repr(key[:60]) for key in keys[:3])


async def refuse_broken_views(transaction: Transaction, dataset: DatasetRow, loaded: Loaded) -> None:
    """The load's columns will be the dataset's: its views must find theirs among them.

    Raises:
        InUseError: naming the views that would not.
    """
    names = [column.name for column in loaded.columns]
    types = [column.type for column in loaded.columns]
    parameters = {"dataset_id": dataset.id, "names": names, "types": types}
    views = await transaction.fetch_values(QUERIES["broken_views"], parameters)
    if views:
        raise InUseError(
            f"the file does not have the columns that the view {', '.join(views)} of dataset {dataset.name!r} needs; "
            "delete the view first, or send a file that has them",
            used_by=views,
        )
