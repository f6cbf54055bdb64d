"""What is written down about buckets: operations that failed, and in the journal and audit those that did not."""

import logging
from typing import Any

import msgspec
from psycopg.types.json import Jsonb

from app.db.database import Database
from app.db.queries import load_queries
from app.db.scope import Scope
from app.errors import LakewardError
from app.storage.faults import Fault
from app.storage.models import StorageError
from app.web.paging import Page, decode_cursor, plan_page

QUERIES = load_queries(__file__)
log = logging.getLogger(__name__)


class Recorder:
    """The error journal: append-only, without secrets. That it cannot be written is logged and stops nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(
        self, bucket: str, operation: str, fault: Fault, *, key: str = "", request_id: str | None = None
    ) -> None:
        """One failed operation."""
        parameters = {
            "bucket": bucket,
            "operation": operation,
            "key": key,
            "kind": fault.kind,
            "message": fault.reason,
            "request_id": request_id,
        }
        try:
            async with self._database.steward(timeout_ms=5_000).begin() as transaction:
                await transaction.execute(QUERIES["append_error"], parameters)
        except LakewardError as exc:
            log.warning(
                "storage: %s of %s failed (%s), and is not on record: %s", operation, bucket, fault, exc
            )


async def list_errors(
    scope: Scope, limit: int, cursor: str | None = None, *, bucket: str | None = None
) -> Page[StorageError]:
    """The error journal, newest first.

    Raises:
        InvalidInputError: the cursor is not one of ours.
    """
    before = decode_cursor(cursor, int) if cursor else None
    parameters = {"bucket": bucket, "before": before, "limit": limit + 1}
    rows = await scope.fetch(StorageError, QUERIES["list_errors"], parameters)
    return plan_page(rows, limit, lambda row: row.id)


async def journal_object(scope: Scope, kind: str, bucket: str, key: str, new: dict[str, Any] | None) -> None:
    """A journal entry of `object_put`, `object_delete` or `migrate_buckets`; its entity is `bucket/key`."""
    async with scope.begin() as transaction:
        entity = f"{bucket}/{key}"
        value = Jsonb(msgspec.to_builtins(new)) if new is not None else None
        await transaction.execute(QUERIES["journal_object"], {"kind": kind, "entity": entity, "new": value})
