"""What a reader sees, column by column, with the reason; counted as that reader."""

from typing import Any

import msgspec
from psycopg import errors as pg_errors
from psycopg import sql

from app.db.queries import load_queries
from app.db.scope import Scope, Transaction
from app.errors import NotFoundError, UnavailableError
from app.profiles.explain_models import (
    Access,
    ExplainedIndex,
    ExplainedRelation,
    Explanation,
    IndexOf,
    PlannedRelation,
)
from app.profiles.explain_plan import explain_index
from app.profiles.models import HnswConfig

QUERIES = load_queries(__file__)


class Reader(msgspec.Struct, frozen=True):
    """A profile with its access role, and where its views are."""

    id: str
    description: str
    schema_name: str
    role_name: str
    hnsw_config: HnswConfig
    access: Access


class _Named(msgspec.Struct, frozen=True):
    id: int
    name: str


class _Count(msgspec.Struct, frozen=True):
    relation: str
    rows: int


async def get_reader(transaction: Transaction, profile_id: str) -> Reader:
    """The profile with its access role.

    Raises:
        NotFoundError: it is not there, or not the caller's to see.
    """
    row = await transaction.find_one(Reader, QUERIES["access"], {"id": profile_id})
    if row is None:
        raise NotFoundError(f"no profile {profile_id[:60]!r}")
    return msgspec.convert(msgspec.to_builtins(row), Reader)


async def list_bound(transaction: Transaction, profile_id: str) -> dict[str, int]:
    """The ids of the profile's relations, by name."""
    rows = await transaction.fetch_all(_Named, QUERIES["bound_relations"], {"id": profile_id})
    return {row.name: row.id for row in rows}


async def plan_relations(transaction: Transaction, ids: list[int], access: Access) -> list[PlannedRelation]:
    """As the steward: what a reader with this access gets of these relations, by name."""
    parameters = {**msgspec.structs.asdict(access), "ids": ids}
    return await _fetch_planned(transaction, "plan_relations", parameters)


async def _fetch_planned(
    transaction: Transaction, query: str, parameters: dict[str, Any]
) -> list[PlannedRelation]:
    rows = await transaction.fetch_all(PlannedRelation, QUERIES[query], parameters)
    return [msgspec.convert(msgspec.to_builtins(row), PlannedRelation) for row in rows]


async def list_indexes_of(transaction: Transaction, profile_id: str, ids: list[int]) -> list[IndexOf]:
    """The indexes over these relations that the scope may see, by name."""
    return await transaction.fetch_all(IndexOf, QUERIES["indexes_of"], {"id": profile_id, "ids": ids})


async def explain_profile(scope: Scope, profile_id: str, *, as_reader: bool) -> Explanation:
    """All that the profile's reader sees, and why; its rows are counted as that reader.

    The scope is an admin's, or with `as_reader` the reader's own, which is told only of what is shown to it.

    Raises:
        NotFoundError: no such profile, or not the caller's to see.
        TimeoutExceededError: the rows cannot be counted in time.
    """
    async with scope.begin() as transaction:
        reader = await get_reader(transaction, profile_id)
        keys: int | None = None
        if as_reader:
            relations = await _fetch_planned(transaction, "own_relations", {"id": profile_id})
        else:
            bound = await list_bound(transaction, profile_id)
            relations = await plan_relations(transaction, list(bound.values()), reader.access)
            keys = await transaction.fetch_value(QUERIES["count_keys"], {"id": profile_id})
        indexes = await list_indexes_of(transaction, profile_id, [relation.id for relation in relations])
    counts = await _count_rows(_as(scope, reader.role_name), reader.schema_name, relations)
    by_id = {relation.id: relation for relation in relations}
    return Explanation(
        profile=reader.id,
        description=reader.description,
        access=reader.access,
        hnsw_config=reader.hnsw_config,
        keys=keys,
        relations=[_explain(relation, counts.get(relation.name, 0)) for relation in relations],
        indexes=[_explain_index(by_id[index.relation_id], index) for index in indexes],
    )


def _as(scope: Scope, role: str) -> Scope:
    return Scope(scope.pool, role, scope.actor, timeout_ms=scope.timeout_ms)


async def _count_rows(scope: Scope, schema: str, relations: list[PlannedRelation]) -> dict[str, int]:
    """As the reader: the rows of its views, in one statement and so at one moment."""
    selects = [
        sql.SQL("select {name} as relation, count(*) as rows from {view}").format(
            name=sql.Literal(relation.name), view=sql.Identifier(schema, relation.name)
        )
        for relation in relations
        if relation.is_seen
    ]
    if not selects:
        return {}
    async with scope.begin() as transaction:
        try:
            counts = await transaction.fetch_all(_Count, sql.SQL(" union all ").join(selects))
        except pg_errors.UndefinedTable as exc:
            raise UnavailableError("what this profile reads is being changed; try again") from exc
    return {count.relation: count.rows for count in counts}


def _explain(relation: PlannedRelation, rows: int) -> ExplainedRelation:
    return ExplainedRelation(
        name=relation.name,
        kind=relation.kind,
        rows=rows,
        base_dataset=relation.base_dataset if relation.kind == "view" else None,
        row_filter=relation.row_filter,
        columns=relation.columns,
    )


def _explain_index(relation: PlannedRelation, index: IndexOf) -> ExplainedIndex:
    _, reason = explain_index(relation, index.text_columns)
    return ExplainedIndex(
        name=index.name,
        source=index.source,
        text_columns=index.text_columns,
        searchable=index.searchable,
        reason=reason,
    )
