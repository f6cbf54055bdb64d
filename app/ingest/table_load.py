"""A load table becomes a dataset's own table, or its rows become the table's, in one transaction."""

from app.catalog.models import DatasetRow
from app.catalog.service import list_columns, replace_columns
from app.db.queries import load_queries
from app.db.scope import Transaction
from app.errors import InUseError
from app.ingest import statements
from app.ingest.admission import check_keys, drop_tombstoned, refuse_broken_views
from app.ingest.load import Loaded
from app.ingest.plan import LoadPlan, plan_load
from app.ingest.record import record_load
from app.ingest.requests import IngestPlan

QUERIES = load_queries(__file__)


async def publish_to_table(
    transaction: Transaction, dataset: DatasetRow, plan: IngestPlan, loaded: Loaded
) -> tuple[Loaded, int]:
    """The rows are the dataset's from the commit on; the load without its tombstoned rows, and how many those were.

    Raises:
        ConflictError, DuplicateRowKeyError, InUseError: the rows do not fit what is there.
    """
    existing = await list_columns(transaction, dataset.id)
    load_plan = plan_load(dataset, existing, loaded.columns, plan.row_key, plan.disposition)
    loaded, tombstoned = await drop_tombstoned(transaction, dataset, loaded, load_plan)
    types: dict[str, str] = {column.name: column.type for column in existing}
    await check_keys(transaction, dataset, types, loaded, load_plan)
    await _apply(transaction, dataset, types, loaded, load_plan)
    as_loaded = load_plan.step in ("attach", "replace_table")
    if as_loaded:
        rows = loaded.rows
    elif load_plan.step == "append":
        rows = dataset.row_count + loaded.rows
    else:
        rows = await transaction.fetch_value(statements.count_rows(dataset.name))
    await record_load(transaction, dataset, plan, loaded, load_plan.row_key, rows)
    refresh = {"dataset_id": dataset.id, "created_by": plan.principal}
    await transaction.execute(QUERIES["defer_refresh"], refresh)
    if not as_loaded:
        await transaction.execute(statements.analyze(dataset.name))
    return loaded, tombstoned


async def _apply(
    transaction: Transaction,
    dataset: DatasetRow,
    types: dict[str, str],
    loaded: Loaded,
    plan: LoadPlan,
) -> None:
    if plan.step == "replace_table":
        indexes = await transaction.fetch_values(QUERIES["indexes_of"], {"dataset_id": dataset.id})
        if indexes:
            raise InUseError(
                f"the file has other columns than dataset {dataset.name!r}, and the index {', '.join(indexes)} "
                "needs them as they are; delete it first",
                used_by=indexes,
            )
        await refuse_broken_views(transaction, dataset, loaded)
        await transaction.execute(statements.drop_table(dataset.name))
    if plan.step in ("attach", "replace_table"):
        await _attach(transaction, dataset, loaded)
        return
    if plan.step == "append":
        await transaction.execute(statements.append_rows(dataset.name, loaded.table, loaded.columns, types))
    elif plan.step == "replace_rows" and plan.row_key is None:
        await transaction.execute(statements.delete_all(dataset.name))
        await transaction.execute(statements.append_rows(dataset.name, loaded.table, loaded.columns, types))
    else:
        assert plan.row_key is not None
        if plan.step == "replace_rows":
            await transaction.execute(statements.delete_missing(dataset.name, loaded.table, plan.row_key))
        for statement in statements.merge_rows(
            dataset.name, loaded.table, loaded.columns, types, plan.row_key
        ):
            await transaction.execute(statement)
    await transaction.execute(statements.drop_table(loaded.table))


async def _attach(transaction: Transaction, dataset: DatasetRow, loaded: Loaded) -> None:
    await replace_columns(transaction, dataset.id, list(loaded.columns))
    await transaction.execute(
        QUERIES["attach_dataset"], {"dataset_id": dataset.id, "load_table": loaded.table}
    )
    await transaction.execute(QUERIES["rebuild_views"], {"dataset_id": dataset.id})
