"""Variants that no profile asks for any more are dropped: each insert would go on keeping them."""

import logging
from collections.abc import Sequence

import msgspec
from psycopg import sql

from app.db.builder import building
from app.db.database import Database
from app.db.queries import load_queries
from app.db.scope import Scope
from app.errors import LakewardError
from app.vectors.statements import VEC, hnsw_name

log = logging.getLogger(__name__)
QUERIES = load_queries(__file__)


class _Unasked(msgspec.Struct, frozen=True):
    id: int
    table_name: str


async def drop_unasked(database: Database, owner: Scope, index_ids: Sequence[int]) -> int:
    """Drop the graphs of these indexes that are nobody's; how many. What fails is tried at the next activation.

    Searches that are on their way by such a graph are waited for, as DROP INDEX CONCURRENTLY does.
    """
    dropped = 0
    # no search begins by it from here on
    async with owner.begin() as transaction:
        unasked = await transaction.fetch_all(_Unasked, QUERIES["retire_unasked"], {"ids": list(index_ids)})
    database.changes.bump()
    for variant in unasked:
        try:
            await _drop(database, owner, variant)
        except LakewardError as exc:
            log.warning("variant %s of %s is not dropped: %s", variant.id, variant.table_name, exc.message)
        else:
            dropped += 1
    return dropped


async def _drop(database: Database, owner: Scope, variant: _Unasked) -> None:
    async with building(database, lock=f"lakeward.variant.{variant.id}", memory_bytes=0) as connection:
        await connection.execute(
            sql.SQL("drop index concurrently if exists {}").format(
                sql.Identifier(VEC, hnsw_name(variant.table_name, variant.id))
            )
        )
        async with owner.begin() as transaction:
            await transaction.execute(QUERIES["forget_unasked"], {"id": variant.id})
