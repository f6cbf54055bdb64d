"""The engine: a fresh DataFusion context per request that holds the query's relations and nothing else.

A query is planned twice. First against empty tables, which refuses what is not a query before a row is read, and
shows which relations it names; then against their rows.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence

import msgspec
import pyarrow as pa
import pyarrow.dataset as ds
from datafusion import DataFrame, RecordBatch, RuntimeEnvBuilder, SessionConfig, SessionContext, SQLOptions
from datafusion.catalog import Catalog, Schema, SchemaProvider, Table

from app.analytics.barrier import find_exposed
from app.analytics.models import Limits
from app.analytics.translate import translate
from app.errors import InvalidQueryError, LakewardError

#: Registers the relations that a query names, by their names, in its context; some of them behind a barrier.
Mount = Callable[[SessionContext, Sequence[str], Collection[str]], Awaitable[None]]

#: What tests/benchmarks/tpch.py showed. A join is much cheaper when every core reads the whole smaller side than when
#: both sides are dealt out among the cores; that side is then held once, as it would be in parts.
TUNED = {
    "datafusion.execution.batch_size": "16384",
    "datafusion.optimizer.hash_join_single_partition_threshold": str(64 * 1024 * 1024),
    "datafusion.optimizer.hash_join_single_partition_threshold_rows": "2000000",
}
#: The pool gives each operator that could spill an equal part, most of which nobody uses; without more than there is, a
#: grouping beside a large join spills with half of the memory free, and takes three times as long.
POOL_SHARE = 1.5
#: They tell which file a row is in, and where in it: so many rows of others are between two of mine.
NOT_FOR_READERS = ("input_file_name", "file_row_index")
CATALOG, SCHEMA = "lakeward", "profile"
_OPTIONS = SQLOptions().with_allow_ddl(False).with_allow_dml(False).with_allow_statements(False)


class _EmptyRelations(SchemaProvider):  # type: ignore[misc]  # datafusion has no types
    """The relations without their rows; remembers which ones a plan asked for."""

    def __init__(self, schemas: Mapping[str, pa.Schema]) -> None:
        self._schemas = schemas
        self.named: list[str] = []

    def table_names(self) -> set[str]:
        return set(self._schemas)

    def table_exist(self, name: str) -> bool:
        return name in self._schemas

    def table(self, name: str) -> Table | None:
        if name not in self._schemas:
            return None
        if name not in self.named:
            self.named.append(name)
        return Table(ds.dataset(self._schemas[name].empty_table()))


def _context(memory_bytes: int) -> tuple[SessionContext, Catalog]:
    config = (
        SessionConfig()
        .with_create_default_catalog_and_schema(False)
        .with_default_catalog_and_schema(CATALOG, SCHEMA)
        .with_information_schema(False)
    )
    for name, value in TUNED.items():
        config = config.set(name, value)
    pool_bytes = int(memory_bytes * POOL_SHARE)
    runtime = RuntimeEnvBuilder().with_fair_spill_pool(pool_bytes).with_disk_manager_os()
    context = SessionContext(config, runtime)
    catalog = Catalog.memory_catalog()
    context.register_catalog_provider(CATALOG, catalog)
    for name in NOT_FOR_READERS:
        context.deregister_udf(name)
    return context, catalog


class Planned(msgspec.Struct, frozen=True):
    """The relations a query names, in the order it does, and which of them need a barrier."""

    named: list[str]
    exposed: set[str]


def plan_relations(
    sql: str, schemas: Mapping[str, pa.Schema], hiding: Mapping[str, frozenset[str]]
) -> Planned:
    """Plans a query over relations with these schemas, and reads nothing. `hiding`: see `find_exposed`.

    Raises:
        InvalidQueryError: it is not one SELECT over these relations.
    """
    context, catalog = _context(64 * 1024 * 1024)
    relations = _EmptyRelations(schemas)
    catalog.register_schema(SCHEMA, relations)
    try:
        frame = context.sql_with_options(sql, _OPTIONS)
        kind = str(frame.logical_plan()).lstrip()
        hidden = {name: hiding[name] for name in relations.named if name in hiding}
        exposed = find_exposed(frame.optimized_logical_plan(), hidden) if hidden else set()
    except BaseException as exc:
        raise translate(exc) from None
    if kind.startswith(("Explain", "Analyze")):
        raise InvalidQueryError("EXPLAIN is not available; ask for the rows themselves")
    return Planned(relations.named, exposed)


class Rows:
    """The first `max_rows` rows of an answer, a batch at a time; after it `truncated` says that there are more."""

    def __init__(self, frame: DataFrame, stream: AsyncIterator[RecordBatch], max_rows: int) -> None:
        self.planned: pa.Schema = frame.schema()
        self.truncated = False
        self._stream = stream
        self._left = max_rows

    async def next(self) -> pa.RecordBatch | None:
        """The next batch, or None after the last. Batches know better than the plan which columns have no nulls.

        Raises:
            InvalidQueryError: the query failed while it ran.
        """
        if self.truncated:
            return None
        try:
            async for batch in self._stream:
                arrow = batch.to_pyarrow()
                if arrow.num_rows:
                    return self._first_of(arrow)
        except asyncio.CancelledError:
            raise
        except BaseException as exc:
            raise translate(exc) from exc
        return None

    def _first_of(self, batch: pa.RecordBatch) -> pa.RecordBatch | None:
        self.truncated = batch.num_rows > self._left
        batch = batch.slice(0, self._left)
        self._left -= batch.num_rows
        return batch if batch.num_rows else None


async def run_query(
    sql: str,
    schemas: Mapping[str, pa.Schema],
    hiding: Mapping[str, frozenset[str]],
    mount: Mount,
    limits: Limits,
) -> Rows:
    """The rows of the answer as they come; nothing is computed that is not asked for.

    Raises:
        InvalidQueryError: the engine refuses the query, or it needs more memory than it may have.
        LakewardError: whatever `mount` raises.
    """
    planned = await asyncio.to_thread(plan_relations, sql, schemas, hiding)
    context, catalog = _context(limits.memory_bytes)
    catalog.register_schema(SCHEMA, Schema.memory_schema())
    try:
        await mount(context, planned.named, planned.exposed)
        frame = await asyncio.to_thread(context.sql_with_options, sql, _OPTIONS)
        # the physical plan is made here, and may take as long as the query likes: not on the event loop
        stream = await asyncio.to_thread(frame.execute_stream)
        return Rows(frame, aiter(stream), limits.max_rows)
    except (LakewardError, asyncio.CancelledError):
        raise
    except BaseException as exc:
        raise translate(exc) from exc


def empty_batch(table: pa.Table) -> pa.RecordBatch:
    """A batch of a table without rows, which an engine needs to know its columns."""
    return pa.RecordBatch.from_arrays(
        [pa.array([], field.type) for field in table.schema], schema=table.schema
    )
