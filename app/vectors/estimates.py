"""How much a filter leaves, by a sample of the reader's own hits; wrong only costs time, the answer is complete.

Not by the planner: what it believes comes from statistics of the whole dataset, and which way a search goes would tell
a reader of rows that its relation hides.
"""

import msgspec

from app.db.changes import Remembered
from app.db.database import Database
from app.db.scope import Scope
from app.vectors.filter import FilterPlan, key_of
from app.vectors.near import Ground
from app.vectors.statements import sample_statement

#: How many shares are kept.
MAX_SHARES = 1000
#: Chunks that are looked up for one, some 3 ms: a tenth is then found to be between 0.07 and 0.13.
SAMPLED = 300
#: Of so many neighbours in the table one is taken, since rows that came together are often alike.
STRIDE = 8


class _Seen(msgspec.Struct, frozen=True):
    seen: int
    met: int


class Estimates:
    """The shares of hits, by filter and reader, until the catalog changes."""

    def __init__(self, database: Database) -> None:
        self._changes = database.changes
        self._shares: Remembered[float] = Remembered(database.changes, MAX_SHARES)

    async def share(self, scope: Scope, ground: Ground, chunks: int, wanted: FilterPlan) -> float:
        """What share of the index's chunks, of which there are about so many, meets the filter, between 0 and 1."""
        key = (scope.role, ground.hits, key_of(wanted))
        share = self._shares.find(key)
        if share is None:
            epoch = self._changes.epoch
            stride = min(max(chunks // SAMPLED, 1), STRIDE)
            statement = sample_statement(ground.table_name, ground.hits, wanted.shape, stride, 2 * SAMPLED)
            percent = min(100.0 * SAMPLED * stride / max(chunks, 1), 100.0)
            [row] = await scope.fetch(_Seen, statement, wanted.parameters | {"percent": percent})
            share = row.met / row.seen if row.seen else 0.0
            self._shares.put(key, share, epoch)
        return share
