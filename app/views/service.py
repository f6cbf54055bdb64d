"""Safe views: created, changed, listed, deleted. The views in Postgres follow the rows."""

from typing import Any, LiteralString

import msgspec
from psycopg.types.json import Jsonb

from app.catalog.models import DatasetRow
from app.catalog.service import find_dataset, list_columns
from app.catalog.service import not_found as dataset_not_found
from app.db.queries import load_queries
from app.db.scope import Scope, Transaction
from app.errors import ConflictError, InUseError, InvalidInputError, NotFoundError
from app.views.models import DeletedView, SafeView, ViewRequest
from app.views.plan import ViewPlan, plan_view
from app.web.paging import Page, decode_cursor, plan_page

QUERIES = load_queries(__file__)


class _Relation(msgspec.Struct, frozen=True):
    id: int
    kind: str


class _Users(msgspec.Struct, frozen=True):
    indexes: list[str]
    profiles: list[str]


def not_found(name: str) -> NotFoundError:
    """The error for a view that is not there, or that the caller may not see; the two read the same."""
    return NotFoundError(f"no view {name[:60]!r}")


async def get_view(scope: Scope, name: str, *, as_reader: bool = False) -> SafeView:
    """The view; to a reader without what it is made of.

    Raises:
        NotFoundError: it is not there, or not the caller's to see.
    """
    rows = await scope.fetch(SafeView, _views(as_reader), {"name": name, "after": None, "limit": 1})
    if not rows:
        raise not_found(name)
    return rows[0]


async def list_views(
    scope: Scope, limit: int, cursor: str | None, *, as_reader: bool = False
) -> Page[SafeView]:
    """The views the scope may see, by name."""
    after = decode_cursor(cursor, str) if cursor else None
    rows = await scope.fetch(SafeView, _views(as_reader), {"name": None, "after": after, "limit": limit + 1})
    return plan_page(rows, limit, lambda view: view.name)


def _views(as_reader: bool) -> LiteralString:
    return QUERIES["views_of_reader" if as_reader else "views"]


async def create_or_update_view(scope: Scope, request: ViewRequest) -> tuple[SafeView, bool]:
    """The view as requested, and whether it is new; what its readers see changes in the same transaction.

    Raises:
        NotFoundError: no such dataset or column.
        InvalidInputError: see plan_view; or the base is itself a view.
        ConflictError: a dataset has the name.
        InUseError: the view is there otherwise, and an index embeds it as it is.
    """
    async with scope.begin() as transaction:
        base = await _find_base(transaction, request.base_dataset)
        plan = plan_view(request, await list_columns(transaction, base.id))
        found = await transaction.find_one(_Relation, QUERIES["find_relation"], {"name": plan.name})
        if found is not None and found.kind != "view":
            raise ConflictError(f"a dataset has the name {plan.name!r}; choose another for the view")
        if found is None:
            await _create(transaction, plan, base, scope.actor.principal)
        else:
            await _update(transaction, found.id, plan, base)
    return await get_view(scope, request.name), found is None


async def _find_base(transaction: Transaction, name: str) -> DatasetRow:
    dataset = await find_dataset(transaction, name, lock=True)
    if dataset is not None:
        return dataset
    relation = await transaction.find_one(_Relation, QUERIES["find_relation"], {"name": name})
    if relation is not None:
        raise InvalidInputError(
            f"{name[:60]!r} is a view, and a view of a view would hide which policy holds; make it of the dataset"
        )
    raise dataset_not_found(name)


def _parameters(plan: ViewPlan, base: DatasetRow) -> dict[str, Any]:
    return {
        "name": plan.name,
        "columns": plan.columns,
        "redactions": Jsonb(plan.redactions),
        "description": plan.description,
        "base_id": base.id,
        "row_filter": plan.filter.text if plan.filter else None,
        "filter_tree": Jsonb(plan.filter.tree) if plan.filter else None,
    }


async def _create(transaction: Transaction, plan: ViewPlan, base: DatasetRow, principal: str) -> None:
    view_id: int = await transaction.fetch_value(QUERIES["create_relation"], {"name": plan.name})
    parameters = {**_parameters(plan, base), "id": view_id, "created_by": principal}
    await transaction.execute(QUERIES["create_view"], parameters)
    await transaction.execute(QUERIES["create_base"], parameters)


async def _update(transaction: Transaction, view_id: int, plan: ViewPlan, base: DatasetRow) -> None:
    rows = await transaction.fetch_all(
        SafeView, QUERIES["views"], {"name": plan.name, "after": None, "limit": 1}
    )
    same = (
        rows[0].base_dataset == base.name
        and rows[0].columns == plan.columns
        and rows[0].row_filter == (plan.filter.text if plan.filter else None)
        and rows[0].redactions == plan.redactions
    )
    users = await transaction.find_one(_Users, QUERIES["view_users"], {"id": view_id})
    assert users is not None
    if not same and users.indexes:
        raise InUseError(
            f"view {plan.name!r} is embedded as it is by the index {', '.join(users.indexes)}; delete that first, "
            "or make another view",
            used_by=users.indexes,
        )
    parameters = {**_parameters(plan, base), "id": view_id}
    await transaction.execute(QUERIES["update_view"], parameters)
    if not same:
        await transaction.execute(QUERIES["rebind"], parameters)
        await transaction.execute(QUERIES["update_base"], parameters)


async def delete_view(scope: Scope, name: str) -> DeletedView:
    """The view goes, and with it every reader's; the dataset stays.

    Raises:
        NotFoundError: no such view.
        InUseError: an index is built on it; the message names it.
    """
    async with scope.begin() as transaction:
        relation = await transaction.find_one(_Relation, QUERIES["find_relation"], {"name": name})
        if relation is None or relation.kind != "view":
            raise not_found(name)
        users = await transaction.find_one(_Users, QUERIES["view_users"], {"id": relation.id})
        assert users is not None
        if users.indexes:
            raise InUseError(
                f"view {name!r} is used by the index {', '.join(users.indexes)}; delete that first",
                used_by=users.indexes,
            )
        await transaction.execute(QUERIES["delete_relation"], {"id": relation.id})
    return DeletedView(name=name, unbound_profiles=users.profiles)
