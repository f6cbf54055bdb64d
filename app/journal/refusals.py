"""Refusals are on record too: whatever a request ended with instead of an answer, under the name of who asked."""

import asyncio
import contextlib
import time
from typing import Any

from litestar.types import Scope

from app.db.database import Database
from app.errors import UnauthenticatedError
from app.journal.audit import Call, record_failure
from app.web.identity import Principal
from app.web.problems import find_code

#: A refusal's answer does not wait longer for its record.
PATIENCE_S = 2.0
#: Requests without a valid key are recorded up to so many a second; a flood of them must not fill the disk.
UNKNOWN_PER_S = 10

_DOORS = {"/search": "search", "/query/sql": "query"}


class Refusals:
    """Litestar's `after_exception` hook; runs before the problem document is sent."""

    def __init__(self) -> None:
        self._second = 0
        self._unknown = 0

    async def __call__(self, exc: Exception, scope: Scope) -> None:
        """Record it, when it is a refusal of a route that is not open to all."""
        template = scope.get("path_template")
        principal: Principal | None = scope.get("caller")  # type: ignore[assignment]
        handler = scope.get("route_handler")
        if template is None or handler is None or handler.opt.get("public"):
            return
        if principal is None and not (isinstance(exc, UnauthenticatedError) and self._admits_unknown()):
            return
        database: Database = scope["litestar_app"].state.database
        acting = principal.scope(database) if principal else database.service()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                await record_failure(database, acting, _describe(scope, str(template)), exc, find_code(exc))

    def _admits_unknown(self) -> bool:
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._unknown = second, 0
        self._unknown += 1
        return self._unknown <= UNKNOWN_PER_S


def _describe(scope: Any, template: str) -> Call:
    door = next((door for end, door in _DOORS.items() if template.endswith(end)), "rest")
    return Call(
        door=door,
        operation=f"{scope['method']} {template}",
        arguments=scope["path"].encode() + b"?" + scope.get("query_string", b""),
    )
