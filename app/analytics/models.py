"""Analytic queries: what is asked for."""

from typing import Annotated

import msgspec

from app.analytics.cache_models import Cached, Wanted
from app.delta.govern import GovernedFiles


class QueryRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One SELECT. The limits may be lower than the server's, never higher."""

    sql: Annotated[str, msgspec.Meta(min_length=1, max_length=100_000)]
    max_rows: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)] | None = None
    timeout_ms: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)] | None = None


class Limits(msgspec.Struct, frozen=True):
    """What one query may use: rows of the answer, milliseconds, bytes of memory."""

    max_rows: int
    timeout_ms: int
    memory_bytes: int


class RelationColumns(msgspec.Struct, frozen=True):
    """A relation the caller may read, its schema in Postgres, and its columns' names and catalog types in order."""

    name: str
    schema_name: str
    names: list[str]
    types: list[str]


class QueryTask(msgspec.Struct, frozen=True):
    """All that a process needs to answer one query."""

    sql: str
    media_type: str
    relations: list[RelationColumns]
    files: list[GovernedFiles]
    cached: list[Cached]
    wanted: list[Wanted]
    dsn: str
    role: str
    steward: str
    limits: Limits

    def __repr__(self) -> str:
        """Without the DSN, which holds a password."""
        return f"QueryTask({self.role})"
