"""Indexes, activation and search: what is asked for and what is answered."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from app.catalog.models import RefreshPolicy, RefreshSeconds
from app.vectors.filter import Field

IndexState = Literal["live", "shadow", "retired"]


class ChunkConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How texts are cut, in characters."""

    size: Annotated[int, msgspec.Meta(ge=50, le=20_000)] = 1000
    overlap: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 100


class IndexRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An index to build over a dataset; the name defaults to `{source}_v1`.

    It has the configured model that is called `model`, of several the one of `provider` and `version`; else
    models.embed. Without a `refresh_policy` the dataset's counts; `refresh_s` is how often a scheduled one looks for
    rows.
    """

    source: str
    text_columns: Annotated[list[str], msgspec.Meta(min_length=1, max_length=50)]
    name: str | None = None
    chunk: ChunkConfig = ChunkConfig()
    model: str | None = None
    provider: str | None = None
    version: str | None = None
    refresh_policy: RefreshPolicy | None = None
    refresh_s: RefreshSeconds | None = None


class IndexAccepted(msgspec.Struct, frozen=True):
    """The job that embeds what the index does not have yet."""

    job_id: str
    index: str


class Variant(msgspec.Struct, frozen=True):
    """One HNSW build of an index."""

    m: int
    ef_construction: int
    state: Literal["building", "ready", "failed"]
    bytes: int
    build_ms: float | None


class IndexFreshness(msgspec.Struct, frozen=True):
    """How many rows have no current chunks, and when rows were last embedded."""

    stale_rows: int
    last_embedded_at: datetime | None


class IndexVersion(msgspec.Struct, frozen=True):
    """One version of an index: its model and chunks, and what the gate measured before it became live.

    Searches ask the live one; a shadow is being made, the retired one was live before.
    """

    version: int
    state: IndexState
    provider: str
    model_name: str
    model_version: str
    dimensions: int
    created_at: datetime
    retired_at: datetime | None
    gate: Any
    table_name: str = ""
    chunks: int = 0
    stale_rows: int = 0


class VectorIndex(msgspec.Struct, frozen=True):
    """A named vector index over a relation."""

    name: str
    source: str
    text_columns: list[str]
    chunk: ChunkConfig
    provider: str
    model_name: str
    model_version: str
    dimensions: int
    chunks: int
    documents: int
    variants: list[Variant]
    freshness: IndexFreshness
    created_at: datetime
    versions: list[IndexVersion] = []
    refresh_policy: RefreshPolicy | None = None
    refresh_s: int | None = None


class IndexRow(msgspec.Struct, frozen=True):
    """A row of lakeward.vector_index. It is asked by `name`; its tables in schema `vec` are called by `table_name`."""

    id: int
    name: str
    source: str
    row_key: str
    row_key_type: str
    text_columns: list[str]
    chunk_size: int
    chunk_overlap: int
    provider: str
    model_name: str
    model_version: str
    dimensions: int
    created_at: datetime
    last_embedded_at: datetime | None
    table_name: str
    refresh_policy: RefreshPolicy | None
    refresh_s: int | None


class IndexSource(msgspec.Struct, frozen=True):
    """The relation that an index shall be over; `row_key` is its dataset's, whether the relation shows it or not."""

    id: int
    kind: Literal["dataset", "view"]
    name: str
    row_key: str | None
    base_id: int
    has_table: bool
    in_bucket: bool
    row_key_type: str | None


class DeletedIndex(msgspec.Struct, frozen=True):
    """What went with an index."""

    name: str
    source: str
    chunks: int


class Recall(msgspec.Struct, frozen=True):
    """What share of the exact answer's hits such a search finds, with a 95% interval, as it was measured.

    On `queries` made of the index's own vectors, when the profile's variant was activated or tried out.
    """

    recall: float
    low: float
    high: float
    k: int
    queries: int
    at: datetime


class SearchRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A search in one index, by text or by vector."""

    index: str
    query: str | None = None
    vector: list[float] | None = None
    k: int = 10
    filter: dict[str, Any] | None = None
    mode: Literal["vector", "text", "hybrid"] = "vector"
    rerank: bool = False


class Hit(msgspec.Struct, frozen=True):
    """A chunk that was found; `doc_key` and `metadata` are its row as the reader's own relation shows it.

    `doc_key` is null when the relation does not show the row key, `distance` when no vector was compared. `score` is
    1 - distance, by words how often they are there, of both 1 / (60 + place) in each list, or the reranker's.
    """

    doc_key: str | None
    chunk_no: int
    score: float
    distance: float | None
    text: str
    metadata: dict[str, Any]


class Freshness(msgspec.Struct, frozen=True):
    """Whether every row of the relation can be found as it is now, and when rows were last embedded."""

    state: Literal["current", "stale"]
    last_embedded_at: datetime | None


class SearchAnswer(msgspec.Struct, frozen=True):
    """The hits, nearest first, and how good the answer is."""

    profile: str | None
    index: str
    method: Literal["hnsw", "exact", "iterative", "text", "hybrid", "lance"]
    k: int
    returned: int
    truncated: bool
    stale_rows: int
    freshness: Freshness
    recall: Recall | None
    model: str
    duration_ms: float
    hits: list[Hit]


class SearchRoute(msgspec.Struct, frozen=True):
    """What a search needs to know of an index and of who asks; remembered until the catalog changes.

    Without a binding an admin asks. `chunks` is the planner's count. `fields` are what a filter may name.
    """

    name: str
    table_name: str
    source: str
    provider: str
    model_name: str
    model_version: str
    dimensions: int
    index_id: int
    binding_id: int | None
    ef_search: int
    vector_backend: str
    variant_id: int | None
    measured: dict[str, Recall]
    lance: dict[str, Any] | None
    chunks: int
    last_embedded_at: datetime | None
    fields: list[Field]
    text_columns: list[str]
    base_table: str
    row_key: str


class HitRow(msgspec.Struct, frozen=True):
    """A row of the search statement: a hit, or nulls beside the count of stale rows when there is none."""

    stale_rows: int
    doc_key: str | None
    chunk_id: int | None
    chunk_no: int | None
    distance: float | None
    score: float | None
    text: str | None
    start_at: int | None
    end_at: int | None
    metadata: dict[str, Any] | None


class Passage(msgspec.Struct, frozen=True):
    """A hit with where it is: its chunk, and its characters in the row's text."""

    hit: Hit
    chunk_id: int
    start: int
    end: int
