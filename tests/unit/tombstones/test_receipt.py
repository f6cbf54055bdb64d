"""The receipt says what it could not reach, and anybody can compute its hash."""

import hashlib
import json
from typing import Any

import msgspec
import pytest

from app.tombstones.erasure_places import Cluster
from app.tombstones.receipt import (
    NEVER_REACHED,
    Doors,
    describe_places,
    hash_receipt,
    is_verified,
    list_unreached,
)

CLUSTER = Cluster(
    database_oid=5,
    system_identifier=1,
    server_version="18.4",
    wal_compression="pglz",
    archive_mode="off",
    segment_bytes=16 * 1024**2,
    slots=0,
)
FOUND: dict[str, Any] = {
    "wal": {"done": True, "reason": None},
    "statistics_rewritten": True,
    "compressed": [],
}
SCAN: dict[str, Any] = {"data_directory": "scanned", "unreadable": []}


def test_backups_and_the_like_are_never_reached() -> None:
    assert list_unreached(CLUSTER, FOUND, SCAN) == list(NEVER_REACHED)


@pytest.mark.parametrize(
    ("cluster", "found", "scan", "says"),
    [
        ({}, {}, {"data_directory": "not readable"}, "data_directory: not readable"),
        ({}, {}, {"unreadable": ["home/x"]}, "unreadable: home/x"),
        ({}, {"wal": {"done": False, "reason": "no right"}}, {}, "WAL: no right"),
        ({}, {"wal": {"done": False, "reason": "no right"}}, {}, "compressed (pglz)"),
        ({}, {"statistics_rewritten": False}, {}, "pg_statistic"),
        ({}, {"compressed": ["lake.a.b"]}, {}, "lake.a.b"),
        ({"slots": 2}, {}, {}, "2 replication slots"),
        ({"archive_mode": "on"}, {}, {}, "archive"),
    ],
)
def test_what_was_not_reached_is_said(
    cluster: dict[str, Any], found: dict[str, Any], scan: dict[str, Any], says: str
) -> None:
    said = list_unreached(msgspec.structs.replace(CLUSTER, **cluster), FOUND | found, SCAN | scan)
    assert any(says in line for line in said[len(NEVER_REACHED) :])


def test_the_hash_is_of_sorted_json_without_spaces() -> None:
    receipt = {"b": 1, "a": {"d": "ü", "c": [1, None, True]}}
    text = json.dumps(receipt, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert hash_receipt(receipt) == hashlib.sha256(text.encode()).hexdigest()


def test_doors_are_silent_when_nobody_knew_the_keys() -> None:
    nobody = Doors(0, 0, 0, 3, 0, 0, 0)
    assert nobody.silent
    for field in msgspec.structs.fields(Doors):
        if field.name != "readers_asked":
            assert not msgspec.structs.replace(nobody, **{field.name: 1}).silent


def test_places_are_told_in_words() -> None:
    places = [
        {"place": "lake.people", "found": {"text": 2, "fp16": 1}},
        {"place": "pg_wal", "found": {"text": 4}},
    ]
    assert describe_places(places) == "lake.people (3), pg_wal (4)"


def test_a_scan_proves_it_only_if_it_found_something_before() -> None:
    before, after = SCAN | {"found": {"text": 3}}, SCAN | {"found": {}}
    assert is_verified(before, after)
    assert not is_verified(before | {"found": {}}, after)
    assert not is_verified(before, after | {"data_directory": "not readable"})
    assert not is_verified(before, after | {"found": {"text": 1}})
