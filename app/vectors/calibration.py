"""What one step of a search costs on this machine: measured on the largest index, again after each activation."""

import asyncio
import logging
import statistics
from typing import Any

import msgspec
from psycopg import sql

from app.db.database import Database
from app.db.queries import load_queries
from app.db.scope import Transaction
from app.errors import LakewardError
from app.vectors.near import table
from app.vectors.router import Costs

log = logging.getLogger(__name__)
QUERIES = load_queries(__file__, "calibration.sql")
TURNS = 3
#: Chunks that are compared, rows that are looked up, and rows that are read, and joined: some 40 ms in all.
COMPARED, CHECKED, SCANNED = 5000, 400, 20_000
NARROW, WIDE = 40, 240
#: Fewer chunks than these say nothing.
ENOUGH = 1000
DEFAULT_DIMENSIONS = 384


class _Largest(msgspec.Struct, frozen=True):
    table_name: str
    dimensions: int
    base_table: str
    row_key: str
    chunks: int
    variant_id: int | None


class Calibration:
    """The costs as they were measured last; until then what two cores of 2024 need."""

    def __init__(self, database: Database) -> None:
        self.costs = Costs()
        self._database = database
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Measure in the background, unless it is being done."""
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self.measure(), name="calibration")

    async def close(self) -> None:
        """Leave off."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])

    async def measure(self) -> None:
        """Take the times; where nothing can be measured the costs stay as they are."""
        try:
            self.costs = await measure_costs(self._database) or self.costs
        except LakewardError as exc:
            log.warning("searches are routed by the costs of another machine: %s", exc.message)


async def measure_costs(database: Database) -> Costs | None:
    """The costs on the largest index over a table; None when there is none of 1,000 chunks.

    Per 384 dimensions: an index of other dimensions is measured as it is and divided.
    """
    owner = database.owner(timeout_ms=10_000)
    found = await owner.fetch(_Largest, QUERIES["largest_index"], {"enough": ENOUGH})
    if not found:
        return None
    largest, ext = found[0], database.deployment.ext_schema
    defaults = Costs()
    async with owner.begin({"enable_seqscan": "on", "max_parallel_workers_per_gather": "0"}) as transaction:
        distance = await _median_ms(transaction, _comparing(largest, ext))
        read = await _median_ms(transaction, _reading(largest))
        checked = await _median_ms(transaction, _checking(largest))
        scanned = await _median_ms(transaction, _scanning(largest))
        joined = await _median_ms(transaction, _joining(largest))
    visit_us = defaults.visit_us
    if largest.variant_id is not None:
        async with owner.begin({"enable_seqscan": "off", "enable_sort": "off"}) as transaction:
            narrow, wide = [await _walk_ms(transaction, largest, ext, ef) for ef in (NARROW, WIDE)]
        visit_us = max((wide - narrow) * 1000 / (WIDE - NARROW), 0.1)
    compared, rows = min(COMPARED, largest.chunks), min(SCANNED, largest.chunks)
    return Costs(
        distance_us=max((distance - read) * 1000 / compared, 0.02) * DEFAULT_DIMENSIONS / largest.dimensions,
        check_us=max(checked * 1000 / CHECKED, 0.1),
        visit_us=visit_us,
        scan_us=max(scanned * 1000 / rows, 0.02),
        join_us=max((joined - scanned) * 1000 / rows, 0.02),
    )


def _comparing(index: _Largest, ext: str) -> sql.Composed:
    return sql.SQL(
        "select min(c.embedding operator({ext}.<=>) (select q.embedding from {chunks} q limit 1)) "
        "from (select embedding from {chunks} limit {rows}) c"
    ).format(ext=sql.Identifier(ext), chunks=table(index.table_name), rows=sql.Literal(COMPARED))


def _reading(index: _Largest) -> sql.Composed:
    return sql.SQL("select count(*) from (select chunk_no from {chunks} limit {rows}) c").format(
        chunks=table(index.table_name), rows=sql.Literal(COMPARED)
    )


def _checking(index: _Largest) -> sql.Composed:
    return sql.SQL(
        "select count(*) from (select chunk_id from {chunks} limit {rows}) x cross join lateral ("
        "select d.{key} from {chunks} c join {base} d on d.{key} = c.row_key where c.chunk_id = x.chunk_id offset 0) y"
    ).format(
        chunks=table(index.table_name),
        base=sql.Identifier("lake", index.base_table),
        key=sql.Identifier(index.row_key),
        rows=sql.Literal(CHECKED),
    )


def _scanning(index: _Largest) -> sql.Composed:
    return sql.SQL("select count({key}) from (select {key} from {base} limit {rows}) d").format(
        base=sql.Identifier("lake", index.base_table),
        key=sql.Identifier(index.row_key),
        rows=sql.Literal(SCANNED),
    )


def _joining(index: _Largest) -> sql.Composed:
    return sql.SQL(
        "select count(d.{key}) from (select row_key from {chunks} limit {rows}) c "
        "join (select {key} from {base} limit {rows}) d on d.{key} = c.row_key"
    ).format(
        chunks=table(index.table_name),
        base=sql.Identifier("lake", index.base_table),
        key=sql.Identifier(index.row_key),
        rows=sql.Literal(SCANNED),
    )


async def _walk_ms(transaction: Transaction, index: _Largest, ext: str, ef_search: int) -> float:
    await transaction.execute("select set_config('hnsw.ef_search', %s, true)", [str(ef_search)])
    walk = sql.SQL(
        "select chunk_id from {chunks} where chunk_id <> {variant} "
        "order by embedding operator({ext}.<=>) (select q.embedding from {chunks} q limit 1) limit 10"
    ).format(
        chunks=table(index.table_name), variant=sql.Literal(-(index.variant_id or 0)), ext=sql.Identifier(ext)
    )
    return await _median_ms(transaction, walk)


async def _median_ms(transaction: Transaction, statement: sql.Composed) -> float:
    """The time in the server: without planning and the way there."""
    times = []
    for _ in range(TURNS):
        plan: Any = await transaction.fetch_value(
            sql.SQL("explain (analyze, timing off, format json) ") + statement
        )
        times.append(float(plan[0]["Execution Time"]))
    return statistics.median(times)
