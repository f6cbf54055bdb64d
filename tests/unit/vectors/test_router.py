"""The way of a search follows from the costs."""

import pytest

from app.vectors.router import Choice, Costs, plan_choice

COSTS = Costs(distance_us=0.5, check_us=6, visit_us=10, scan_us=0.3)


def choose(share: float | None, chunks: int = 100_000, k: int = 10, *, graph: bool = True) -> Choice:
    return plan_choice(k, 30, chunks, share, COSTS, graph=graph)


def test_without_a_graph_it_is_exact() -> None:
    assert choose(None, graph=False) == Choice("exact")
    assert choose(0.5, graph=False) == Choice("exact")


def test_without_a_filter_it_is_the_graph_and_its_beam_holds_k() -> None:
    assert choose(None).method == "hnsw"
    assert choose(None, k=100).ef_search == 100
    assert choose(None, k=10).ef_search == 30


@pytest.mark.parametrize(
    ("share", "method"), [(0.9, "iterative"), (0.5, "iterative"), (0.01, "exact"), (0, "exact")]
)
def test_a_filter_goes_by_what_it_leaves(share: float, method: str) -> None:
    assert choose(share).method == method


def test_a_small_index_is_scanned() -> None:
    assert choose(0.9, chunks=300).method == "exact"


def test_a_slow_walk_is_not_taken() -> None:
    slow = Costs(distance_us=0.5, check_us=6, visit_us=5000, scan_us=0.3)
    assert plan_choice(10, 30, 100_000, 0.9, slow, graph=True).method == "exact"
