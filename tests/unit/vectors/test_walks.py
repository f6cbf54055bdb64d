"""Filters whose walks come short are scanned, until it is time to try again."""

from types import SimpleNamespace
from typing import Any

import pytest

from app.vectors.filter import FilterPlan
from app.vectors.walks import AGAIN, Walks

FAR, NEAR = FilterPlan("h.f1 = %(p0)s", {"p0": "verb"}), FilterPlan("h.f1 = %(p0)s", {"p0": "noun"})
READER: Any = SimpleNamespace(role="lw_p_reader")


@pytest.fixture
def changes() -> Any:
    return SimpleNamespace(epoch=1)


def test_what_came_short_again_and_again_is_scanned(changes: Any) -> None:
    walks = Walks(changes)
    for _ in range(2):
        assert walks.worth(READER, "ix", FAR)
        walks.record(READER, "ix", FAR, met=False)
    assert not walks.worth(READER, "ix", FAR)
    assert walks.worth(READER, "ix", NEAR)
    assert walks.worth(READER, "other", FAR)
    assert walks.worth(SimpleNamespace(role="lw_p_other"), "ix", FAR)


def test_it_is_tried_again_at_times(changes: Any) -> None:
    walks = Walks(changes)
    for _ in range(2):
        walks.record(READER, "ix", FAR, met=False)
    tried = [walks.worth(READER, "ix", FAR) for _ in range(AGAIN)]
    assert tried == [False] * (AGAIN - 1) + [True]
    walks.record(READER, "ix", FAR, met=False)
    assert not walks.worth(READER, "ix", FAR)


def test_one_that_comes_short_at_times_is_walked_on(changes: Any) -> None:
    walks = Walks(changes)
    for number in range(200):
        assert walks.worth(READER, "ix", FAR)
        walks.record(READER, "ix", FAR, met=number % 20 != 0)


def test_half_of_them_short_is_scanned_but_for_a_try_now_and_then(changes: Any) -> None:
    walks, walked = Walks(changes), 0
    for _ in range(400):
        if walks.worth(READER, "ix", FAR):
            walked += 1
            walks.record(READER, "ix", FAR, met=walked % 2 == 0)
    assert walked <= 4 + 400 // AGAIN


def test_questions_that_changed_are_walked_again(changes: Any) -> None:
    walks = Walks(changes)
    for _ in range(2):
        walks.record(READER, "ix", FAR, met=False)
    for _ in range(6 * AGAIN):
        if walks.worth(READER, "ix", FAR):
            walks.record(READER, "ix", FAR, met=True)
    assert all(walks.worth(READER, "ix", FAR) for _ in range(5))


def test_a_change_of_the_catalog_forgets_all(changes: Any) -> None:
    walks = Walks(changes)
    for _ in range(2):
        walks.record(READER, "ix", FAR, met=False)
    changes.epoch = 2
    assert walks.worth(READER, "ix", FAR)
