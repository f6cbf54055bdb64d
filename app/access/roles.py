"""Access roles: created, changed, listed, deleted. What their readers see follows the rows in Postgres."""

import msgspec

from app.access.roles_models import (
    BUILT_IN,
    DEFAULT_ACTIONS,
    LEVELS,
    AccessRole,
    Clearance,
    DeletedRole,
    RoleRequest,
)
from app.db.queries import load_queries
from app.db.scope import Scope, Transaction
from app.errors import ConflictError, InUseError, InvalidInputError, NotFoundError
from app.web.paging import Page, decode_cursor, plan_page

QUERIES = load_queries(__file__)


def check_clearance(request: RoleRequest | Clearance) -> None:
    """What msgspec cannot say of a role.

    Raises:
        InvalidInputError: no such clearance or action, or characters to keep with an action that keeps none.
    """
    for field, word, words in (
        ("clearance", request.clearance, LEVELS),
        ("default_action", request.default_action, DEFAULT_ACTIONS),
    ):
        if word not in words:
            raise InvalidInputError(f"{field} {word!r}: use one of {', '.join(words)}")
    if request.default_action != "mask" and (request.keep_prefix, request.keep_suffix) != (None, None):
        raise InvalidInputError(
            f"keep_prefix and keep_suffix go with the default_action mask, not with {request.default_action}"
        )


async def get_role(scope: Scope, name: str) -> AccessRole:
    """The role.

    Raises:
        NotFoundError: it is not there, or not the caller's to see.
    """
    rows = await scope.fetch(AccessRole, QUERIES["roles"], _selection(name=name, limit=1))
    if not rows:
        raise NotFoundError(f"no access role {name[:60]!r}")
    return rows[0]


async def list_roles(scope: Scope, limit: int, cursor: str | None) -> Page[AccessRole]:
    """The roles the scope may see: a reader its own, an admin all of them."""
    after = decode_cursor(cursor, str) if cursor else None
    rows = await scope.fetch(AccessRole, QUERIES["roles"], _selection(after=after, limit=limit + 1))
    return plan_page(rows, limit, lambda role: role.name)


def _selection(*, name: str | None = None, after: str | None = None, limit: int) -> dict[str, object]:
    return {"name": name, "after": after, "limit": limit, "built_in": sorted(BUILT_IN)}


async def get_role_in(transaction: Transaction, name: str) -> AccessRole:
    """The role, in a transaction of the steward's.

    Raises:
        NotFoundError: it is not there; the message names those that are.
    """
    role = await transaction.find_one(AccessRole, QUERIES["roles"], _selection(name=name, limit=1))
    if role is None:
        raise await _not_there(transaction, name)
    return role


async def require_role(transaction: Transaction, name: str) -> None:
    """The role is there, and stays until the transaction ends.

    Raises:
        NotFoundError: it is not; the message names those that are.
    """
    if await transaction.fetch_value(QUERIES["keep_role"], {"name": name}) is None:
        raise await _not_there(transaction, name)


async def _not_there(transaction: Transaction, name: str) -> NotFoundError:
    there = await transaction.fetch_values(QUERIES["role_names"])
    return NotFoundError(f"no access role {name[:60]!r}; there are {', '.join(there)}", access_roles=there)


async def create_or_update_role(scope: Scope, request: RoleRequest) -> tuple[AccessRole, bool]:
    """The role as requested, and whether it is new; every view of its readers is made again in the same transaction.

    A built-in role may be changed: what an agent sees is the team's to say.

    Raises:
        InvalidInputError: see check_clearance.
    """
    check_clearance(request)
    fields = msgspec.structs.asdict(request)
    async with scope.begin() as transaction:
        created = await transaction.fetch_value(QUERIES["lock_role"], {"name": request.name}) is None
        await transaction.execute(QUERIES["create_role" if created else "update_role"], fields)
    return await get_role(scope, request.name), created


async def delete_role(scope: Scope, name: str) -> DeletedRole:
    """The role goes.

    Raises:
        NotFoundError: no such role.
        ConflictError: it is one of the four that come with the database.
        InUseError: profiles have it; the message names them.
    """
    if name in BUILT_IN:
        raise ConflictError(f"access role {name!r} is built in and stays; it can be changed")
    async with scope.begin() as transaction:
        if await transaction.fetch_value(QUERIES["lock_role"], {"name": name}) is None:
            raise NotFoundError(f"no access role {name[:60]!r}")
        profiles = await transaction.fetch_values(QUERIES["role_profiles"], {"name": name})
        if profiles:
            more = f" and {len(profiles) - 20} more" if len(profiles) > 20 else ""
            raise InUseError(
                f"access role {name!r} is the role of {', '.join(profiles[:20])}{more}; give them another first",
                used_by=profiles[:100],
            )
        await transaction.execute(QUERIES["delete_role"], {"name": name})
    return DeletedRole(name=name)
