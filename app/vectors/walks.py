"""Remembers whose filtered walks come home with too little, so that they are not walked for nothing each time.

A filter by topic may leave a tenth of the texts and still lie far from what is asked: then the graph sees none of them,
and the exact search comes after a walk that cost as much.
"""

import msgspec

from app.db.changes import Changes, Remembered
from app.db.scope import Scope
from app.vectors.filter import FilterPlan, key_of

#: What a filter's walks are believed to be worth, from 1 on: one that came short takes so much away, one that met gives
#: back so much of what is missing. Two that come short soon after each other are enough to leave it.
SHORT, MET, WORTH = 0.3, 0.1, 0.6
#: One search in so many walks again, in case the questions have changed.
AGAIN = 40
#: How many filters are remembered.
MAX_FILTERS = 1000


class _Tally(msgspec.Struct, frozen=True):
    worth: float = 1.0
    skipped: int = 0


class Walks:
    """By filter and reader, until the catalog changes."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._tallies: Remembered[_Tally] = Remembered(changes, MAX_FILTERS)

    def worth(self, scope: Scope, index: str, wanted: FilterPlan) -> bool:
        """Whether the next search with this filter should walk; counts those that should not."""
        key, tally = self._find(scope, index, wanted)
        if tally.worth >= WORTH or tally.skipped >= AGAIN - 1:
            return True
        self._put(key, _Tally(tally.worth, tally.skipped + 1))
        return False

    def record(self, scope: Scope, index: str, wanted: FilterPlan, *, met: bool) -> None:
        """A walk found enough, or came short."""
        key, tally = self._find(scope, index, wanted)
        worth = tally.worth + MET * (1 - tally.worth) if met else max(tally.worth - SHORT, 0.0)
        if _Tally(worth) != tally:
            self._put(key, _Tally(worth))

    def _find(self, scope: Scope, index: str, wanted: FilterPlan) -> tuple[object, _Tally]:
        key = (scope.role, index, key_of(wanted))
        return key, self._tallies.find(key) or _Tally()

    def _put(self, key: object, tally: _Tally) -> None:
        self._tallies.put(key, tally, self._changes.epoch)
