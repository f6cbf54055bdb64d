"""Sealing: settled entries get a seal, in the order of (transaction, id), which continues the chain."""

import asyncio
import time
from pathlib import Path

import msgspec

from app.db.database import Database
from app.db.queries import load_queries
from app.db.scope import Actor, Scope
from app.errors import ConflictError
from app.journal.seal import MAX_ENTRIES, Seal, SealedEntry, plan_seal
from app.journal.seal_files import Head, SealKey, create_key, find_head, find_key, save_head

QUERIES = load_queries(__file__)


class Flushed(msgspec.Struct, frozen=True):
    """What sealing did: new seals and the entries in them; `unsealed` entries are of transactions not over yet."""

    seals: int
    entries: int
    unsealed: int


async def flush(database: Database, home: Path) -> Flushed:
    """Seal every entry of a transaction before which all others are over; what is left is sealed next time.

    The key in `home` is made when there is none and nothing was sealed yet.

    Raises:
        ConflictError: the chain does not end where this home left it, or was made with another key. Nothing is sealed,
            so that what happened can still be found out.
        SettingsError: the home's files cannot be used.
    """
    scope = database.owner(Actor(source="seal"), timeout_ms=300_000)
    seals = entries = 0
    more = True
    while more:
        seal, more = await _seal_next(scope, home)
        if seal is not None:
            save_head(home, Head(id=seal.id, digest=seal.digest.hex()))
            seals, entries = seals + 1, entries + seal.entries
    unsealed: int = await database.steward().fetch_value(QUERIES["count_unsealed"])
    return Flushed(seals=seals, entries=entries, unsealed=unsealed)


async def _seal_next(scope: Scope, home: Path) -> tuple[Seal | None, bool]:
    """One seal in a transaction of its own, if there is something to seal, and whether there is more."""
    async with scope.begin() as transaction:
        await transaction.execute(QUERIES["lock_seals"])
        last = await transaction.find_one(Seal, QUERIES["last_seal"])
        key = _check_chain(home, last)
        horizon = int(await transaction.fetch_value(QUERIES["horizon"]))
        if last is not None and horizon < last.to_transaction:
            raise ConflictError(
                f"the server's transactions ({horizon}) are behind the last seal's ({last.to_transaction}): "
                "the database was restored from a dump; move the new server on with: pg_resetwal --epoch"
            )
        start = last.end if last else (0, 0)
        rows = await transaction.fetch_all(
            SealedEntry,
            QUERIES["settled_entries"],
            {"transaction": start[0], "id": start[1], "horizon": horizon, "limit": MAX_ENTRIES + 1},
        )
        if not rows:
            return None, False
        entries, more = rows[:MAX_ENTRIES], len(rows) > MAX_ENTRIES
        end = rows[MAX_ENTRIES].place if more else (horizon, 0)
        sealed_at_us = time.time_ns() // 1000
        seal = await asyncio.to_thread(plan_seal, key.secret, key.id, last, entries, end, sealed_at_us)
        await transaction.execute(QUERIES["create_seal"], msgspec.structs.asdict(seal))
    return seal, more


def _check_chain(home: Path, last: Seal | None) -> SealKey:
    key, head = find_key(home), find_head(home)
    if head is not None and (last is None or last.id < head.id):
        raise ConflictError(
            f"seal {head.id} was made from here and is gone; nothing is sealed before that is cleared up "
            "(see: lakeward journal verify)"
        )
    if head is not None and last is not None and last.id == head.id and last.digest.hex() != head.digest:
        raise ConflictError(
            f"seal {head.id} is not the one that was made from here; nothing is sealed before that is cleared up "
            "(see: lakeward journal verify)"
        )
    if last is None:
        return key or create_key(home)
    if key is None or key.id != last.key_id:
        raise ConflictError(
            f"the journal is sealed with the key {last.key_id}, which is not in {home}; "
            "put its seal.key there from a backup, or from the machine that seals"
        )
    return key
