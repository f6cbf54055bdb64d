"""Access roles: what is asked for and what is answered."""

from datetime import datetime
from typing import Annotated, Literal, get_args

import msgspec

Level = Literal["public", "internal", "confidential", "restricted"]
DefaultAction = Literal["null", "hash", "mask", "mask_alphanum"]
LEVELS: tuple[str, ...] = get_args(Level)
DEFAULT_ACTIONS: tuple[str, ...] = get_args(DefaultAction)
#: They come with the database and stay: `agent` is what a profile is without a word, `admin` what an admin's key is.
BUILT_IN = frozenset({"admin", "recruiter", "analyst", "agent"})

Kept = Annotated[int, msgspec.Meta(ge=0, le=1000)]
#: One of a few; app.access.roles.check_clearance refuses any other and lists them.
Word = Annotated[str, msgspec.Meta(max_length=40)]


class Clearance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a role sees as it is, and what becomes of the rest; what is left out gets its default.

    `default_action` is what is done to a column above the clearance, or `null` where it does not fit the column's type.
    """

    clearance: Word
    default_action: Word = "null"
    keep_prefix: Kept | None = None
    keep_suffix: Kept | None = None
    can_write: bool = False


class RoleRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An access role as it shall be; what is left out gets its default, also when the role exists."""

    name: Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9_-]{0,39}$")]
    clearance: Word
    description: Annotated[str, msgspec.Meta(max_length=10_000)] = ""
    default_action: Word = "null"
    keep_prefix: Kept | None = None
    keep_suffix: Kept | None = None
    can_write: bool = False


class AccessRole(msgspec.Struct, frozen=True):
    """An access role, and how many of the profiles that the caller may see have it."""

    name: str
    description: str
    clearance: Level
    default_action: DefaultAction
    keep_prefix: int | None
    keep_suffix: int | None
    can_write: bool
    built_in: bool
    profiles: int
    created_at: datetime


class DeletedRole(msgspec.Struct, frozen=True):
    """The role that went."""

    name: str
