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
