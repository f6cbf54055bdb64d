"""What a reader sees, as explain and diff answer it. What is for admins alone is null for a reader."""

from typing import Literal

import msgspec

from app.profiles.models import HnswConfig

Kind = Literal["dataset", "view"]


class Access(msgspec.Struct, frozen=True):
    """An access role, as far as it decides what is seen."""

    access_role: str
    clearance: str
    default_action: str
    keep_prefix: int | None
    keep_suffix: int | None
    can_write: bool


class PlannedColumn(msgspec.Struct, frozen=True):
    """A column of the base, and what the reader gets of it: one row of lakeward.plan_columns.

    `type` is the value's type for the reader, null when it is not shown; `action` is null when it is shown as it is.
    `base_type` and `sensitivity` are for admins.
    """

    name: str
    shown: bool
    type: str | None
    action: str | None
    keep_prefix: int | None
    keep_suffix: int | None
    reason: str
    base_type: str | None = None
    sensitivity: str | None = None


class ExplainedRelation(msgspec.Struct, frozen=True):
    """A relation of the profile: how many rows the reader sees in it, and each of its columns.

    A reader is told of the columns that are shown to it, and not what the relation is made of.
    """

    name: str
    kind: Kind
    rows: int
    base_dataset: str | None
    row_filter: str | None
    columns: list[PlannedColumn]


class ExplainedIndex(msgspec.Struct, frozen=True):
    """An index over a relation of the profile; those that it may not search are for admins."""

    name: str
    source: str
    text_columns: list[str]
    searchable: bool
    reason: str


class Explanation(msgspec.Struct, frozen=True):
    """All that a reader sees, and why. `keys` counts those that are not revoked, for admins."""

    profile: str
    description: str
    access: Access
    hnsw_config: HnswConfig
    keys: int | None
    relations: list[ExplainedRelation]
    indexes: list[ExplainedIndex]


class PlannedRelation(msgspec.Struct, frozen=True):
    """A relation with its columns as one reader gets them; `base_id` and `row_filter` are null for a reader."""

    id: int
    name: str
    kind: Kind
    base_id: int | None
    base_dataset: str | None
    row_filter: str | None
    columns: list[PlannedColumn]

    @property
    def is_seen(self) -> bool:
        """Without a column there is no view, so there are no rows either."""
        return any(column.shown for column in self.columns)


class IndexOf(msgspec.Struct, frozen=True):
    """An index over a relation, and whether the profile may search it as things are."""

    name: str
    relation_id: int
    source: str
    text_columns: list[str]
    searchable: bool
