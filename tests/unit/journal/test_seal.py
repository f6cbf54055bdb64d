"""The bytes of a seal are fixed: what was sealed with an earlier version must still verify."""

import msgspec
import pytest

from app.journal.seal import (
    MARK,
    SALT,
    Seal,
    SealedEntry,
    compute_digest,
    hash_payload,
    hash_rest,
    plan_seal,
)

ENTRY = SealedEntry(
    id=7,
    at_us=1_700_000_000_123_456,
    transaction=4242,
    kind="update",
    dataset="people",
    field="name",
    actor="key_1",
    profile=None,
    model="llama",
    source="api",
    workspace=None,
    request_id="r1",
    entity="1",
    old='"Ada"',
    new=None,
)
SEAL = Seal(
    id=3,
    from_transaction=4000,
    from_id=5,
    to_transaction=5000,
    to_id=0,
    entries=1,
    salts=bytes(range(16)),
    payloads=bytes(range(32)),
    marks=bytes(range(8)),
    key_id="k",
    digest=b"",
    sealed_at_us=1_700_000_001_000_000,
)


def test_the_format_is_what_it_was():
    assert hash_rest(ENTRY).hex() == "26119503c9027a30cb2830066ec84a51ad3ae6e947b053105bcba6f2f81e94d9"
    assert (
        hash_payload(ENTRY, bytes(range(16))).hex()
        == "fd9b1040a12ca68fc1f901a5738c0456ed591e3bcc52de2ea28037f1fddbac45"
    )
    assert (
        compute_digest(b"k" * 32, b"p" * 32, SEAL, hash_rest(ENTRY)).hex()
        == "b2cbcbef2c16804bbd4785ec3057c464ec728eeb849f755cdf9b3c132916df10"
    )


@pytest.mark.parametrize("field", list(SealedEntry.__struct_fields__))
def test_every_field_of_an_entry_counts(field):
    value = getattr(ENTRY, field)
    other = value + 1 if isinstance(value, int) else f"{value}x"
    changed = msgspec.structs.replace(ENTRY, **{field: other})
    salt = bytes(16)
    in_rest = hash_rest(changed) != hash_rest(ENTRY)
    in_payload = hash_payload(changed, salt) != hash_payload(ENTRY, salt)
    assert (in_rest, in_payload) == (field not in ("entity", "old", "new"), field in ("entity", "old", "new"))


@pytest.mark.parametrize(
    "other",
    [
        {"old": None, "new": '"Ada"'},
        {"entity": '1"Ada"', "old": ""},
        {"entity": None, "old": '1"Ada"'},
        {"new": ""},
    ],
)
def test_values_do_not_run_into_each_other(other):
    assert hash_payload(msgspec.structs.replace(ENTRY, **other), b"") != hash_payload(ENTRY, b"")


@pytest.mark.parametrize(
    "field", ["id", "from_transaction", "from_id", "to_transaction", "to_id", "entries", "sealed_at_us"]
)
def test_every_number_of_a_seal_counts(field):
    changed = msgspec.structs.replace(SEAL, **{field: getattr(SEAL, field) + 1})
    assert compute_digest(b"k", b"p", changed, b"") != compute_digest(b"k", b"p", SEAL, b"")


def test_the_key_the_chain_and_the_payloads_count():
    digest = compute_digest(b"k", b"p", SEAL, b"r")
    assert len({digest, compute_digest(b"K", b"p", SEAL, b"r"), compute_digest(b"k", b"P", SEAL, b"r")}) == 3
    assert compute_digest(b"k", b"p", SEAL, b"R") != digest
    assert compute_digest(b"k", b"p", msgspec.structs.replace(SEAL, payloads=b"x"), b"r") != digest


def test_a_seal_continues_the_one_before():
    first = plan_seal(b"k", "id", None, [ENTRY, ENTRY], (10, 0), 1)
    second = plan_seal(b"k", "id", first, [ENTRY], (20, 5), 2)
    assert (first.id, first.start, first.end, first.entries) == (1, (0, 0), (10, 0), 2)
    assert (second.id, second.start, second.end, second.entries) == (2, (10, 0), (20, 5), 1)
    assert len(first.salts) == 2 * SALT and len(first.marks) == 2 * MARK
    assert first.salts[:SALT] != first.salts[SALT:], "each entry has a salt of its own"
    assert first.payloads[:32] != first.payloads[32:]
    assert second.digest == compute_digest(b"k", first.digest, second, hash_rest(ENTRY))
