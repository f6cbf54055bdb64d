"""What an engine does once in a process, done before somebody waits for it: a governed query of a file, as they come.

The file has two rows: `pq.write_table(pa.table({"n": [1, 2], "s": ["a", "b"]}), "warm_up.parquet")`. Without, the first
query of a process takes 20 to 40 ms more, most of it to map the engine's code.
"""

import asyncio
from collections.abc import Collection, Sequence
from pathlib import Path

import pyarrow as pa
from datafusion import SessionContext

from app.analytics.engine import run_query
from app.analytics.models import Limits
from app.delta.govern import GovernedFiles, govern
from app.delta.models import ShownColumn, StoredType

FILE = Path(__file__).with_suffix(".parquet")
QUERY = """
select a.s, count(*) as rows, sum(b.n) as total from warm a join warm b on a.n = b.n where b.s like '%*'
group by a.s order by total desc limit 10
"""
RELATION = GovernedFiles(
    name="warm",
    uris=[str(FILE)],
    schema=pa.schema([("n", pa.int64()), ("s", pa.string())]).serialize().to_pybytes(),
    columns=[ShownColumn("n", "bigint", "bigint"), ShownColumn("s", "text", "text", "mask")],
    stored=[StoredType("n", "bigint"), StoredType("s", "text")],
    filter_tree={"op": "gt", "args": [{"column": "n", "type": "bigint"}, {"literal": "0", "type": "bigint"}]},
    foreign=True,
)


def warm_up() -> int:
    """The rows of an answer that nobody asked for."""
    return asyncio.run(_ask())


async def _ask() -> int:
    frames = await asyncio.to_thread(govern, [RELATION])

    async def mount(context: SessionContext, named: Sequence[str], _: Collection[str]) -> None:
        for name in named:
            context.register_table(name, frames[name].into_view())

    limits = Limits(max_rows=10, timeout_ms=10_000, memory_bytes=64 * 1024 * 1024)
    hiding = {"warm": frozenset({"n"})}
    rows = await run_query(QUERY, {"warm": frames["warm"].schema()}, hiding, mount, limits)
    count = 0
    while batch := await rows.next():
        count += batch.num_rows
    return count
