"""/journal and /access/audit."""

from typing import Annotated, Any
from urllib.parse import unquote

from litestar import Request, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from app.db.database import Database
from app.journal.models import AuditEntry, Entry, EventRequest, Stats, UpdateRequest
from app.journal.sealing import Flushed, flush
from app.journal.service import append_event, append_update, get_stats, list_audit, list_history, list_recent
from app.journal.verification import Verification, verify_journal
from app.web.identity import Principal, require_admin
from app.web.paging import Cursor, Limit, Page
from app.web.parameters import MAX_JSON_BYTES
from app.web.problems import problem_responses

TAGS = ["journal"]
OfDataset = Annotated[str, QueryParameter(name="dataset", max_length=200, description="the dataset or view")]
OnlyDataset = Annotated[
    str | None, QueryParameter(name="dataset", max_length=200, description="only of this one")
]
OnlyKind = Annotated[str | None, QueryParameter(name="kind", max_length=40, description="only of this kind")]
OnlyProfile = Annotated[
    str | None, QueryParameter(name="profile", max_length=40, description="only what this profile read")
]
OnlyDoor = Annotated[
    str | None, QueryParameter(name="door", max_length=40, description="only through this door")
]
OnlyOutcome = Annotated[
    str | None, QueryParameter(name="outcome", max_length=60, description="`ok`, or an error's code")
]


@post("/journal/event", responses=problem_responses(404, 413), tags=TAGS)
async def post_event(
    data: JSONBody[EventRequest], principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> Entry:
    """Put something on record that happened elsewhere."""
    require_admin(principal)
    return await append_event(principal.scope(database), data)


@post("/journal/update", responses=problem_responses(404, 413), tags=TAGS)
async def post_update(
    data: JSONBody[UpdateRequest], principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> Entry:
    """Put a field's change on record that was made elsewhere."""
    require_admin(principal)
    return await append_update(principal.scope(database), data)


@post("/journal/flush", status_code=200, responses=problem_responses(409), tags=TAGS)
async def post_flush(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    request: Request[Any, Any, Any],
) -> Flushed:
    """Seal what is settled now, instead of within a minute."""
    require_admin(principal)
    return await flush(database, request.app.state.settings.home)


@get("/journal/history/{entity:path}", responses=problem_responses(404), tags=TAGS)
async def get_history(
    entity: FromPath[str],
    dataset: OfDataset,
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    request: Request[Any, Any, Any],
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Entry]:
    """The life of one row, oldest first, as the caller may see it."""
    key = _key(request) or entity.removeprefix("/")
    return await list_history(database, principal.scope(database), dataset, key, limit, cursor)


def _key(request: Request[Any, Any, Any]) -> str:
    """The row key as it was sent: it may hold any character, two slashes too, which the framework makes one."""
    raw: bytes = request.scope.get("raw_path") or b""
    return unquote(raw.decode("ascii", "replace").partition("/journal/history/")[2])


@get("/journal/recent", responses=problem_responses(404), tags=TAGS)
async def get_recent(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    dataset: OnlyDataset = None,
    kind: OnlyKind = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Entry]:
    """The newest entries that the caller may see."""
    return await list_recent(database, principal.scope(database), limit, cursor, dataset=dataset, kind=kind)


@get("/journal/stats", responses=problem_responses(404), tags=TAGS)
async def get_journal_stats(
    principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> Stats:
    """The journal in numbers."""
    require_admin(principal)
    return await get_stats(principal.scope(database))


@get("/journal/verify", responses=problem_responses(404), tags=TAGS)
async def get_verify(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    request: Request[Any, Any, Any],
) -> Verification:
    """Compute every seal again, and say whether the journal is as it was sealed."""
    require_admin(principal)
    return await verify_journal(database, request.app.state.settings.home)


@get("/access/audit", responses=problem_responses(404), tags=["access"])
async def get_audit(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    profile: OnlyProfile = None,
    door: OnlyDoor = None,
    outcome: OnlyOutcome = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[AuditEntry]:
    """Reads and calls, newest first."""
    require_admin(principal)
    return await list_audit(
        principal.scope(database), limit, cursor, profile=profile, door=door, outcome=outcome
    )


router = Router(
    "/",
    route_handlers=[
        post_event,
        post_update,
        post_flush,
        get_history,
        get_recent,
        get_journal_stats,
        get_verify,
        get_audit,
    ],
    request_max_body_size=MAX_JSON_BYTES,
)
