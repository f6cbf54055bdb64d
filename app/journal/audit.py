"""Recording reads: an entry before the answer is given, or there is no answer."""

import hashlib
import logging

import msgspec

from app.db.database import Database
from app.db.queries import load_queries
from app.db.scope import Scope
from app.errors import LakewardError

QUERIES = load_queries(__file__)
log = logging.getLogger(__name__)


class Call(msgspec.Struct, frozen=True):
    """A read or call, for the audit. `arguments` are kept as a hash only, for they may name people."""

    door: str
    operation: str
    relations: list[str] = []
    arguments: bytes = b""


async def record_call(
    database: Database,
    scope: Scope,
    call: Call,
    *,
    rows: int | None = None,
    duration_ms: float | None = None,
    outcome: str = "ok",
) -> None:
    """Append the entry as whom the scope acts for. Whoever calls this before the answer is given reads on record.

    Raises:
        LakewardError: it cannot be recorded.
    """
    parameters = {
        "door": call.door,
        "operation": call.operation,
        "relations": call.relations,
        "sha256": hashlib.sha256(call.arguments).hexdigest() if call.arguments else None,
        "rows": rows,
        "duration_ms": duration_ms,
        "outcome": outcome,
    }
    await scope.fetch(_Recorded, QUERIES["record_call"], parameters, extra=database.audit_settings)


async def record_failure(
    database: Database,
    scope: Scope,
    call: Call,
    error: Exception,
    outcome: str,
    *,
    duration_ms: float | None = None,
) -> None:
    """Append the entry of a call that failed, once for each error; what cannot be recorded is logged."""
    if getattr(error, "recorded", False):
        return
    try:
        await record_call(database, scope, call, duration_ms=duration_ms, outcome=outcome)
    except LakewardError as exc:
        log.warning("audit: %s %s (%s) is not on record: %s", call.door, call.operation, outcome, exc.message)
    error.recorded = True  # type: ignore[attr-defined]


class _Recorded(msgspec.Struct, frozen=True):
    done: bool
