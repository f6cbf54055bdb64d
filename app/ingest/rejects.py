"""The rows of a file that are not loaded: the first ones in full, all of them counted."""

from app.ingest.models import Reject
from app.ingest.text_file import MARK_PATTERN

#: More than anybody reads, and at 2,000 characters each still below 80 MB.
MAX_KEPT = 10_000
MAX_RAW = 2_000


class RejectLog:
    """Grows while a file is read. `kept` holds the first 10,000 rejects, `total` counts all."""

    def __init__(self) -> None:
        self.kept: list[Reject] = []
        self.total = 0

    def add(self, line: int | None, reason: str, raw: str | bytes) -> None:
        """Record one rejected row; NULs and marks in `raw` become U+FFFD, so that Postgres can hold it."""
        self.total += 1
        if len(self.kept) >= MAX_KEPT:
            return
        text = raw[: 4 * MAX_RAW].decode("utf-8", "replace") if isinstance(raw, bytes) else raw
        text = (
            MARK_PATTERN.sub("\ufffd", text)[:MAX_RAW]
            .replace("\x00", "\ufffd")
            .encode("utf-8", "replace")
            .decode("utf-8")
        )
        self.kept.append(Reject(line=line, reason=reason.replace("\x00", "\ufffd")[:MAX_RAW], raw=text))
