"""Verifying: every seal is computed again from what the journal says now, seal by seal, in bounded memory."""

import asyncio
import bisect
import hmac
from array import array
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
from psycopg.rows import class_row

from app.db.database import Database
from app.db.queries import load_queries
from app.db.scope import Actor, Scope, Transaction
from app.journal.seal import (
    BLANK_SALT,
    HASH,
    MARK,
    NO_DIGEST,
    SALT,
    Seal,
    SealedEntry,
    compute_digest,
    hash_payload,
    hash_rest,
)
from app.journal.seal_files import Head, SealKey, find_head, find_key

QUERIES = load_queries(__file__)
BATCH = 2_000


class Verification(msgspec.Struct, frozen=True):
    """Whether the journal is as it was sealed. `checked` entries were; `unsealed` ones wait for their seal.

    When it is not: `reason`, the `seal` in which it was found, and the first entry that is not as it was, where it can
    be told.
    """

    valid: bool
    checked: int
    unsealed: int
    seals: int
    first_bad: int | None = None
    seal: int | None = None
    reason: str | None = None


class _BrokenError(Exception):
    """Something is not as it was sealed."""

    def __init__(self, reason: str, *, seal: int | None = None, entry: int | None = None) -> None:
        self.reason, self.seal, self.entry = reason, seal, entry
        super().__init__(reason)


async def verify_journal(database: Database, home: Path) -> Verification:
    """Compute every seal again with the key in `home`, and find the first place where the journal is not as sealed.

    It finds: an entry that was changed, removed or added between others; a payload that is gone without an erasure's
    entry; a seal that was changed, swapped or removed, those at the end by the home's seal.head. It cannot find what
    happened to entries before they were sealed.

    Raises:
        SettingsError: the home's files cannot be used.
    """
    scope = database.owner(Actor(source="verify"), timeout_ms=300_000)
    check = _Check(scope, find_key(home), find_head(home))
    broken: _BrokenError | None = None
    try:
        await check.run()
    except _BrokenError as exc:
        broken = exc
    unsealed: int = await scope.fetch_value(QUERIES["count_unsealed"])
    return Verification(
        valid=broken is None,
        checked=check.checked,
        unsealed=unsealed,
        seals=check.seals,
        first_bad=broken.entry if broken else None,
        seal=broken.seal if broken else None,
        reason=broken.reason if broken else None,
    )


class _Check:
    """One verification: where it is, and what it has counted."""

    def __init__(self, scope: Scope, key: SealKey | None, head: Head | None) -> None:
        self._scope = scope
        self._key = key
        self._head = head
        self._erased = array("q")
        self._previous = NO_DIGEST
        self._place = (0, 0)
        self.checked = 0
        self.seals = 0

    async def run(self) -> None:
        while (seal := await self._check_next()) is not None:
            if self._head is not None and seal.id == self._head.id and seal.digest.hex() != self._head.digest:
                raise _BrokenError("the seal is not the one that this home made", seal=seal.id)
            self._previous, self._place = seal.digest, seal.end
            self.seals += 1
        if self._head is not None and self.seals < self._head.id:
            raise _BrokenError(
                f"the seals after {self.seals} are gone, there were {self._head.id}: somebody removed them, "
                "or the database was restored from an earlier backup (then remove seal.head in the home)",
                seal=self._head.id,
            )

    async def _check_next(self) -> Seal | None:
        async with self._scope.begin() as transaction:
            await transaction.execute(QUERIES["hold_seals"])
            seal = await transaction.find_one(Seal, QUERIES["next_seal"], {"id": self.seals + 1})
            if seal is None:
                return None
            key = self._check_seal(seal)
            rests, blank = await self._check_entries(transaction, seal)
        digest = compute_digest(key.secret, self._previous, seal, rests)
        if not hmac.compare_digest(digest, seal.digest):
            raise _BrokenError("the seal was changed, or the one before it", seal=seal.id)
        await self._check_blank(seal, blank)
        return seal

    def _check_seal(self, seal: Seal) -> SealKey:
        if seal.id != self.seals + 1:
            raise _BrokenError(f"seal {self.seals + 1} is gone", seal=self.seals + 1)
        if self._key is None or seal.key_id != self._key.id:
            raise _BrokenError(
                f"the seal was made with the key {seal.key_id}, which is not this home's seal.key",
                seal=seal.id,
            )
        if seal.start != self._place or seal.end < seal.start:
            raise _BrokenError("the seal does not begin where the one before it ends", seal=seal.id)
        lengths = (len(seal.salts) // SALT, len(seal.payloads) // HASH, len(seal.marks) // MARK)
        if lengths != (seal.entries,) * 3:
            raise _BrokenError("the seal was changed: it does not hold what it counts", seal=seal.id)
        return self._key

    async def _check_entries(self, transaction: Transaction, seal: Seal) -> tuple[bytes, list[int]]:
        """The hashes of the entries' rests, and the entries whose payload is gone."""
        rests: list[bytes] = []
        blank: list[int] = []
        async for batch in _batches(transaction, seal):
            await asyncio.to_thread(_check_batch, seal, batch, rests, blank)
            self.checked += len(batch)
        if len(rests) < seal.entries:
            raise _BrokenError(
                f"{seal.entries - len(rests)} entries at the end of the seal are gone", seal=seal.id
            )
        return b"".join(rests), blank

    async def _check_blank(self, seal: Seal, blank: list[int]) -> None:
        """Every entry without payload is named by an erasure's entry; those are asked for when one is not known yet."""
        if all(self._is_erased(entry) for entry in blank):
            return
        async with self._scope.begin() as transaction:
            self._erased = array("q", sorted(await transaction.fetch_values(QUERIES["erased_entries"])))
        for entry in blank:
            if not self._is_erased(entry):
                raise _BrokenError(
                    f"the payload of entry {entry} is gone, and no erasure says so", seal=seal.id, entry=entry
                )

    def _is_erased(self, entry: int) -> bool:
        found = bisect.bisect_left(self._erased, entry)
        return found < len(self._erased) and self._erased[found] == entry


async def _batches(transaction: Transaction, seal: Seal) -> AsyncIterator[list[SealedEntry]]:
    async with transaction.connection.cursor(name="sealed", row_factory=class_row(SealedEntry)) as cursor:
        await cursor.execute(
            QUERIES["sealed_entries"],
            {
                "from_transaction": seal.from_transaction,
                "from_id": seal.from_id,
                "to_transaction": seal.to_transaction,
                "to_id": seal.to_id,
            },
        )
        while batch := await cursor.fetchmany(BATCH):
            yield batch


def _check_batch(seal: Seal, batch: list[SealedEntry], rests: list[bytes], blank: list[int]) -> None:
    for entry in batch:
        n = len(rests)
        rest = hash_rest(entry)
        if n >= seal.entries or rest[:MARK] != seal.marks[n * MARK : n * MARK + MARK]:
            raise _BrokenError(_describe(seal, n, rest), seal=seal.id, entry=entry.id)
        salt = seal.salts[n * SALT : n * SALT + SALT]
        if salt == BLANK_SALT:
            if not entry.is_blank:
                raise _BrokenError(
                    f"entry {entry.id} was erased, and has a payload again", seal=seal.id, entry=entry.id
                )
            blank.append(entry.id)
        elif hash_payload(entry, salt) != seal.payloads[n * HASH : n * HASH + HASH]:
            what = "is gone, and no erasure says so" if entry.is_blank else "was changed"
            raise _BrokenError(f"the payload of entry {entry.id} {what}", seal=seal.id, entry=entry.id)
        rests.append(rest)


def _describe(seal: Seal, n: int, rest: bytes) -> str:
    """What happened at the n-th entry of a seal, as far as it can be told from the marks."""
    marks = [seal.marks[i : i + MARK] for i in range(n * MARK, len(seal.marks), MARK)]
    if n >= seal.entries:
        return "an entry was added among those that are sealed"
    if rest[:MARK] in marks:
        return f"{marks.index(rest[:MARK])} entries before this one were removed"
    return "the entry was changed, or added among those that are sealed"
