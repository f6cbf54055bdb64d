"""The second pass: the erased keys are asked for once more, of every table and as every reader."""

from collections.abc import Sequence

import msgspec
from psycopg import sql

from app.db.database import Database
from app.db.queries import load_queries
from app.tombstones.erasure_models import ErasureRow, SearchedIndex
from app.tombstones.receipt import Doors

QUERIES = load_queries(__file__, "erasure.sql")


class _ReaderView(msgspec.Struct, frozen=True):
    role_name: str
    schema_name: str
    relation: str
    key_column: str


class _LeftOver(msgspec.Struct, frozen=True):
    tombstones: int
    journal_entries: int
    audit_entries: int


async def ask_doors(database: Database, row: ErasureRow, keys: Sequence[str]) -> Doors:
    """How many rows, chunks and records still answer to the keys.

    Readers are asked through their own views, as themselves; a view that masks the key shows rows of the table, which
    is asked as well.
    """
    parameters = {
        "dataset_id": row.dataset_id,
        "dataset": row.dataset,
        "keys": list(keys),
        "hashes": row.key_hashes,
    }
    async with database.owner().begin() as transaction:
        indexes = await transaction.fetch_all(SearchedIndex, QUERIES["indexes_over"], parameters)
        views = await transaction.fetch_all(_ReaderView, QUERIES["readers_with_key"], parameters)
        left = await transaction.find_one(_LeftOver, QUERIES["left_over"], parameters)
        tables = [
            (sql.Identifier("lake", row.dataset), row.row_key),
            *(
                (sql.Identifier("vec", i.name + part), "row_key")
                for i in indexes
                for part in ("", "_pending")
            ),
        ]
        counts = [await transaction.fetch_value(_count(*table, row), parameters) for table in tables]
    assert left is not None
    seen = 0
    for view in views:
        relation = sql.Identifier(view.schema_name, view.relation)
        async with database.reader(view.role_name).begin() as transaction:
            seen += await transaction.fetch_value(_count(relation, view.key_column, row), parameters)
    return Doors(
        rows=counts[0],
        chunks=sum(counts[1:]),
        readers=seen,
        readers_asked=len(views),
        tombstone_images=left.tombstones,
        journal_payloads=left.journal_entries,
        audit_hits=left.audit_entries,
    )


def _count(relation: sql.Identifier, column: str, row: ErasureRow) -> sql.Composed:
    return sql.SQL("select count(*) from {} where {} = any(%(keys)s::text[]::{}[])").format(
        relation, sql.Identifier(column), sql.SQL(row.key_type)
    )
