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
        checked = await check_view(transaction, request, lock=True)
        if checked.view_id is None:
            await insert_view(transaction, checked, scope.actor.principal)
        else:
            await _update(transaction, checked.view_id, checked)
    return await get_view(scope, request.name), checked.view_id is None


class CheckedView(msgspec.Struct, frozen=True):
    """A request that can be: its base, and the view it changes, None when it is new. `same`: it changes nothing."""

    view_id: int | None
    base: DatasetRow
    plan: ViewPlan
    same: bool = False


async def check_view(transaction: Transaction, request: ViewRequest, *, lock: bool = False) -> CheckedView:
    """The request, when create_or_update_view would take it, and with its errors; nothing is written."""
    base = await _find_base(transaction, request.base_dataset, lock=lock)
    plan = plan_view(request, await list_columns(transaction, base.id))
    found = await transaction.find_one(_Relation, QUERIES["find_relation"], {"name": plan.name})
    if found is None:
        return CheckedView(None, base, plan)
    if found.kind != "view":
        raise ConflictError(f"a dataset has the name {plan.name!r}; choose another for the view")
    same = await _is_same(transaction, plan, base)
    users = await transaction.find_one(_Users, QUERIES["view_users"], {"id": found.id})
    assert users is not None
    if not same and users.indexes:
        raise InUseError(
            f"view {plan.name!r} is embedded as it is by the index {', '.join(users.indexes)}; delete that first, "
            "or make another view",
            used_by=users.indexes,
        )
    return CheckedView(found.id, base, plan, same)


async def _is_same(transaction: Transaction, plan: ViewPlan, base: DatasetRow) -> bool:
    parameters = {"name": plan.name, "after": None, "limit": 1}
    rows = await transaction.fetch_all(SafeView, QUERIES["views"], parameters)
    return (
        rows[0].base_dataset == base.name
        and rows[0].columns == plan.columns
        and rows[0].row_filter == (plan.filter.text if plan.filter else None)
        and rows[0].redactions == plan.redactions
    )


async def _find_base(transaction: Transaction, name: str, *, lock: bool) -> DatasetRow:
    dataset = await find_dataset(transaction, name, lock=lock)
    if dataset is not None:
        return dataset
    relation = await transaction.find_one(_Relation, QUERIES["find_relation"], {"name": name})
    if relation is not None:
        raise InvalidInputError(
            f"{name[:60]!r} is a view, and a view of a view would hide which policy holds; make it of the dataset"
        )
    raise dataset_not_found(name)


def _parameters(checked: CheckedView) -> dict[str, Any]:
    plan = checked.plan
    return {
        "name": plan.name,
        "columns": plan.columns,
        "redactions": Jsonb(plan.redactions),
        "description": plan.description,
        "base_id": checked.base.id,
        "row_filter": plan.filter.text if plan.filter else None,
        "filter_tree": Jsonb(plan.filter.tree) if plan.filter else None,
    }


async def insert_view(transaction: Transaction, checked: CheckedView, principal: str) -> int:
    """A new view's rows; the view in Postgres follows them. Answers its id."""
    view_id: int = await transaction.fetch_value(QUERIES["create_relation"], {"name": checked.plan.name})
    parameters = {**_parameters(checked), "id": view_id, "created_by": principal}
    await transaction.execute(QUERIES["create_view"], parameters)
    await transaction.execute(QUERIES["create_base"], parameters)
    return view_id


async def _update(transaction: Transaction, view_id: int, checked: CheckedView) -> None:
    parameters = {**_parameters(checked), "id": view_id}
    await transaction.execute(QUERIES["update_view"], parameters)
    if not checked.same:
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
