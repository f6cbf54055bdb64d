"""The relations of a query in its engine: from the hot cache, from Postgres, or from files of a bucket."""

import asyncio
import socket
from collections.abc import Collection, Mapping, Sequence

import pyarrow as pa
from datafusion import DataFrame, SessionContext

from app.analytics.barrier import put_barrier
from app.analytics.cache_models import Cached, Filled, Wanted
from app.analytics.engine import empty_batch
from app.analytics.export import ExportTask, export_relations
from app.analytics.frames import send_filled
from app.analytics.memory_file import BATCH_ROWS, fill_memory_file, read_memory_file
from app.analytics.models import QueryTask, RelationColumns
from app.analytics.plain import read_frame
from app.delta.places import register_store

#: Rows from which on a relation in memory is worth more than one core.
PARALLEL_ROWS = 2 * BATCH_ROWS
PARTITIONS = 4


class Mount:
    """Mounts what a query names, and fills the files that the cache wants."""

    def __init__(
        self, task: QueryTask, files: Sequence[int], frames: Mapping[str, DataFrame], link: socket.socket
    ) -> None:
        self._task = task
        self._files = files
        self._frames = frames
        self._link = link
        self._cached = {cached.name: cached for cached in task.cached}
        self._wanted = {wanted.name: wanted for wanted in task.wanted}
        self._relations = {relation.name: relation for relation in task.relations}

    async def __call__(self, context: SessionContext, named: Sequence[str], exposed: Collection[str]) -> None:
        """Register the named relations in the context, those that are exposed behind a barrier."""
        await asyncio.to_thread(self._mount, context, named, exposed)

    def _mount(self, context: SessionContext, named: Sequence[str], exposed: Collection[str]) -> None:
        for relation in self._task.files:
            if relation.name in named and relation.name in self._frames and relation.address is not None:
                register_store(context, relation.address)
        exported = self._export([name for name in named if name in self._relations])
        for name in named:
            table = exported[name] if name in exported else self._find(name)
            if table is None:
                frame = self._frames[name]
                context.register_table(name, (put_barrier(frame) if name in exposed else frame).into_view())
            else:
                context.register_record_batches(name, _split(table))

    def _find(self, name: str) -> pa.Table | None:
        """A relation's rows in memory, if they are there or the cache wants them there."""
        if name in self._cached:
            return read_memory_file(self._files[self._cached[name].position])
        wanted = self._wanted.get(name)
        if wanted is None or name in self._relations:
            return None
        table = read_frame(self._frames[name], min(wanted.limit_bytes, self._task.limits.memory_bytes))
        return None if table is None else self._fill(wanted, table, Filled(name, 0, table.num_rows))

    def _export(self, named: Sequence[str]) -> dict[str, pa.Table]:
        """The rows of relations that are tables, in one snapshot; of the cached ones those that are stale in it."""
        missing = [self._relations[name] for name in named if name not in self._cached]
        if not missing:
            return {}
        held = [self._cached[name] for name in named if name in self._cached]
        exported = export_relations(self._plan_export(missing, held))
        tables: dict[str, pa.Table] = {}
        for name, table in exported.tables.items():
            wanted = self._wanted.get(name)
            if wanted is None or table.nbytes > wanted.limit_bytes:
                tables[name] = table
            else:
                filled = Filled(name, 0, table.num_rows, exported.snapshot, exported.oids.get(name) or 0)
                tables[name] = self._fill(wanted, table, filled)
        return tables

    def _plan_export(self, missing: list[RelationColumns], held: list[Cached]) -> ExportTask:
        return ExportTask(
            dsn=self._task.dsn,
            role=self._task.role,
            steward=self._task.steward,
            relations=missing,
            cached=[(cached, self._relations[cached.name]) for cached in held],
            timeout_ms=self._task.limits.timeout_ms,
            memory_bytes=self._task.limits.memory_bytes,
        )

    def _fill(self, wanted: Wanted, table: pa.Table, filled: Filled) -> pa.Table:
        file = self._files[wanted.position]
        size = fill_memory_file(file, table)
        send_filled(self._link, Filled(filled.name, size, filled.rows, filled.snapshot, filled.oid))
        return read_memory_file(file)


def _split(table: pa.Table) -> list[list[pa.RecordBatch]]:
    batches = table.to_batches() or [empty_batch(table)]
    if table.num_rows < PARALLEL_ROWS:
        return [batches]
    return [batches[first::PARTITIONS] for first in range(min(PARTITIONS, len(batches)))]
