"""GET /health says that the process is up, GET /ready that it can serve: database, migrations, governance checks."""

from typing import Any

import msgspec
from litestar import Request, Router, get

from app.db.database import get_deployment
from app.db.lint import verify
from app.web.openapi import OPEN
from app.web.problems import problem_responses

RESPONSES = problem_responses()


class Health(msgspec.Struct, frozen=True):
    """The process is up."""

    status: str


class Readiness(msgspec.Struct, frozen=True):
    """What was checked. Anything else than `ok` is answered with 503 and a problem document."""

    database: str
    migrations: str
    policies: str


@get("/health", opt={"public": True}, security=OPEN, responses=RESPONSES)
async def health() -> Health:
    """The process is up."""
    return Health(status="ok")


@get("/ready", opt={"public": True}, security=OPEN, responses=RESPONSES)
async def ready(request: Request[Any, Any, Any]) -> Readiness:
    """The database is reachable, migrations are at head, and the governance checks hold."""
    database = request.app.state.database
    deployment = await get_deployment(database.service_dsn)
    await verify(database.owner(timeout_ms=10_000))
    return Readiness(database="ok", migrations=deployment.schema_version, policies="verified")


router = Router("/", route_handlers=[health, ready])
