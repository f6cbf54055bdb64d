"""The query that nobody asked for is one that runs."""

from app.analytics.warm_up import warm_up


def test_it_answers():
    assert warm_up() == 1
