"""How much a filter leaves, as the planner believes: wrong only costs time, since the answer is complete either way."""

from typing import Any

from app.db.changes import Remembered
from app.db.database import Database
from app.db.scope import Scope
from app.vectors.filter import FilterPlan, key_of
from app.vectors.near import Ground
from app.vectors.statements import count_statement

#: How many estimates are kept.
MAX_COUNTS = 1000


class Estimates:
    """The planner's counts of hits, by filter and reader, until the catalog changes."""

    def __init__(self, database: Database) -> None:
        self._changes = database.changes
        self._counts: Remembered[float] = Remembered(database.changes, MAX_COUNTS)

    async def share(self, scope: Scope, ground: Ground, wanted: FilterPlan) -> float:
        """What share of the chunks meets the filter, between 0 and 1."""
        # beside what it believes without: the row policy's own condition, once a query, is half a guess to it
        with_all = await self._count(scope, ground.hits, FilterPlan("true", {}))
        with_filter = await self._count(scope, ground.hits, wanted)
        return min(with_filter / max(with_all, 1.0), 1.0)

    async def _count(self, scope: Scope, hits: str, wanted: FilterPlan) -> float:
        key = (scope.role, hits, *key_of(wanted))
        rows = self._counts.find(key)
        if rows is None:
            epoch = self._changes.epoch
            plan: Any = await scope.fetch_value(count_statement(hits, wanted.shape), wanted.parameters)
            rows = float(plan[0]["Plan"]["Plan Rows"])
            self._counts.put(key, rows, epoch)
        return rows
