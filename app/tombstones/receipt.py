"""The receipt of an erasure: what was looked at, found, removed, and what could not be reached."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from app import __version__
from app.tombstones.erasure_models import ErasureRow
from app.tombstones.erasure_places import Cluster

#: What no program can look into from here; an operator has to.
NEVER_REACHED = (
    "backups of the database and of its machine",
    "memory, swap and the operating system's page cache",
    "blocks of removed files that the file system or the disk keeps",
    "other databases of the server",
)


class Doors(msgspec.Struct, frozen=True):
    """The keys, asked for once more everywhere: how many rows, chunks and records answered to them."""

    rows: int
    chunks: int
    readers: int
    readers_asked: int
    tombstone_images: int
    journal_payloads: int
    audit_hits: int

    @property
    def silent(self) -> bool:
        """Whether nobody knew them."""
        counts = msgspec.structs.asdict(self)
        return all(value == 0 for name, value in counts.items() if name != "readers_asked")


def list_unreached(cluster: Cluster, found: Mapping[str, Any], scan: Mapping[str, Any]) -> list[str]:
    """What the erasure could not reach or could not look at, in words."""
    unreached = list(NEVER_REACHED)
    if scan["data_directory"] != "scanned":
        unreached.append("data_directory: not readable by this process, so only the home was scanned")
    unreached += [f"unreadable: {name}" for name in scan["unreadable"]]
    if not found["wal"]["done"]:
        unreached.append(f"WAL: {found['wal']['reason']}")
    if cluster.slots:
        unreached.append(f"replicas and consumers of {cluster.slots} replication slots")
    if cluster.archive_mode != "off":
        unreached.append("the WAL archive (archive_mode is on)")
    if cluster.wal_compression != "off" and not found["wal"]["done"]:
        unreached.append(
            f"page images in WAL are compressed ({cluster.wal_compression}) and cannot be searched"
        )
    unreached += [f"a copy of the dataset, with rows of its own: {name}" for name in found.get("copies", [])]
    if not found["statistics_rewritten"]:
        unreached.append(
            "old statistics of columns: pg_statistic needs the administrator's rights to be rewritten"
        )
    unreached += [
        f"long values that may be compressed, so not searchable: {name}" for name in found["compressed"]
    ]
    return unreached


def create_receipt(
    row: ErasureRow, cluster: Cluster, found: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """The receipt as a JSON object. Keys are in it as HMACs, and no value of a row is."""
    purged = found["purged"]
    return {
        "erasure": row.id,
        "dataset": row.dataset,
        "keys": row.keys,
        "key_hashes": sorted(value.hex() for value in row.key_hashes),
        "reason": row.reason,
        "requested_by": row.created_by,
        "requested_at": to_text(row.created_at),
        "purged_at": purged["at"],
        "finished_at": to_text(now),
        "removed": {
            "rows": purged["tombstoned"],
            "tombstoned_before": purged["already"],
            "unknown_keys": purged["missing"],
            "chunks": found["collected"]["chunks"],
            "row_images": purged["tombstoned"] + found["collected"]["images"],
            "journal_payloads": purged["journal_entries"],
            "audit_entries": purged["audit_entries"],
            "rejected_rows": purged["rejected_rows"],
            "jobs": purged["jobs"],
            "eval_queries": purged.get("eval_queries", 0),
            "uploads": found["uploads"],
        },
        "steps": found["times"],
        "rewritten": found["rewritten"],
        "wal": found["wal"],
        "doors": found["doors"],
        "verified_by_scan": is_verified(found["scan_before"], found["scan_after"]),
        "scan_before": found["scan_before"],
        "scan_after": found["scan_after"],
        "not_searched": {"also_in_other_rows": found["collected"]["shared"]},
        "not_reached": list_unreached(cluster, found, found["scan_after"]),
        "versions": {"lakeward": __version__, "postgres": cluster.server_version},
    }


def is_verified(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether the scans prove it: of the server's files too, with something found before, and nothing after."""
    return after["data_directory"] == "scanned" and bool(before["found"]) and not after["found"]


def hash_receipt(receipt: Mapping[str, Any]) -> str:
    """SHA-256 of its JSON in UTF-8 with sorted keys and no spaces, so that anybody can compute it again."""
    return hashlib.sha256(msgspec.json.encode(receipt, order="sorted")).hexdigest()


def to_text(moment: datetime) -> str:
    """A moment in UTC to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def describe_places(places: Sequence[Mapping[str, Any]]) -> str:
    """`lake.people (3), home/uploads/x (1)`: where bytes were found, and how often."""
    return ", ".join(f"{place['place']} ({sum(place['found'].values())})" for place in places)
