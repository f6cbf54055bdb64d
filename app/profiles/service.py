"""Profiles: created, updated, listed, deleted. Roles, schemas and views follow the rows in Postgres."""

from collections.abc import Collection

import msgspec

from app.access.roles import require_role
from app.db.queries import load_queries
from app.db.scope import Scope, Transaction
from app.errors import NotFoundError
from app.lance.extra import require_installed
from app.profiles.models import DeletedProfile, Profile, ProfileRequest
from app.profiles.plan import plan_profile
from app.web.paging import Page, decode_cursor, plan_page

QUERIES = load_queries(__file__)


class _Named(msgspec.Struct, frozen=True):
    id: int
    name: str


async def get_profile(scope: Scope, profile_id: str) -> Profile:
    """The profile.

    Raises:
        NotFoundError: it is not there, or not the caller's to see.
    """
    profile = await find_profile(scope, profile_id)
    if profile is None:
        raise NotFoundError(f"no profile {profile_id[:60]!r}")
    return profile


async def find_profile(scope: Scope, profile_id: str) -> Profile | None:
    """The profile, or None when the scope does not see it."""
    rows = await scope.fetch(Profile, QUERIES["profiles"], _one(profile_id))
    return _convert(rows[0]) if rows else None


def _one(profile_id: str) -> dict[str, object]:
    return {"id": profile_id, "after": None, "limit": 1}


async def list_profiles(scope: Scope, limit: int, cursor: str | None) -> Page[Profile]:
    """The profiles the scope may see: a reader its own, an admin all of them."""
    after = decode_cursor(cursor, str) if cursor else None
    rows = await scope.fetch(Profile, QUERIES["profiles"], {"id": None, "after": after, "limit": limit + 1})
    return plan_page([_convert(row) for row in rows], limit, lambda profile: profile.id)


def _convert(row: Profile) -> Profile:
    return msgspec.convert(msgspec.to_builtins(row), Profile)


async def create_or_update_profile(scope: Scope, request: ProfileRequest) -> tuple[Profile, bool]:
    """The profile as requested, and whether it is new; all of it or nothing.

    Raises:
        InvalidInputError: see plan_profile; or it shall search by Lance, which is not installed.
        NotFoundError: a binding names a relation that does not exist; `missing` lists all that don't. Or there is no
            such access role; the message names those that are there.
    """
    request = plan_profile(request)
    if request.vector_backend == "lance":
        require_installed()
    fields = msgspec.structs.asdict(request)
    fields |= msgspec.structs.asdict(fields.pop("hnsw_config"))
    async with scope.begin() as transaction:
        relation_ids = list((await get_relation_ids(transaction, fields.pop("bound_datasets"))).values())
        await require_role(transaction, request.access_role)
        created = await transaction.fetch_value(QUERIES["lock_profile"], {"id": request.id}) is None
        if created:
            await transaction.execute(
                QUERIES["create_profile"], {**fields, "created_by": scope.actor.principal}
            )
        else:
            await transaction.execute(QUERIES["update_profile"], fields)
        bindings = {"id": request.id, "relation_ids": relation_ids}
        await transaction.execute(QUERIES["delete_bindings"], bindings)
        await transaction.execute(QUERIES["create_bindings"], bindings)
        # here and not in a scope of its own: after a new role Postgres works out anew which roles one may become
        row = await transaction.find_one(Profile, QUERIES["profiles"], _one(request.id))
    assert row is not None
    return _convert(row), created


async def get_relation_ids(transaction: Transaction, names: Collection[str]) -> dict[str, int]:
    """The ids of relations by name.

    Raises:
        NotFoundError: some are not there; `missing` lists them.
    """
    found = await transaction.fetch_all(_Named, QUERIES["relation_ids"], {"names": list(names)})
    missing = sorted(set(names) - {row.name for row in found})
    if missing:
        shown = ", ".join(repr(name[:60]) for name in missing[:20])
        raise NotFoundError(f"no dataset or view {shown}", missing=missing[:100])
    return {row.name: row.id for row in found}


async def delete_profile(scope: Scope, profile_id: str) -> DeletedProfile:
    """The profile, its role, its schema, its bindings and its keys go in one transaction.

    Raises:
        NotFoundError: no such profile.
    """
    profile = await get_profile(scope, profile_id)
    async with scope.begin() as transaction:
        keys: int = await transaction.fetch_value(QUERIES["count_keys"], {"id": profile_id})
        if await transaction.execute(QUERIES["delete_profile"], {"id": profile_id}) == 0:
            raise NotFoundError(f"no profile {profile_id[:60]!r}")
    return DeletedProfile(id=profile_id, bound_datasets=profile.bound_datasets, revoked_keys=keys)
