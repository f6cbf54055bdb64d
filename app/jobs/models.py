"""What a job looks like to those who watch it."""

from datetime import datetime
from typing import Any, Literal

import msgspec

State = Literal["queued", "running", "succeeded", "failed", "cancelled"]


class Progress(msgspec.Struct, frozen=True):
    """How far it is: `done` of `total` (when known) in `unit`; `rate` in units per second."""

    done: int
    total: int | None
    unit: str
    rate: float | None
    eta_s: float | None


class Job(msgspec.Struct, frozen=True):
    """A row of lakeward.job. One that waits for its next attempt is queued, with its last error."""

    id: str
    kind: str
    subject: str
    state: State
    progress: Progress
    error: dict[str, str] | None
    result: dict[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    attempts: int

    def __post_init__(self) -> None:
        """The statements send `progress` as one JSON object, so that a row is a Job without a second type."""
        if isinstance(self.progress, dict):
            msgspec.structs.force_setattr(self, "progress", msgspec.convert(self.progress, Progress))
