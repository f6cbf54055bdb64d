"""An answer tells the recall that was measured for the way that it went, and no other."""

import time
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from app.vectors.answer import as_passage, plan_answer
from app.vectors.models import HitRow, Recall, SearchRequest, SearchRoute
from app.vectors.router import Choice

MEASURED = Recall(recall=0.95, low=0.9, high=1.0, k=10, queries=40, at=datetime(2026, 1, 1, tzinfo=UTC))
ROUTE = msgspec.convert(
    {
        **dict.fromkeys(SearchRoute.__struct_fields__, ""),
        "dimensions": 2,
        "index_id": 1,
        "binding_id": 1,
        "ef_search": 30,
        "variant_id": 1,
        "chunks": 100,
        "measured": {"30": msgspec.to_builtins(MEASURED)},
        "lance": {"measured": {"100": msgspec.to_builtins(MEASURED) | {"recall": 0.97}}},
        "last_embedded_at": None,
        "fields": [],
        "text_columns": [],
    },
    SearchRoute,
)


@pytest.mark.parametrize(
    ("choice", "mode", "recall"),
    [
        (Choice("hnsw", ef_search=30), "vector", 0.95),
        (Choice("hnsw", ef_search=31), "vector", None),
        (Choice("hnsw", ef_search=30), "hybrid", None),
        (Choice("iterative", ef_search=30), "vector", None),
        (Choice("exact"), "vector", None),
        (Choice("lance", ef_search=100), "vector", 0.97),
        (Choice("lance", ef_search=30), "vector", None),
    ],
)
def test_the_recall_is_that_of_the_way(choice: Choice, mode: str, recall: float | None) -> None:
    request = SearchRequest(index="ix", query="x", mode=mode)  # type: ignore[arg-type]
    answer = plan_answer("reader", ROUTE, request, choice, 0, [], time.perf_counter())
    assert (answer.recall.recall if answer.recall else None) == recall
    assert answer.method == (choice.method if mode == "vector" else mode)


@pytest.mark.parametrize("fields", [{"k": 11}, {"filter": {"a": 1}}, {"rerank": True}])
def test_of_another_search_none_is_told(fields: Any) -> None:
    request = SearchRequest(index="ix", query="x", **fields)
    for choice in (Choice("hnsw", ef_search=30), Choice("lance", ef_search=100)):
        assert plan_answer("reader", ROUTE, request, choice, 0, [], time.perf_counter()).recall is None
    fewer = SearchRequest(index="ix", query="x", k=5)
    assert plan_answer("r", ROUTE, fewer, Choice("hnsw", ef_search=30), 0, [], time.perf_counter()).recall


def test_stale_rows_make_it_stale() -> None:
    request = SearchRequest(index="ix", query="x")
    answers = [plan_answer("r", ROUTE, request, Choice("exact"), n, [], time.perf_counter()) for n in (0, 3)]
    assert [answer.freshness.state for answer in answers] == ["current", "stale"]


def test_a_row_is_a_hit_with_its_place() -> None:
    row = HitRow(0, "k", 7, 2, 0.25, 0.75, "text", 10, 14, {"a": 1})
    passage = as_passage(row)
    assert (passage.chunk_id, passage.start, passage.end) == (7, 10, 14)
    assert (passage.hit.doc_key, passage.hit.score, passage.hit.metadata) == ("k", 0.75, {"a": 1})
