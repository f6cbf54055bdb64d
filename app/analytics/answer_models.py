"""Analytic queries: what is answered as JSON."""

from typing import Any

import msgspec

from app.web.problems import Problem


class ResultColumn(msgspec.Struct, frozen=True):
    """A column of the answer with its Arrow type."""

    name: str
    type: str


class Ending(msgspec.Struct, frozen=True):
    """What is known when the last row is out. `error` is there only when the query failed after its first rows."""

    row_count: int
    truncated: bool
    engine: str
    duration_ms: float
    error: Problem | msgspec.UnsetType = msgspec.UNSET


class QueryAnswer(msgspec.Struct, frozen=True):
    """The answer as JSON, its members in this order: what is known at the end is at the end."""

    columns: list[ResultColumn]
    rows: list[list[Any]]
    row_count: int
    truncated: bool
    engine: str
    duration_ms: float
    error: Problem | msgspec.UnsetType = msgspec.UNSET


class FailedLine(msgspec.Struct, frozen=True):
    """The last line of an NDJSON answer that failed after its first rows."""

    error: Problem
