"""What extraction speaks about besides columns: formats and rejected rows."""

from typing import Literal

from msgspec import Struct

Format = Literal["csv", "json", "ndjson", "parquet"]


class Reject(Struct, frozen=True):
    """A row that was not loaded. `line` counts from 1, where the format has lines; `raw` is cut at 2,000 characters."""

    line: int | None
    reason: str
    raw: str
