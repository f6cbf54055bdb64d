"""The way of a search follows from the costs."""

import pytest

from app.vectors.router import Choice, Costs, plan_choice

COSTS = Costs(distance_us=0.5, check_us=6, visit_us=10, scan_us=0.3)


def choose(share: float | None, chunks: int = 100_000, k: int = 10, *, graph: bool = True) -> Choice:
    return plan_choice(k, 30, chunks, share, COSTS, graph=graph)


def test_without_a_graph_it_is_exact() -> None:
    assert choose(None, graph=False) == Choice("exact", apart=True)
    assert choose(0.5, graph=False) == Choice("exact", apart=True)


def test_a_scan_of_two_statements_is_one_that_takes_long() -> None:
    # 0.5 us for a distance, 0.3 for its row: 20 ms are 25,000 chunks
    assert choose(None, chunks=24_000, graph=False) == Choice("exact")
    assert choose(None, chunks=26_000, graph=False) == Choice("exact", apart=True)
    assert choose(0.001, chunks=24_000) == Choice("exact")


def test_without_a_filter_it_is_the_graph_and_its_beam_holds_k() -> None:
    assert choose(None).method == "hnsw"
    assert choose(None, k=100).ef_search == 100
    assert choose(None, k=10).ef_search == 30


def test_beside_the_graph_of_a_small_index_it_is_scanned_too() -> None:
    # 0.5 us for a distance, 0.3 for its row: half a millisecond is 625 chunks
    assert choose(None, chunks=600) == Choice("hnsw", ef_search=30, limit=10, completed=True)
    assert choose(None, chunks=700) == Choice("hnsw", ef_search=30, limit=10)
    assert not choose(0.9, chunks=600).completed


@pytest.mark.parametrize(
    ("share", "method"),
    [(0.9, "iterative"), (0.5, "iterative"), (0.1, "iterative"), (0.01, "exact"), (0, "exact")],
)
def test_a_filter_goes_by_what_it_leaves(share: float, method: str) -> None:
    assert choose(share).method == method


def test_one_beam_is_enough_when_it_sees_twice_what_it_needs() -> None:
    beam = choose(0.5)
    assert (beam.ef_search, beam.limit, beam.max_visits) == (500, 30, 0)
    assert choose(0.1).ef_search == 600 and choose(0.1).max_visits == 0
    # 100 hits want 300, and a beam that sees 600 of a tenth there is not: step by step, no longer than the scan takes
    steps = plan_choice(100, 30, 10_000_000, 0.1, COSTS, graph=True)
    assert (steps.method, steps.ef_search, steps.limit) == ("iterative", 1000, 600)
    assert steps.max_visits > 6000


def test_a_small_index_is_scanned() -> None:
    assert choose(0.9, chunks=300).method == "exact"


def test_a_slow_walk_is_not_taken() -> None:
    slow = Costs(distance_us=0.5, check_us=6, visit_us=5000, scan_us=0.3)
    assert plan_choice(10, 30, 100_000, 0.9, slow, graph=True).method == "exact"
