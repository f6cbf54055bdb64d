"""Analytic queries: what is asked for."""

from typing import Annotated

import msgspec


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
