"""What a change would show or hide: what is asked and what is answered."""

from typing import Annotated, Literal

import msgspec

from app.access.roles_models import Clearance
from app.profiles.explain_models import Access, Kind, PlannedColumn
from app.views.models import ViewRequest

Names = Annotated[list[str], msgspec.Meta(max_length=10_000)]
Levels = Annotated[dict[str, Annotated[str, msgspec.Meta(max_length=40)]], msgspec.Meta(max_length=1600)]


class DiffRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A change that is not made: of bindings, access role, columns' sensitivity, a view, and what the role may see.

    `columns` is by dataset and column; `view` is as POST /catalog/views takes it; `role` is what the profile's access
    role (or `access_role`, which may be a new one then) would be, as POST /access/roles takes it without its name.
    """

    bind: Names = []
    unbind: Names = []
    access_role: Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9_-]{0,39}$")] | None = None
    columns: Annotated[dict[str, Levels], msgspec.Meta(max_length=1000)] = {}
    view: ViewRequest | None = None
    role: Clearance | None = None


class AccessChange(msgspec.Struct, frozen=True):
    """The profile's access role as it is and as it would be."""

    before: Access
    after: Access


class ColumnChange(msgspec.Struct, frozen=True):
    """A column before and after; null where the relation is not bound, or its base has no such column."""

    name: str
    before: PlannedColumn | None
    after: PlannedColumn | None


class RowsChange(msgspec.Struct, frozen=True):
    """How many rows are seen, how many of those after are not seen before, and the other way round."""

    before: int
    after: int
    newly_seen: int
    no_longer_seen: int


class RelationChange(msgspec.Struct, frozen=True):
    """A relation that would be seen otherwise, with the columns that would be."""

    name: str
    kind: Kind
    change: Literal["added", "removed", "changed"]
    row_filter_before: str | None
    row_filter_after: str | None
    rows: RowsChange
    columns: list[ColumnChange]


class IndexChange(msgspec.Struct, frozen=True):
    """An index that the profile could search, or no longer, and why."""

    name: str
    source: str
    reason: str


class Diff(msgspec.Struct, frozen=True):
    """What would be different for this profile; `unchanged` names its relations that would not."""

    profile: str
    access: AccessChange
    relations: list[RelationChange]
    unchanged: list[str]
    indexes_gained: list[IndexChange]
    indexes_lost: list[IndexChange]
