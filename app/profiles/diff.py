"""What a change would show or hide, nothing applied.

The decisions are those of lakeward.plan_columns, which reads columns and views from their tables. So what is not there
yet is written beside what is there, as copies without readers under names that nobody knows, and always rolled back.
The change itself is never made, not even for a moment: that would take the views of all its readers away from them,
behind locks, while rows are being counted.
"""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from app.access.roles import check_clearance, get_role_in
from app.catalog.metadata import plan_levels
from app.catalog.models import ColumnMetadata, MetadataRequest
from app.catalog.service import find_dataset, list_columns
from app.catalog.service import not_found as dataset_not_found
from app.db.queries import load_queries
from app.db.scope import Scope, Transaction
from app.errors import NotFoundError
from app.profiles.diff_models import AccessChange, Diff, DiffRequest, RelationChange, RowsChange
from app.profiles.diff_plan import (
    RelationPair,
    check_request,
    classify,
    diff_columns,
    diff_indexes,
    pair_relations,
)
from app.profiles.explain import Reader, get_reader, list_bound, list_indexes_of, plan_relations
from app.profiles.explain_models import Access, PlannedRelation
from app.profiles.service import get_relation_ids
from app.views.service import check_view, insert_view

QUERIES = load_queries(__file__)


class _Copy(msgspec.Struct, frozen=True):
    """What stands in for a relation: its id, the relation's own (None: it is new), and the one whose rows are seen."""

    id: int
    relation_id: int | None
    rows_of: int


async def diff_profile(scope: Scope, profile_id: str, request: DiffRequest) -> Diff:
    """What this profile's reader would see otherwise, if the change were made now; the scope is an admin's.

    Columns, reasons, rows and indexes are what they would be: rows are counted, not estimated.

    Raises:
        NotFoundError, InvalidInputError, ConflictError, InUseError: as the endpoints do that would make the change;
            and for a relation to unbind that is not bound.
        TimeoutExceededError: the rows cannot be counted in time.
    """
    check_request(request)
    async with scope.begin() as transaction:
        reader = await get_reader(transaction, profile_id)
        bound = await list_bound(transaction, profile_id)
        access = await _access_after(transaction, reader, request)
        before = await plan_relations(transaction, list(bound.values()), reader.access)
        async with _copies(transaction, request) as copies:
            ids = await _bindings_after(transaction, profile_id, request, bound, copies)
            after = await _plan_after(transaction, ids, copies, request, access)
            pairs = pair_relations(before, after)
            indexed = sorted({*bound.values(), *ids.values()})
            indexes = await list_indexes_of(transaction, profile_id, indexed)
            changes = [await _describe(transaction, pair, copies) for pair in pairs.values() if pair.change]
    gained, lost = diff_indexes(pairs, indexes)
    return Diff(
        profile=profile_id,
        access=AccessChange(before=reader.access, after=access),
        relations=changes,
        unchanged=[name for name, pair in pairs.items() if not pair.change],
        indexes_gained=gained,
        indexes_lost=lost,
    )


async def _access_after(transaction: Transaction, reader: Reader, request: DiffRequest) -> Access:
    name = request.access_role or reader.access.access_role
    if request.role is not None:
        check_clearance(request.role)
        return Access(access_role=name, **msgspec.structs.asdict(request.role))
    if name == reader.access.access_role:
        return reader.access
    role = await get_role_in(transaction, name)
    return Access(
        access_role=name,
        clearance=role.clearance,
        default_action=role.default_action,
        keep_prefix=role.keep_prefix,
        keep_suffix=role.keep_suffix,
        can_write=role.can_write,
    )


@asynccontextmanager
async def _copies(transaction: Transaction, request: DiffRequest) -> AsyncIterator[dict[str, _Copy]]:
    """By name, what stands in for the relations that are other after the change; gone again at the end."""
    async with transaction.connection.transaction(force_rollback=True):
        copies = {}
        for name, levels in request.columns.items():
            copies[name] = await _copy_dataset(transaction, name, levels)
        if request.view is not None:
            checked = await check_view(transaction, request.view)
            plan = msgspec.structs.replace(checked.plan, name=_name())
            view_id = await insert_view(transaction, msgspec.structs.replace(checked, plan=plan), "")
            copies[checked.plan.name] = _Copy(view_id, checked.view_id, rows_of=view_id)
        yield copies


def _name() -> str:
    return f"_diff_{secrets.token_hex(8)}"


async def _copy_dataset(transaction: Transaction, name: str, levels: dict[str, str]) -> _Copy:
    dataset = await find_dataset(transaction, name)
    if dataset is None:
        raise dataset_not_found(name)
    columns = [column.name for column in await list_columns(transaction, dataset.id)]
    request = MetadataRequest(columns={column: ColumnMetadata(level) for column, level in levels.items()})
    planned = plan_levels(request, name, columns)
    parameters = {
        "name": _name(),
        "dataset_id": dataset.id,
        "names": list(planned),
        "levels": list(planned.values()),
    }
    copy_id: int = await transaction.fetch_value(QUERIES["copy_dataset"], parameters)
    return _Copy(copy_id, dataset.id, rows_of=dataset.id)


async def _bindings_after(
    transaction: Transaction,
    profile_id: str,
    request: DiffRequest,
    bound: dict[str, int],
    copies: dict[str, _Copy],
) -> dict[str, int]:
    """The ids of the relations that would be bound, by name; a view that would be new has its copy's."""
    strangers = sorted(set(request.unbind) - set(bound))
    if strangers:
        raise NotFoundError(
            f"profile {profile_id!r} is not bound to {', '.join(repr(name[:60]) for name in strangers[:20])}; "
            f"it is bound to {', '.join(bound) or 'nothing'}",
            missing=strangers[:100],
        )
    new = {
        name: copies[name].id for name in request.bind if name in copies and copies[name].relation_id is None
    }
    found = await get_relation_ids(transaction, set(request.bind) - set(new))
    kept = {name: relation for name, relation in bound.items() if name not in request.unbind}
    return {**kept, **found, **new}


async def _plan_after(
    transaction: Transaction,
    ids: dict[str, int],
    copies: dict[str, _Copy],
    request: DiffRequest,
    access: Access,
) -> list[PlannedRelation]:
    """What the reader would get of these relations: of a copy where there is one, under the relation's own name."""
    names = {(copies[name].id if name in copies else relation): name for name, relation in ids.items()}
    planned = await plan_relations(transaction, list(names), access)
    named = [msgspec.structs.replace(r, id=ids[names[r.id]], name=names[r.id]) for r in planned]
    return [classify(relation, request.columns) for relation in named]


async def _describe(transaction: Transaction, pair: RelationPair, copies: dict[str, _Copy]) -> RelationChange:
    name, change = pair.any.name, pair.change
    assert change is not None
    after = copies[name].rows_of if name in copies else pair.any.id
    seen = {
        "before": pair.before.id if pair.before and pair.before.is_seen else None,
        "after": after if pair.after and pair.after.is_seen else None,
    }
    rows = await transaction.find_one(RowsChange, QUERIES["count_seen"], seen)
    assert rows is not None
    return RelationChange(
        name=name,
        kind=pair.any.kind,
        change=change,
        row_filter_before=pair.before.row_filter if pair.before else None,
        row_filter_after=pair.after.row_filter if pair.after else None,
        rows=rows,
        columns=diff_columns(pair),
    )
