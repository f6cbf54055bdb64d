"""Filters whose walks come short are scanned, until it is time to try again."""

from types import SimpleNamespace
from typing import Any

import pytest

from app.vectors.filter import FilterPlan
from app.vectors.walks import AGAIN, SHORT, Walks

FAR, NEAR = FilterPlan("h.f1 = %(p0)s", {"p0": "verb"}), FilterPlan("h.f1 = %(p0)s", {"p0": "noun"})
READER: Any = SimpleNamespace(role="lw_p_reader")


@pytest.fixture
def changes() -> Any:
    return SimpleNamespace(epoch=1)


def test_what_came_short_again_and_again_is_scanned(changes: Any) -> None:
    walks = Walks(changes)
    for _ in range(SHORT):
        assert walks.worth(READER, "ix", FAR)
        walks.record(READER, "ix", FAR, met=False)
    assert not walks.worth(READER, "ix", FAR)
    assert walks.worth(READER, "ix", NEAR)
    assert walks.worth(READER, "other", FAR)
    assert walks.worth(SimpleNamespace(role="lw_p_other"), "ix", FAR)


def test_it_is_tried_again_at_times(changes: Any) -> None:
    walks = Walks(changes)
    for _ in range(SHORT):
        walks.record(READER, "ix", FAR, met=False)
    tried = [walks.worth(READER, "ix", FAR) for _ in range(AGAIN)]
    assert tried == [False] * (AGAIN - 1) + [True]
    walks.record(READER, "ix", FAR, met=False)
    assert not walks.worth(READER, "ix", FAR)
    walks.record(READER, "ix", FAR, met=True)
    assert walks.worth(READER, "ix", FAR)


def test_one_that_met_takes_one_back(changes: Any) -> None:
    walks = Walks(changes)
    for met in (False, True, False):
        walks.record(READER, "ix", FAR, met=met)
    assert walks.worth(READER, "ix", FAR)


def test_a_change_of_the_catalog_forgets_all(changes: Any) -> None:
    walks = Walks(changes)
    for _ in range(SHORT):
        walks.record(READER, "ix", FAR, met=False)
    changes.epoch = 2
    assert walks.worth(READER, "ix", FAR)
