"""Analytic queries: what is asked for and what is answered."""

from typing import Annotated, Any

import msgspec
import pyarrow as pa


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


class QueryResult(msgspec.Struct, frozen=True):
    """The rows; `truncated`: there are more than `max_rows`; `rescue_used`: a bucket did not answer."""

    table: pa.Table
    truncated: bool
    duration_ms: float
    rescue_used: bool = False


class ResultColumn(msgspec.Struct, frozen=True):
    """A column of the answer with its Arrow type."""

    name: str
    type: str


class QueryAnswer(msgspec.Struct, frozen=True):
    """The answer as JSON."""

    columns: list[ResultColumn]
    rows: list[list[Any]]
    row_count: int
    truncated: bool
    engine: str
    duration_ms: float
