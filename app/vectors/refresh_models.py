"""Refreshing: what is answered."""

from datetime import datetime

import msgspec

from app.catalog.models import RefreshPolicy


class Refreshed(msgspec.Struct, frozen=True):
    """What a refresh did, in rows: `embedded` by the model, `reused` by texts that had a vector already.

    `removed` are rows whose chunks had outlived them, `rejected` those that were set aside with a reason and wait, in
    the indexes `rejected_in`.
    """

    embedded: int
    reused: int
    removed: int
    rejected: int
    rejected_in: list[str]
    duration_ms: float


class DeferredIndex(msgspec.Struct, frozen=True):
    """The job that refreshes one index."""

    index: str
    job_id: str


class RefreshDeferred(msgspec.Struct, frozen=True):
    """More than can be waited for: `jobs`, one for each index; `job_id` is the last of them."""

    job_id: str
    jobs: list[DeferredIndex]


class StaleIndex(msgspec.Struct, frozen=True):
    """An index with rows that have no current chunks, those among them that were set aside, and since when.

    A reader is not told what was set aside, and of an index over a view not its dataset's policy (null).
    """

    index: str
    source: str
    stale_rows: int
    rejected_rows: int | None
    stale_since: datetime | None
    last_embedded_at: datetime | None
    refresh_policy: RefreshPolicy | None
    refresh_s: int | None


class RejectedRow(msgspec.Struct, frozen=True):
    """A row that was set aside, with what the model says of its text. It is tried again when the text changes."""

    row_key: str
    reason: str
    since: datetime
