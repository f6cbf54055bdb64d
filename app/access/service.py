"""API keys: id and 32 random bytes, of which only the SHA-256 is kept."""

import hashlib
import hmac
import re
import secrets
from datetime import datetime

import msgspec

from app.access.models import CreatedKey, Key, KeyRecord, KeyRequest, Whoami
from app.db.changes import Remembered
from app.db.database import Database
from app.db.queries import load_queries
from app.db.scope import Scope
from app.errors import InvalidInputError, NotFoundError, UnauthenticatedError
from app.web.identity import Principal
from app.web.paging import Page, decode_cursor, plan_page

QUERIES = load_queries(__file__)
_KEY = re.compile(r"lw_([a-z0-9]{4,32})_([A-Za-z0-9_-]{20,100})")


class _ProfileRow(msgspec.Struct, frozen=True):
    id: str
    role_name: str
    access_role: str


class KeyAuthenticator:
    """Keys become principals; what was looked up is remembered until the catalog changes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._records: Remembered[KeyRecord | None] = Remembered(database.changes)
        self._profiles: Remembered[_ProfileRow | None] = Remembered(database.changes)

    async def authenticate(self, key: str) -> Principal:
        """The principal of a key.

        Raises:
            UnauthenticatedError: malformed, unknown, wrong or revoked; which of the last three is not said.
        """
        match = _KEY.fullmatch(key)
        if match is None:
            raise UnauthenticatedError("an API key looks like lw_<id>_<secret>")
        record = await self._find(match[1])
        digest = hashlib.sha256(match[2].encode()).digest()
        expected = record.secret_sha256 if record else bytes(32)
        if not hmac.compare_digest(digest, expected) or record is None or record.revoked:
            raise UnauthenticatedError("this API key is not valid, or was revoked")
        return Principal(
            id=record.id,
            name=record.name,
            kind=record.kind,
            access_role=record.access_role or "admin",
            profile=record.profile_id,
            role_name=record.role_name,
            model=record.model,
        )

    async def act_as(self, admin: Principal, profile: str) -> Principal:
        """The admin as that profile's reader: its scope, its rights, nothing more.

        Raises:
            NotFoundError: there is no such profile.
        """
        row = self._profiles.find(profile)
        if row is None:
            epoch = self._database.changes.epoch
            rows = await self._database.steward().fetch(_ProfileRow, QUERIES["find_profile"], {"id": profile})
            row = rows[0] if rows else None
            self._profiles.put(profile, row, epoch)
        if row is None:
            raise NotFoundError(f"no profile {profile[:40]!r}")
        return msgspec.structs.replace(
            admin, profile=row.id, role_name=row.role_name, access_role=row.access_role
        )

    async def _find(self, key_id: str) -> KeyRecord | None:
        record = self._records.find(key_id)
        if record is None:
            epoch = self._database.changes.epoch
            rows = await self._database.service().fetch(KeyRecord, QUERIES["find_key"], {"id": key_id})
            record = rows[0] if rows else None
            self._records.put(key_id, record, epoch)
        return record


async def create_key(scope: Scope, request: KeyRequest) -> CreatedKey:
    """A new key; the answer is the only place where it is ever shown.

    Raises:
        InvalidInputError: a reader without a profile, or an admin with one.
        NotFoundError: no such profile.
    """
    if (request.kind == "reader") != (request.profile is not None):
        raise InvalidInputError("a reader's key names its profile; an admin's key has none")
    key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    async with scope.begin() as transaction:
        if request.profile is not None:
            found = await transaction.find_one(_ProfileRow, QUERIES["find_profile"], {"id": request.profile})
            if found is None:
                raise NotFoundError(f"no profile {request.profile[:40]!r}")
        parameters = {
            "id": key_id,
            "name": request.name,
            "kind": request.kind,
            "profile": request.profile,
            "model": request.model,
            "secret_sha256": hashlib.sha256(secret.encode()).digest(),
        }
        key = await transaction.find_one(Key, QUERIES["create_key"], parameters)
    assert key is not None
    return CreatedKey(
        id=key.id,
        key=f"lw_{key.id}_{secret}",
        name=key.name,
        kind=key.kind,
        profile=key.profile,
        model=key.model,
        created_at=key.created_at,
    )


async def list_keys(scope: Scope, limit: int, cursor: str | None) -> Page[Key]:
    """All keys, oldest first, the revoked ones too."""
    after_at, after_id = decode_cursor(cursor, tuple[datetime, str]) if cursor else (None, "")
    parameters = {"after_at": after_at, "after_id": after_id, "limit": limit + 1}
    rows = await scope.fetch(Key, QUERIES["list_keys"], parameters)
    return plan_page(rows, limit, lambda key: (key.created_at, key.id))


async def revoke_key(scope: Scope, key_id: str) -> Key:
    """The key stops working; revoking it again changes nothing.

    Raises:
        NotFoundError: no such key.
    """
    async with scope.begin() as transaction:
        key = await transaction.find_one(Key, QUERIES["revoke_key"], {"id": key_id})
    if key is None:
        raise NotFoundError(f"no key {key_id[:40]!r}")
    return key


async def get_whoami(scope: Scope, principal: Principal) -> Whoami:
    """The caller, and the relations its scope may read."""
    async with scope.begin() as transaction:
        relations = await transaction.fetch_values(QUERIES["list_relations"])
    return Whoami(
        principal=principal.name,
        kind="reader" if principal.profile else principal.kind,
        profile=principal.profile,
        access_role=principal.access_role,
        model=principal.model,
        relations=relations,
    )
