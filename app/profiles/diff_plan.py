"""Pure decisions about a change: whether it can be asked, and what differs between before and after."""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from app.errors import InvalidInputError
from app.profiles.diff_models import ColumnChange, DiffRequest, IndexChange
from app.profiles.explain_models import IndexOf, PlannedColumn, PlannedRelation
from app.profiles.explain_plan import explain_index

Change = Literal["added", "removed", "changed"]


class RelationPair(msgspec.Struct, frozen=True):
    """A relation as it is and as it would be; None where it is not bound."""

    before: PlannedRelation | None
    after: PlannedRelation | None

    @property
    def any(self) -> PlannedRelation:
        """The relation, as it would be if it were there."""
        one = self.after or self.before
        assert one is not None
        return one

    @property
    def change(self) -> Change | None:
        """What becomes of it; None when nothing does."""
        if self.before is None or self.after is None:
            return "added" if self.before is None else "removed"
        same_rows = (self.before.base_dataset, self.before.row_filter) == (
            self.after.base_dataset,
            self.after.row_filter,
        )
        return None if same_rows and not diff_columns(self) else "changed"


def check_request(request: DiffRequest) -> None:
    """What msgspec cannot say of a change.

    Raises:
        InvalidInputError: a relation is named twice, or is to be bound and unbound.
    """
    for field, names in (("bind", request.bind), ("unbind", request.unbind)):
        doubles = sorted({name for name in names if names.count(name) > 1})
        if doubles:
            raise InvalidInputError(f"{field} names twice: {', '.join(doubles[:20])}")
    both = sorted(set(request.bind) & set(request.unbind))
    if both:
        raise InvalidInputError(f"bind and unbind both name {', '.join(both[:20])}")


def pair_relations(
    before: Sequence[PlannedRelation], after: Sequence[PlannedRelation]
) -> dict[str, RelationPair]:
    """The relations of either side by name, in the order of their names."""
    left, right = {r.name: r for r in before}, {r.name: r for r in after}
    return {name: RelationPair(left.get(name), right.get(name)) for name in sorted({*left, *right})}


def classify(relation: PlannedRelation, levels: Mapping[str, Mapping[str, str]]) -> PlannedRelation:
    """The relation with the sensitivities that its dataset's columns would have.

    A dataset's copy has them already. A view's decides nothing by them, but they are told with its columns.
    """
    base = relation.base_dataset if relation.kind == "view" else relation.name
    changed = levels.get(base or "", {})
    columns = [
        msgspec.structs.replace(column, sensitivity=changed.get(column.name, column.sensitivity))
        for column in relation.columns
    ]
    return msgspec.structs.replace(relation, base_dataset=base, columns=columns)


def diff_columns(pair: RelationPair) -> list[ColumnChange]:
    """The columns that the reader gets otherwise, in the base's order; a reason alone is no difference.

    Of a relation that is bound or unbound these are all columns, the hidden ones too.
    """
    before = _by_name(pair.before)
    after = _by_name(pair.after)
    changes = [ColumnChange(name, before.get(name), after.get(name)) for name in {**after, **before}]
    return [change for change in changes if _seen(change.before) != _seen(change.after)]


def _by_name(relation: PlannedRelation | None) -> dict[str, PlannedColumn]:
    return {column.name: column for column in relation.columns} if relation else {}


def _seen(column: PlannedColumn | None) -> object:
    if column is None:
        return None
    return (column.shown, column.type, column.action, column.keep_prefix, column.keep_suffix)


def diff_indexes(
    pairs: Mapping[str, RelationPair], indexes: Sequence[IndexOf]
) -> tuple[list[IndexChange], list[IndexChange]]:
    """The indexes that the profile could search, and those it no longer could."""
    gained: list[IndexChange] = []
    lost: list[IndexChange] = []
    for index in indexes:
        pair = pairs[index.source]
        was = pair.before is not None and explain_index(pair.before, index.text_columns)[0]
        reason = f"the profile would not be bound to {index.source}"
        becomes = False
        if pair.after is not None:
            becomes, reason = explain_index(pair.after, index.text_columns)
        if was != becomes:
            (gained if becomes else lost).append(IndexChange(index.name, index.source, reason))
    return gained, lost
