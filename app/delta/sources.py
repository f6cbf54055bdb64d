"""What an analytic query reads from buckets: relations as Postgres decides them for one profile, with their files."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec

from app.db.database import Database
from app.db.queries import load_queries
from app.delta.govern import GovernedFiles
from app.delta.models import BucketDataset, SourceRow
from app.delta.places import Places
from app.delta.service import Files, list_files
from app.errors import DamagedFileError, UnavailableError
from app.views.datafusion import HmacKey

QUERIES = load_queries(__file__)


class _Key(msgspec.Struct, frozen=True):
    inner: bytes
    outer: bytes


#: Whether somebody has a relation's rows already, so that its files need not be looked at.
HasRows: TypeAlias = Callable[[GovernedFiles], bool]


async def find_sources(
    database: Database,
    places: Places,
    profile: str | None,
    words: Sequence[str],
    has_rows: HasRows = lambda _: False,
) -> list[GovernedFiles]:
    """Of these words, the relations over bucket datasets that the profile is bound to (None: all), ready to be read.

    Those that `has_rows` knows come without files.

    Raises:
        UnavailableError: the bucket of one of them does not answer.
    """
    steward = database.steward()
    parameters = {"profile": profile, "words": list(words)}
    rows = [
        msgspec.convert(msgspec.to_builtins(row), SourceRow)
        for row in await steward.fetch(SourceRow, QUERIES["bucket_sources"], parameters)
    ]
    return await asyncio.gather(*(_resolve(database, places, profile, row, has_rows) for row in rows))


async def _list_for(profile: str | None, places: Places, dataset: BucketDataset) -> Files:
    """The files; what is said of buckets and keys, when there are none, is for admins."""
    try:
        return await list_files(places, dataset)
    except UnavailableError as exc:
        if profile is None:
            raise
        what = "are in damaged files" if isinstance(exc, DamagedFileError) else "cannot be read at the moment"
        raise type(exc)(f"the rows of {dataset.name!r} {what}", **exc.extra) from exc


async def _resolve(
    database: Database, places: Places, profile: str | None, row: SourceRow, has_rows: HasRows
) -> GovernedFiles:
    dataset = BucketDataset(
        dataset_id=row.dataset_id,
        name=row.name,
        row_key=row.row_key,
        bucket=row.bucket,
        location=row.location,
        format=row.format,
        delta_version=row.delta_version,
        partition_columns=row.partition_columns,
        arrow_schema=row.arrow_schema,
    )
    relation = GovernedFiles(
        name=row.name,
        uris=[],
        schema=b"",
        columns=row.columns,
        stored=row.stored,
        filter_tree=row.filter_tree,
        row_key=row.row_key,
        gone=await list_gone(database, row.dataset_id) if row.has_tombstones else [],
        foreign=row.format == "parquet",
        partition_columns=row.partition_columns,
        hash_key=await _hash_key(database, row),
        version=f"{row.bucket}/{row.location}@{row.delta_version}" if row.delta_version is not None else None,
    )
    if has_rows(relation):
        return relation
    files = await _list_for(profile, places, dataset)
    return msgspec.structs.replace(
        relation,
        uris=list(files.uris),
        schema=files.schema,
        address=files.address,
        rescue_used=files.rescue_used,
    )


class _Gone(msgspec.Struct, frozen=True):
    key_value: str


async def list_gone(database: Database, dataset_id: int) -> list[str]:
    """The keys of a bucket dataset that have tombstones, as text."""
    rows = await database.steward().fetch(_Gone, QUERIES["tombstoned_keys"], {"dataset_id": dataset_id})
    return [row.key_value for row in rows]


async def _hash_key(database: Database, row: SourceRow) -> HmacKey | None:
    """Read only for a relation that hashes something; only the gate may."""
    if not any(column.action == "hash" for column in row.columns):
        return None
    gate = database.reader(database.deployment.gate_role)
    [key] = await gate.fetch(_Key, QUERIES["hash_key"], {})
    return HmacKey(inner=key.inner, outer=key.outer)
