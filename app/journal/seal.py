"""What a seal is made of: the same bytes whoever computes them, and a chain that only the key's holder continues.

The order of entries is that of (transaction, id). A value is written as one byte 0 when it is null, else as one byte 1,
its length in UTF-8 as 4 bytes, big-endian, and the UTF-8. Numbers are written as their decimal digits.

    rest       id, at (microseconds since 1970 UTC), transaction, kind, dataset, field, actor, profile, model, source,
               workspace, request_id
    payload    entity, old, new (the latter two as Postgres writes jsonb as text)
    mark       the first 8 bytes of SHA-256(rest): says which entry it is that was changed
    payload's hash   SHA-256(salt, payload), with 16 random bytes for each entry
    digest     HMAC-SHA256(key, "lakeward seal 1", the seal's id, from and to (transaction and id), count of entries,
               when sealed (as `at`), each as a value; the digest before, 32 bytes, zeros for the first;
               SHA-256(rest) of each entry; all payloads' hashes)

Erasure takes an entry's payload and makes its salt zero. The payload's hash stays in the seal, so the chain holds; and
without the salt nobody can try whose payload it was.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable

import msgspec

SALT, HASH, MARK = 16, 32, 8
NO_DIGEST = bytes(HASH)
BLANK_SALT = bytes(SALT)
#: Entries of one seal: what is held in memory, and how closely a fault can be located when only the digest tells.
MAX_ENTRIES = 10_000


class SealedEntry(msgspec.Struct, frozen=True):
    """An entry as it is sealed: everything of it, numbers as numbers, jsonb as text."""

    id: int
    at_us: int
    transaction: int
    kind: str
    dataset: str | None
    field: str | None
    actor: str
    profile: str | None
    model: str | None
    source: str
    workspace: str | None
    request_id: str | None
    entity: str | None
    old: str | None
    new: str | None

    @property
    def place(self) -> tuple[int, int]:
        """Where it is in the order that seals follow."""
        return self.transaction, self.id

    @property
    def is_blank(self) -> bool:
        """Whether erasure took its payload, or it never had one."""
        return self.entity is None and self.old is None and self.new is None


class Seal(msgspec.Struct, frozen=True):
    """A row of lakeward.journal_seal: it covers the entries with start <= place < end."""

    id: int
    from_transaction: int
    from_id: int
    to_transaction: int
    to_id: int
    entries: int
    salts: bytes
    payloads: bytes
    marks: bytes
    key_id: str
    digest: bytes
    sealed_at_us: int

    @property
    def start(self) -> tuple[int, int]:
        """The first place it covers."""
        return self.from_transaction, self.from_id

    @property
    def end(self) -> tuple[int, int]:
        """The first place it does not cover any more."""
        return self.to_transaction, self.to_id


def _pack(values: Iterable[str | int | None]) -> bytes:
    parts = []
    for value in values:
        if value is None:
            parts.append(b"\0")
        else:
            raw = str(value).encode()
            parts.append(b"\1" + len(raw).to_bytes(4, "big") + raw)
    return b"".join(parts)


def hash_rest(entry: SealedEntry) -> bytes:
    """SHA-256 of everything but the payload."""
    e = entry
    what = (e.id, e.at_us, e.transaction, e.kind, e.dataset, e.field)
    who = (e.actor, e.profile, e.model, e.source, e.workspace, e.request_id)
    return hashlib.sha256(_pack((*what, *who))).digest()


def hash_payload(entry: SealedEntry, salt: bytes) -> bytes:
    """SHA-256 of the payload, salted."""
    return hashlib.sha256(salt + _pack((entry.entity, entry.old, entry.new))).digest()


def compute_digest(key: bytes, previous: bytes, seal: Seal, rests: bytes) -> bytes:
    """The seal's digest; `rests` are the hashes of its entries' rests, in order."""
    head = _pack(("lakeward seal 1", seal.id, *seal.start, *seal.end, seal.entries, seal.sealed_at_us))
    return hmac.digest(key, head + previous + rests + seal.payloads, "sha256")


def plan_seal(
    key: bytes,
    key_id: str,
    previous: Seal | None,
    entries: list[SealedEntry],
    end: tuple[int, int],
    sealed_at_us: int,
) -> Seal:
    """The seal of these entries, which continues the chain after `previous`."""
    start = previous.end if previous else (0, 0)
    rests = [hash_rest(entry) for entry in entries]
    salts = [secrets.token_bytes(SALT) for _ in entries]
    seal = Seal(
        id=previous.id + 1 if previous else 1,
        from_transaction=start[0],
        from_id=start[1],
        to_transaction=end[0],
        to_id=end[1],
        entries=len(entries),
        salts=b"".join(salts),
        payloads=b"".join(hash_payload(e, salt) for e, salt in zip(entries, salts, strict=True)),
        marks=b"".join(rest[:MARK] for rest in rests),
        key_id=key_id,
        digest=b"",
        sealed_at_us=sealed_at_us,
    )
    before = previous.digest if previous else NO_DIGEST
    return msgspec.structs.replace(seal, digest=compute_digest(key, before, seal, b"".join(rests)))
