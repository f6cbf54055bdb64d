"""Remembers whose filtered walks come home with too little, so that they are not walked for nothing each time.

A filter by topic may leave a tenth of the texts and still lie far from what is asked: then the graph sees none of them,
and the exact search comes after a walk that cost as much.
"""

import msgspec

from app.db.changes import Changes, Remembered
from app.db.scope import Scope
from app.vectors.filter import FilterPlan, key_of

#: A filter whose walks came short so much more often than not is scanned.
SHORT = 2
#: One search in so many walks again, in case the questions have changed.
AGAIN = 40
#: How many filters are remembered.
MAX_FILTERS = 1000


class _Tally(msgspec.Struct, frozen=True):
    short: int = 0
    skipped: int = 0


class Walks:
    """By filter and reader, until the catalog changes."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._tallies: Remembered[_Tally] = Remembered(changes, MAX_FILTERS)

    def worth(self, scope: Scope, index: str, wanted: FilterPlan) -> bool:
        """Whether the next search with this filter should walk; counts those that should not."""
        key, tally = self._find(scope, index, wanted)
        if tally.short < SHORT or tally.skipped >= AGAIN - 1:
            return True
        self._put(key, _Tally(tally.short, tally.skipped + 1))
        return False

    def record(self, scope: Scope, index: str, wanted: FilterPlan, *, met: bool) -> None:
        """A walk found enough, or came short."""
        key, tally = self._find(scope, index, wanted)
        # one that met takes one back: a topic's own questions come in between, and the others are still far from it
        short = max(tally.short - 1, 0) if met else min(tally.short + 1, SHORT)
        if _Tally(short) != tally:
            self._put(key, _Tally(short))

    def _find(self, scope: Scope, index: str, wanted: FilterPlan) -> tuple[object, _Tally]:
        key = (scope.role, index, *key_of(wanted))
        return key, self._tallies.find(key) or _Tally()

    def _put(self, key: object, tally: _Tally) -> None:
        self._tallies.put(key, tally, self._changes.epoch)
