"""A load on record: which files a dataset has had, what was rejected, and the dataset that they become."""

import time

import msgspec
import psycopg
from psycopg.types.json import Jsonb

from app.catalog.models import DatasetRow, Home
from app.catalog.service import QUERIES as CATALOG
from app.catalog.service import find_dataset, register_dataset
from app.db.queries import load_queries
from app.db.scope import Transaction
from app.ingest.load import Loaded
from app.ingest.requests import Ingested, IngestedColumn, IngestPlan

QUERIES = load_queries(__file__)


class _File(msgspec.Struct, frozen=True):
    id: int
    rows: int
    rejected: int
    home: Home


async def lock_dataset(transaction: Transaction, name: str, home: Home) -> DatasetRow:
    """The dataset, registered when it is new; of two first loads at once one registers, the other waits for it."""
    dataset = await find_dataset(transaction, name, lock=True)
    if dataset is not None:
        return dataset
    try:
        async with transaction.connection.transaction():
            return await register_dataset(transaction, name, home, None)
    except psycopg.errors.UniqueViolation:
        dataset = await find_dataset(transaction, name, lock=True)
        if dataset is None:
            raise
        return dataset


async def record_load(
    transaction: Transaction,
    dataset: DatasetRow,
    plan: IngestPlan,
    loaded: Loaded,
    row_key: str | None,
    rows: int,
) -> None:
    """The dataset has `rows` rows now and this row key; its file, lineage, journal entry and rejects are written."""
    forgotten = {
        "dataset_id": dataset.id,
        "content_sha256": plan.content_sha256,
        "disposition": plan.disposition,
    }
    await transaction.execute(QUERIES["forget_files"], forgotten)
    source = {
        "kind": "file",
        "filename": plan.filename,
        "content_sha256": plan.content_sha256,
        "rows": loaded.rows,
        "rejected": loaded.rejected,
        "disposition": plan.disposition,
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    await transaction.execute(
        CATALOG["set_loaded"],
        {
            "id": dataset.id,
            "row_count": rows,
            "row_key": row_key,
            "lineage": Jsonb([source]),
        },
    )
    file_id: int = await transaction.fetch_value(
        QUERIES["create_file"],
        {**source, "dataset_id": dataset.id, "loaded_by": plan.principal},
    )
    await transaction.execute(QUERIES["append_load"], {"dataset": dataset.name, "source": Jsonb(source)})
    await _keep_rejects(transaction, file_id, loaded)


async def _keep_rejects(transaction: Transaction, file_id: int, loaded: Loaded) -> None:
    if not loaded.rejects:
        return
    cursor = transaction.connection.cursor()
    async with cursor.copy(
        "copy lakeward.rejected_row (file_id, line, reason, raw) from stdin (format binary)"
    ) as copy:
        copy.set_types(["int8", "int8", "text", "text"])
        for reject in loaded.rejects:
            raw = reject.raw.replace("\0", "\\0")
            await copy.write_row((file_id, reject.line, reject.reason, raw))


async def find_loaded(transaction: Transaction, plan: IngestPlan) -> Ingested | None:
    file = await transaction.find_one(
        _File,
        QUERIES["find_file"],
        {
            "dataset": plan.dataset,
            "content_sha256": plan.content_sha256,
            "disposition": plan.disposition,
        },
    )
    if file is None:
        return None
    return Ingested(
        dataset=plan.dataset,
        home=file.home,
        rows=file.rows,
        rejected=file.rejected,
        content_sha256=plan.content_sha256,
        duplicate=True,
        columns=await loaded_columns(transaction, plan.dataset),
    )


async def loaded_columns(transaction: Transaction, dataset: str) -> list[IngestedColumn]:
    return await transaction.fetch_all(IngestedColumn, QUERIES["loaded_columns"], {"dataset": dataset})
