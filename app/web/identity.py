"""Who is calling: the API key becomes a Principal before the body is read."""

from typing import Any, Literal, Protocol

import msgspec
from litestar.connection import ASGIConnection, Request
from litestar.handlers import BaseRouteHandler

from app.db.database import Database
from app.db.scope import Actor, Scope
from app.errors import ForbiddenError, InvalidInputError, UnauthenticatedError

PROFILE_HEADER = "x-lakehouse-profile"
MODEL_HEADER = "x-lakehouse-model"
#: Names the model for the audit; long or unprintable ones are refused so that the record stays readable.
MAX_MODEL_LENGTH = 200


class Principal(msgspec.Struct, frozen=True):
    """Who holds the key. A reader has one profile; an admin has one only while it acts as a reader."""

    id: str
    name: str
    kind: Literal["admin", "reader"]
    access_role: str
    profile: str | None = None
    role_name: str | None = None
    model: str | None = None

    @property
    def is_admin(self) -> bool:
        """An admin that acts as a reader gets exactly what that reader gets, so it is none then."""
        return self.kind == "admin" and self.profile is None

    def scope(self, database: Database, request_id: str = "", *, timeout_ms: int = 30_000) -> Scope:
        """The scope this principal acts in: its profile's, or the steward's."""
        actor = Actor(
            principal=self.id,
            profile=self.profile or "",
            model=self.model or "",
            request_id=request_id,
            source="api",
        )
        if self.role_name is None:
            return database.steward(actor, timeout_ms=timeout_ms)
        return database.reader(self.role_name, actor, timeout_ms=timeout_ms)


class Authenticator(Protocol):
    """The seam between the web and the keys; app.access has the real one."""

    async def authenticate(self, key: str) -> Principal:
        """The principal of a key; raises UnauthenticatedError."""
        ...

    async def act_as(self, admin: Principal, profile: str) -> Principal:
        """The admin as that profile's reader; raises NotFoundError."""
        ...


LOCAL_ADMIN = Principal(id="local", name="local", kind="admin", access_role="admin")


async def guard_identity(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Litestar guard of every route: sets `scope["user"]`, or raises. Health and the OpenAPI document are open."""
    if handler.opt.get("public") or connection.scope["path"].startswith("/schema"):
        return
    principal = await _identify(connection)
    connection.scope["user"] = principal
    connection.scope["caller"] = principal  # type: ignore[typeddict-unknown-key]


async def _identify(connection: ASGIConnection[Any, Any, Any, Any]) -> Principal:
    state = connection.app.state
    key = _key(connection)
    if key is None and not state.settings.api.auth:
        principal = LOCAL_ADMIN
    elif key is None:
        raise UnauthenticatedError(
            "send an API key in X-API-Key or as Authorization: Bearer; the first one is in the home's admin.key"
        )
    else:
        principal = await state.authenticator.authenticate(key)
    # known from here on, also when what follows is refused
    connection.scope["caller"] = principal  # type: ignore[typeddict-unknown-key]
    model = connection.headers.get(MODEL_HEADER)
    if model is not None:
        if len(model) > MAX_MODEL_LENGTH or not model.isprintable():
            raise InvalidInputError(
                f"X-Lakehouse-Model must be up to {MAX_MODEL_LENGTH} printable characters"
            )
        if principal.model is None:
            principal = msgspec.structs.replace(principal, model=model)
    profile = connection.headers.get(PROFILE_HEADER)
    if profile is None or profile == principal.profile:
        return principal
    if principal.kind != "admin":
        raise ForbiddenError(f"this key is for profile {principal.profile}, not {profile[:40]!r}")
    acting: Principal = await state.authenticator.act_as(principal, profile)
    return acting


def _key(connection: ASGIConnection[Any, Any, Any, Any]) -> str | None:
    key = connection.headers.get("x-api-key")
    if key is not None:
        return key
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token else None


def provide_principal(request: Request[Any, Any, Any]) -> Principal:
    """Litestar dependency `principal`."""
    principal: Principal = request.scope["user"]
    return principal


def provide_database(request: Request[Any, Any, Any]) -> Database:
    """Litestar dependency `database`."""
    database: Database = request.app.state.database
    return database


def require_admin(principal: Principal) -> None:
    """Refuse whoever is not an admin, or is one that acts as a reader.

    Raises:
        ForbiddenError: always for them.
    """
    if not principal.is_admin:
        raise ForbiddenError("this needs an admin key")


def guard_admin(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Litestar guard of a route with a large body: who may not send it is told so before it is read.

    Raises:
        ForbiddenError: see require_admin.
    """
    require_admin(connection.scope["user"])


async def act_as_profile(request: Request[Any, Any, Any], principal: Principal, profile: str) -> Principal:
    """The caller as the reader of `profile`: itself when it is its own, an admin in its place.

    Raises:
        ForbiddenError: it is not the caller's profile, and the caller is no admin.
        NotFoundError: an admin named a profile that does not exist.
    """
    if principal.profile == profile:
        return principal
    if not principal.is_admin:
        raise ForbiddenError(f"this key is for profile {principal.profile}, not {profile[:40]!r}")
    acting: Principal = await request.app.state.authenticator.act_as(principal, profile)
    return acting
