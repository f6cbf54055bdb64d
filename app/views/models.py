"""Safe views: what is asked for and what is answered."""

from datetime import datetime
from typing import Annotated, Any

import msgspec


class RedactionRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What becomes of one column; `keep_prefix` and `keep_suffix` are characters, and go with `mask` alone."""

    action: Annotated[str, msgspec.Meta(max_length=40)]
    keep_prefix: Annotated[int, msgspec.Meta(ge=0, le=1000)] | None = None
    keep_suffix: Annotated[int, msgspec.Meta(ge=0, le=1000)] | None = None


class ViewRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A safe view as it shall be: the columns it shows, the rows, and what becomes of some of the columns."""

    name: str
    base_dataset: str
    columns: Annotated[list[str], msgspec.Meta(min_length=1, max_length=1600)]
    row_filter: str | None = None
    redactions: dict[str, RedactionRequest] = {}
    description: Annotated[str, msgspec.Meta(max_length=10_000)] = ""


class SafeView(msgspec.Struct, frozen=True):
    """A safe view. A reader is not told what it is made of: `base_dataset` and `row_filter` are null for it."""

    name: str
    base_dataset: str | None
    columns: list[str]
    row_filter: str | None
    redactions: dict[str, dict[str, Any]]
    description: str
    created_at: datetime
    created_by: str


class DeletedView(msgspec.Struct, frozen=True):
    """What went with a view."""

    name: str
    unbound_profiles: list[str]
