"""Erasures: asked for, watched, and their receipts. The job runs them (app/tombstones/erasure_tasks.py)."""

from datetime import datetime
from pathlib import Path
from uuid import UUID

import msgspec
from psycopg import sql

from app.catalog.service import not_found as dataset_not_found
from app.db.queries import load_queries
from app.db.scope import Scope, Transaction
from app.errors import ConflictError, InvalidInputError, NotFoundError
from app.jobs.models import State
from app.jobs.service import defer_job
from app.tombstones.erasure_models import Erasure, ErasureAccepted, ErasureRequest, Receipt
from app.tombstones.plan import plan_keys
from app.tombstones.working_file import find_working
from app.web.paging import Page, decode_cursor, plan_page

QUERIES = load_queries(__file__, "erasure.sql")
JOB_KIND = "erasure"


class _Dataset(msgspec.Struct, frozen=True):
    id: int
    name: str
    row_key: str | None
    key_type: str | None
    in_bucket: bool


class _Unfinished(msgspec.Struct, frozen=True):
    id: str
    job_id: str
    state: State


class _Receipt(msgspec.Struct, frozen=True):
    receipt: dict[str, object] | None


async def create_erasure(scope: Scope, request: ErasureRequest, home: Path) -> ErasureAccepted:
    """Ask for an erasure, and answer the job that does it.

    One of exactly these keys that has not come to its end is answered instead; if its job failed, a new one goes on
    where that stopped.

    Raises:
        NotFoundError: no such dataset.
        ConflictError: it has no row key, or no rows in Postgres.
        InvalidInputError: a key cannot be one of this dataset's.
    """
    keys = plan_keys(request.row_key_values)
    async with scope.begin() as transaction:
        dataset = await transaction.find_one(_Dataset, QUERIES["dataset"], {"name": request.dataset})
        if dataset is None:
            raise dataset_not_found(request.dataset)
        if dataset.in_bucket:
            raise ConflictError(
                f"the rows of dataset {dataset.name!r} are in a bucket; an erasure with a receipt is for rows in "
                "Postgres. Tombstone them and compact the dataset: no file of it that is read has them then"
            )
        if dataset.row_key is None or dataset.key_type is None:
            raise ConflictError(f"dataset {dataset.name!r} has no row key, so no row of it can be named")
        keys = await _read_keys(transaction, dataset, keys)
        hashes = await transaction.fetch_value(
            QUERIES["key_hashes"], {"keys": keys, "type": dataset.key_type}
        )
        parameters = {
            "dataset": dataset.name,
            "dataset_id": dataset.id,
            "keys": keys,
            "hashes": hashes,
            "reason": request.reason,
            "dry_run": request.dry_run,
            "created_by": scope.actor.principal,
        }
        found = None
        if not request.dry_run:
            found = await transaction.find_one(_Unfinished, QUERIES["find_unfinished"], parameters)
        if found is not None and found.state in ("queued", "running"):
            return ErasureAccepted(id=found.id, job_id=found.job_id, state=found.state)
        if found is None:
            erasure_id: str = await transaction.fetch_value(QUERIES["create_erasure"], parameters)
        else:
            erasure_id = found.id
            if find_working(home, erasure_id) is None:
                await transaction.execute(QUERIES["start_over"], {"id": erasure_id, "keys": keys})
        job_id = await defer_job(
            transaction,
            kind=JOB_KIND,
            subject=dataset.name,
            args={"erasure": erasure_id},
            unit="steps",
            # loads of the dataset that are jobs wait for each other, and for this
            lock=f"ingest:{dataset.name}",
            created_by=scope.actor.principal,
        )
        await transaction.execute(QUERIES["set_job"], {"id": erasure_id, "job_id": job_id})
    return ErasureAccepted(id=erasure_id, job_id=job_id, state="queued")


async def _read_keys(transaction: Transaction, dataset: _Dataset, keys: list[str]) -> list[str]:
    """The keys as the dataset writes them: 007 is 7 where keys are numbers."""
    parameters = {"keys": keys, "type": dataset.key_type}
    wrong: int | None = await transaction.fetch_value(QUERIES["wrong_key"], parameters)
    if wrong is not None:
        raise InvalidInputError(
            f"row_key_values[{wrong}] is no {dataset.key_type}, as the row key {dataset.row_key!r} is"
        )
    statement = sql.SQL("select distinct k.key::{}::text from unnest(%(keys)s::text[]) k (key)").format(
        sql.SQL(dataset.key_type or "")
    )
    return sorted(await transaction.fetch_values(statement, parameters))


async def get_erasure(scope: Scope, erasure_id: str) -> Erasure:
    """One erasure.

    Raises:
        NotFoundError: there is none, or the id is not one.
    """
    parameters = {"id": _parse_id(erasure_id), "before_at": None, "before_id": None, "limit": 1}
    rows = await scope.fetch(Erasure, QUERIES["erasures"], parameters)
    if not rows:
        raise _not_found(erasure_id)
    return rows[0]


async def list_erasures(scope: Scope, limit: int, cursor: str | None) -> Page[Erasure]:
    """Erasures, newest first.

    Raises:
        InvalidInputError: the cursor is not one of ours.
    """
    before_at, before_id = decode_cursor(cursor, tuple[datetime, UUID]) if cursor else (None, None)
    parameters = {"id": None, "before_at": before_at, "before_id": before_id, "limit": limit + 1}
    rows = await scope.fetch(Erasure, QUERIES["erasures"], parameters)
    return plan_page(rows, limit, lambda erasure: (erasure.created_at, erasure.id))


async def get_receipt(scope: Scope, erasure_id: str) -> Receipt:
    """The receipt.

    Raises:
        NotFoundError: there is no such erasure, or it has none yet.
    """
    rows = await scope.fetch(_Receipt, QUERIES["receipt"], {"id": _parse_id(erasure_id)})
    if not rows:
        raise _not_found(erasure_id)
    if rows[0].receipt is None:
        raise NotFoundError("this erasure has no receipt yet: it is written when everything else is done")
    return msgspec.convert(rows[0].receipt, Receipt)


def _parse_id(erasure_id: str) -> UUID:
    try:
        return UUID(erasure_id)
    except ValueError as exc:
        raise _not_found(erasure_id) from exc


def _not_found(erasure_id: str) -> NotFoundError:
    return NotFoundError(f"no erasure {erasure_id[:40]!r}")
