"""Recall counts ties, and its interval says how little a few queries prove."""

import pytest

from app.vectors.measure import count_found, summarise


def test_hits_count_by_distance() -> None:
    assert count_found([0.1, 0.2, 0.2], [0.1, 0.2, 0.2]) == 1
    # another chunk of the same distance is as good
    assert count_found([0.1, 0.2], [0.1, 0.2, 0.2]) == 1
    assert count_found([0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.5, 0.6]) == 0.5
    assert count_found([0.1, 0.2], []) == 0


def test_the_interval_is_never_certain() -> None:
    perfect = summarise([1.0] * 40)
    assert (perfect.recall, perfect.high) == (1.0, 1.0)
    assert perfect.low == pytest.approx(40 / (40 + 1.96**2), abs=1e-4)
    mixed = summarise([1.0, 0.9, 0.8, 1.0])
    assert mixed.low < mixed.recall == 0.925 < mixed.high
