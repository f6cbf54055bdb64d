"""What storage answers, and what it is asked for."""

from datetime import datetime
from typing import Literal

import msgspec


class BucketEntry(msgspec.Struct, frozen=True):
    """A bucket as the settings have it; `url` holds no secret. `profile` is whose own bucket it is."""

    name: str
    url: str
    scheme: str
    default: bool
    rescue: bool
    profile: str | None
    reachable: bool | None


class BucketHealth(msgspec.Struct, frozen=True):
    """The last probe of a bucket. `since` is when its present state began."""

    name: str
    reachable: bool
    kind: str | None
    reason: str | None
    latency_ms: float
    checked_at: datetime
    since: datetime


class HealthSummary(msgspec.Struct, frozen=True):
    """All buckets: `ok`, `degraded` when some do not answer, `down` when none does."""

    status: Literal["ok", "degraded", "down"]
    reachable: int
    unreachable: int
    rescue_bucket: str | None
    items: list[BucketHealth]


class StorageError(msgspec.Struct, frozen=True):
    """One entry of the error journal."""

    id: int
    at: datetime
    bucket: str
    operation: str
    key: str
    kind: str
    message: str
    request_id: str | None


class ObjectEntry(msgspec.Struct, frozen=True):
    """An object as a list has it; `size` in bytes."""

    key: str
    size: int
    etag: str | None
    last_modified: datetime


class StoredObject(msgspec.Struct, frozen=True):
    """An object that was just written."""

    bucket: str
    key: str
    size: int
    etag: str | None
    created: bool


class DeletedObject(msgspec.Struct, frozen=True):
    """An object that is gone."""

    bucket: str
    key: str


class MigrateRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Copy the objects of one bucket into another; with `delete` they leave the first when all are verified."""

    source: str
    target: str
    prefix: str = ""
    delete: bool = False


class MigrateAccepted(msgspec.Struct, frozen=True):
    """The job that copies."""

    job_id: str
    source: str
    target: str


class Warmed(msgspec.Struct, frozen=True):
    """Something that a profile's activation made ready, or could not."""

    kind: str
    name: str
    ok: bool
    detail: str | None = None


class ProfileActivation(msgspec.Struct, frozen=True):
    """What activating or deactivating a profile did; `bucket` is null when no profile root is set."""

    profile: str
    bucket: str | None
    mounted: bool
    reachable: bool | None
    warmed: list[Warmed]
    failures: list[Warmed]
    duration_ms: float
