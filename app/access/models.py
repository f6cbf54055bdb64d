"""API keys: what is asked for and what is answered."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

Kind = Literal["admin", "reader"]


class KeyRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key to create; a reader's names its profile."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    kind: Kind
    profile: str | None = None
    model: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | None = None


class Key(msgspec.Struct, frozen=True):
    """An API key, without its secret."""

    id: str
    name: str
    kind: Kind
    profile: str | None
    model: str | None
    created_at: datetime
    revoked_at: datetime | None


class CreatedKey(msgspec.Struct, frozen=True):
    """A key that was just created: `key` is shown this once."""

    id: str
    key: str
    name: str
    kind: Kind
    profile: str | None
    model: str | None
    created_at: datetime


class KeyRecord(msgspec.Struct, frozen=True):
    """What authentication needs to know of a key: the row of lakeward.find_key."""

    id: str
    name: str
    kind: Kind
    model: str | None
    secret_sha256: bytes
    revoked: bool
    profile_id: str | None
    role_name: str | None
    access_role: str | None


class Whoami(msgspec.Struct, frozen=True):
    """Who the caller is to Lakeward, and the names of the relations it may read."""

    principal: str
    kind: Kind
    profile: str | None
    access_role: str
    model: str | None
    relations: list[str]


class UserRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A power user to create: a login of the database, for psql, that is this profile and nothing else.

    Without a password one is generated; without `valid_until` the login does not end by itself.
    """

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    profile: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    password: Annotated[str, msgspec.Meta(min_length=12, max_length=1000)] | None = None
    valid_until: datetime | None = None

    def __repr__(self) -> str:
        """Without the password."""
        return f"UserRequest({self.name!r}, {self.profile!r})"


class User(msgspec.Struct, frozen=True):
    """A power user: the name of its login, its profile, and how many sessions it has open."""

    name: str
    profile: str
    valid_until: datetime | None
    sessions: int


class CreatedUser(msgspec.Struct, frozen=True):
    """A power user that was just created; a generated `password` is shown this once, `url` is without it."""

    name: str
    profile: str
    valid_until: datetime | None
    search_path: str
    url: str
    password: str | None

    def __repr__(self) -> str:
        """Without the password."""
        return f"CreatedUser({self.name!r}, {self.profile!r})"


class DeletedUser(msgspec.Struct, frozen=True):
    """A power user that is gone, and how many of its sessions were ended."""

    name: str
    profile: str
    sessions: int
