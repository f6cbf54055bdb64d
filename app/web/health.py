"""GET /health says that the process is up, GET /ready that it can serve: database, migrations, governance checks."""

import asyncio
import logging
import time
from typing import Any

import msgspec
from litestar import Request, Router, get

from app.db.database import Database, get_deployment
from app.db.lint import verify
from app.errors import PolicyViolatedError
from app.web.openapi import OPEN
from app.web.problems import problem_responses

RESPONSES = problem_responses()
GOOD_FOR_S = 1.0
log = logging.getLogger(__name__)


class Health(msgspec.Struct, frozen=True):
    """The process is up."""

    status: str


class Readiness(msgspec.Struct, frozen=True):
    """What was checked. Anything else than `ok` is answered with 503 and a problem document."""

    database: str
    migrations: str
    policies: str


class _ReadinessCheck:
    """Anybody may ask, so asking often must cost little: one check at a time, good for a second."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._last: tuple[Database, float, Readiness] | None = None

    async def run(self, database: Database) -> Readiness:
        async with self._lock:
            if self._last is not None:
                checked, at, readiness = self._last
                if checked is database and time.monotonic() - at < GOOD_FOR_S:
                    return readiness
            readiness = await _check(database)
            self._last = (database, time.monotonic(), readiness)
            return readiness


async def _check(database: Database) -> Readiness:
    deployment = await get_deployment(database.service_dsn)
    try:
        await verify(database.owner(timeout_ms=10_000))
    except PolicyViolatedError as exc:
        # names of roles and objects are for the log and the doctor, not for whoever asks
        log.error("not ready: %s", exc.message)
        raise PolicyViolatedError("the governance checks do not hold; run: lakeward doctor") from exc
    return Readiness(database="ok", migrations=deployment.schema_version, policies="verified")


_CHECK = _ReadinessCheck()


@get("/health", opt={"public": True}, security=OPEN, responses=RESPONSES)
async def health() -> Health:
    """The process is up."""
    return Health(status="ok")


@get("/ready", opt={"public": True}, security=OPEN, responses=RESPONSES)
async def ready(request: Request[Any, Any, Any]) -> Readiness:
    """The database is reachable, migrations are at head, and the governance checks hold."""
    return await _CHECK.run(request.app.state.database)


router = Router("/", route_handlers=[health, ready])
