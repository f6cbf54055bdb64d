"""The verbs of journal and audit for those who read them, and for what happened elsewhere."""

import hashlib
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from psycopg.types.json import Jsonb

from app.db.database import Database
from app.db.queries import load_queries
from app.db.scope import Scope
from app.errors import InvalidInputError, NotFoundError
from app.journal.models import (
    AuditEntry,
    DatasetCount,
    Entry,
    EventRequest,
    KindCount,
    RecentEntry,
    Stats,
    UpdateRequest,
)
from app.web.paging import Page, decode_cursor, plan_page

QUERIES = load_queries(__file__)
Row = TypeVar("Row", bound=Entry)
#: What only the acts themselves write; an event of that name could be taken for one.
RESERVED = frozenset(
    {"create", "update", "delete", "insert", "rekey", "load", "tombstone", "undo", "purge", "erasure"}
    | {"journal_erased"}
)


async def append_event(scope: Scope, request: EventRequest) -> Entry:
    """Put an event on record, under the caller's name.

    Raises:
        InvalidInputError: the kind is one of Lakeward's own.
        NotFoundError: no such dataset.
    """
    if request.kind in RESERVED:
        raise InvalidInputError(
            f"kind {request.kind!r} is Lakeward's own; take another word, or POST /journal/update for a changed field"
        )
    return await _append(scope, request)


async def append_update(scope: Scope, request: UpdateRequest) -> Entry:
    """Put a change of a field on record that was made elsewhere, under the caller's name.

    Raises:
        NotFoundError: no such dataset.
    """
    fields = msgspec.structs.asdict(request)
    return await _append(scope, EventRequest(kind="update", **fields))


async def _append(scope: Scope, event: EventRequest) -> Entry:
    parameters = {
        **msgspec.structs.asdict(event),
        "old": None if event.old is None else Jsonb(event.old),
        "new": None if event.new is None else Jsonb(event.new),
    }
    async with scope.begin() as transaction:
        if event.dataset is not None and not await transaction.fetch_value(
            QUERIES["has_dataset"], parameters
        ):
            raise NotFoundError(f"no dataset {event.dataset[:60]!r}")
        await transaction.execute(QUERIES["append"], parameters)
        entry = await transaction.find_one(Entry, QUERIES["own_entry"])
    assert entry is not None
    return entry


async def list_history(
    database: Database, scope: Scope, dataset: str, entity: str, limit: int, cursor: str | None
) -> Page[Entry]:
    """The life of one row, oldest first, as the scope may see it; empty when there is nothing it may see."""
    after = decode_cursor(cursor, int) if cursor else 0
    parameters = {"dataset": dataset, "entity": entity, "after": after, "limit": limit + 1}
    rows = await _fetch(database, scope, Entry, "history", parameters)
    return plan_page(rows, limit, lambda entry: entry.id)


async def list_recent(
    database: Database,
    scope: Scope,
    limit: int,
    cursor: str | None,
    *,
    dataset: str | None = None,
    kind: str | None = None,
) -> Page[Entry]:
    """Entries, newest transaction first, as the scope may see them."""
    before = decode_cursor(cursor, tuple[int, int]) if cursor else (None, None)
    parameters = {
        "dataset": dataset,
        "kind": kind,
        "before_transaction": before[0],
        "before_id": before[1],
        "limit": limit + 1,
    }
    rows = await _fetch(database, scope, RecentEntry, "recent", parameters)
    page = plan_page(rows, limit, lambda entry: (entry.transaction, entry.id))
    entries = [Entry(*(getattr(row, name) for name in Entry.__struct_fields__)) for row in page.items]
    return Page(items=entries, next_cursor=page.next_cursor)


async def _fetch(
    database: Database, scope: Scope, kind: type[Row], query: str, parameters: dict[str, Any]
) -> list[Row]:
    """The rows of a read that records itself; what was asked goes with it as a hash."""
    sha256 = hashlib.sha256(msgspec.json.encode(parameters)).hexdigest()
    rows = await scope.fetch(
        kind, QUERIES[query], {**parameters, "sha256": sha256}, extra=database.audit_settings
    )
    return [row for row in rows if row.id is not None]


async def renew_partitions(database: Database) -> int:
    """Make what is missing of the coming months' partitions, and the row triggers of the month; answers how many."""
    async with database.owner(timeout_ms=300_000).begin() as transaction:
        made: int = await transaction.fetch_value(QUERIES["renew_partitions"])
    return made


class _Totals(msgspec.Struct, frozen=True):
    oldest: datetime | None
    seals: int
    sealed_at: datetime | None
    unsealed: int
    audit_entries: int


async def get_stats(scope: Scope) -> Stats:
    """The journal in numbers; counts every entry, so it takes a second for each few millions."""
    async with scope.begin() as transaction:
        kinds = await transaction.fetch_all(KindCount, QUERIES["count_kinds"])
        datasets = await transaction.fetch_all(DatasetCount, QUERIES["count_datasets"])
        totals = await transaction.find_one(_Totals, QUERIES["totals"])
    assert totals is not None
    return Stats(
        entries=sum(kind.entries for kind in kinds),
        newest=max((kind.newest for kind in kinds), default=None),
        kinds=kinds,
        datasets=datasets,
        **msgspec.structs.asdict(totals),
    )


async def list_audit(
    scope: Scope,
    limit: int,
    cursor: str | None,
    *,
    profile: str | None = None,
    door: str | None = None,
    outcome: str | None = None,
) -> Page[AuditEntry]:
    """Recorded reads and calls, newest first."""
    before_at, before_id = decode_cursor(cursor, tuple[datetime, int]) if cursor else (None, None)
    parameters = {
        "profile": profile,
        "door": door,
        "outcome": outcome,
        "before_at": before_at,
        "before_id": before_id,
        "limit": limit + 1,
    }
    rows = await scope.fetch(AuditEntry, QUERIES["list_audit"], parameters)
    return plan_page(rows, limit, lambda entry: (entry.at, entry.id))
