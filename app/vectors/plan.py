"""Pure decisions about indexes and searches."""

import math
from collections.abc import Collection

import numpy as np
from pgvector import HalfVector

from app.catalog.plan import plan_name
from app.errors import DimensionMismatchError, InvalidInputError, NotFoundError
from app.vectors.models import IndexRequest, IndexSource, SearchRequest

#: pgvector's ceiling for hnsw.ef_search; a search can return no more than that by HNSW.
MAX_K = 1000
MAX_QUERY_CHARACTERS = 10_000
#: The largest finite half-precision float: beyond it a component would become infinite.
MAX_HALF = 65504.0
#: The smallest half-precision float above zero.
MIN_HALF = 2.0**-24
#: Of a halfvec or vector, beside its components.
VECTOR_HEADER_BYTES = 8
NO_DIRECTION = "vector: all components are zero, so it has no direction to compare"
#: Texts that a reranker is asked to read at once.
MAX_RERANKED = 100


def plan_index(request: IndexRequest, source: IndexSource, columns: Collection[str]) -> str:
    """The index's name, when the request fits the relation, whose shown columns are `columns`.

    Raises:
        InvalidNameError: the name cannot be used.
        NotFoundError: a text column is not there.
        InvalidInputError: no rows or no row key yet, a column named twice, or overlap not below size.
    """
    name = plan_name(request.name or f"{request.source}_v1"[:48], "index")
    if source.in_bucket:
        raise InvalidInputError(
            f"the rows of {source.kind} {source.name!r} are in a bucket; an index needs them in Postgres: materialize "
            "the dataset and index the copy"
        )
    if not source.has_table:
        raise InvalidInputError(f"{source.kind} {source.name!r} has no columns yet; ingest a file first")
    if source.row_key is None:
        raise InvalidInputError(
            f"{source.kind} {source.name!r} has no row key, and an index needs one; name a unique column of the "
            "dataset with POST /catalog/datasets {name, row_key} or --row-key at ingest"
        )
    if source.row_key_type in ("jsonb", "text[]"):
        raise InvalidInputError(
            f"the row key {source.row_key!r} of {source.name!r} is {source.row_key_type}; "
            "an index needs one of a single value"
        )
    missing = [column for column in request.text_columns if column not in columns]
    if missing:
        raise NotFoundError(
            f"{source.kind} {source.name!r} has no column {', '.join(repr(c[:60]) for c in missing)}; "
            f"it has {', '.join(sorted(columns)[:50])}"
        )
    if len(set(request.text_columns)) != len(request.text_columns):
        raise InvalidInputError("text_columns names a column twice")
    if request.chunk.overlap >= request.chunk.size:
        raise InvalidInputError(
            f"chunk.overlap ({request.chunk.overlap}) must be below chunk.size ({request.chunk.size})"
        )
    return name


def plan_search(request: SearchRequest) -> SearchRequest:
    """The request, when it can be answered.

    Raises:
        InvalidInputError: naming the field and what it may be.
    """
    if not 1 <= request.k <= MAX_K:
        raise InvalidInputError(f"k must be between 1 and {MAX_K}, not {request.k}")
    if (request.query is None) == (request.vector is None):
        raise InvalidInputError("send either query, a text, or vector, a list of numbers")
    if request.query is not None:
        if not request.query.strip():
            raise InvalidInputError("query is empty; ask something")
        if len(request.query) > MAX_QUERY_CHARACTERS:
            raise InvalidInputError(f"query is longer than {MAX_QUERY_CHARACTERS} characters")
    if request.mode != "vector" and request.query is None:
        raise InvalidInputError(f"mode {request.mode!r} looks for words: send query, a text, not vector")
    if request.rerank and request.query is None:
        raise InvalidInputError("rerank compares texts: send query, a text, not vector")
    if request.rerank and request.k > MAX_RERANKED:
        raise InvalidInputError(
            f"rerank reads each text: k is at most {MAX_RERANKED} with it, not {request.k}"
        )
    return request


def plan_vector(vector: "list[float] | np.ndarray", dimensions: int, index: str) -> HalfVector:
    """The query vector as the index compares it.

    Raises:
        DimensionMismatchError: it has another length than the index.
        InvalidInputError: a component is NaN, infinite or too large for half precision, or all are zero.
    """
    if len(vector) != dimensions:
        raise DimensionMismatchError(
            f"index {index!r} has {dimensions} dimensions, the vector has {len(vector)}"
        )
    components = vector if isinstance(vector, list) else vector.tolist()
    # NaN, infinity and too large a component all show in the length, which is one pass
    length = math.hypot(*components)
    if length == 0.0:
        raise InvalidInputError(NO_DIRECTION)
    if not length <= MAX_HALF and not all(abs(component) <= MAX_HALF for component in components):
        raise InvalidInputError(
            f"vector: every component must be a number between -{MAX_HALF:.0f} and {MAX_HALF:.0f}"
        )
    half = HalfVector(components)
    # smaller than half precision can tell from zero
    if length < MIN_HALF * math.sqrt(dimensions) and not any(half.to_list()):
        raise InvalidInputError(NO_DIRECTION)
    return half


def plan_graph_memory(rows: int, vector_bytes: int, m: int) -> int:
    """Bytes to build a graph in; with less, pgvector inserts the rest on disk, which took 45 s instead of 27.

    By hnsw.h an element, its vector of so many bytes, and 16 bytes for each of 2m neighbours on the ground and m on
    each floor above, of which a vector has 1 / (m - 1); by hnswbuild.c 3 MB of its own. A tenth to spare.
    """
    links = 2 * m + m / max(m - 1, 1)
    return round(rows * (vector_bytes + 160 + 16 * links) * 1.1) + 3 * 1024 * 1024


def plan_candidates(k: int) -> int:
    """How many hits a reranker is shown for k of them: four times as many, 20 to 100, and never fewer than k."""
    return max(k, min(max(4 * k, 20), MAX_RERANKED))
