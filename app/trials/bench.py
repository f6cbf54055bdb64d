"""One trial's workplace: a copy of the live vectors on a connection of its own, graphs on it, and the stopwatch."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeAlias, TypeVar

import msgspec
import numpy as np
import psycopg
from numpy.typing import NDArray
from pgvector import HalfVector
from pgvector.psycopg import register_vector_async
from psycopg import sql
from psycopg.rows import scalar_row

from app.db.builder import building
from app.db.database import Database
from app.db.pool import Connection
from app.db.queries import load_queries
from app.jobs.context import REPORT_S
from app.trials import statements
from app.trials.models import Build, Tick
from app.trials.plan import Estimate, Interval, plan_interval
from app.vectors.indexing import get_index_row
from app.vectors.models import IndexRow
from app.vectors.statements import table

QUERIES = load_queries(__file__)
Value = TypeVar("Value")
#: Distances that differ by less are the same: single precision, summed in another order.
TIE = 1e-5
#: Searched before the stopwatch runs.
WARM_UP = 100
#: Fewer samples than these say nothing about the slowest hundredth; the questions are then asked again.
SAMPLES = 300
#: Beams that are measured together take so many turns. With 8, two of 22 beams were out of order by 2 to 6%.
TURNS = 32
#: Searched at the beginning of each turn, unmeasured: the processor's caches hold what the one before needed.
RE_WARM = 4
Ask: TypeAlias = Callable[[HalfVector], Awaitable[list[float]]]


class Timed(msgspec.Struct, frozen=True):
    """What one beam of one graph answered: recall with its interval, and percentiles of single searches."""

    recall: Interval
    p50_us: float
    p95_us: float
    p99_us: float


class Built(msgspec.Struct, frozen=True):
    """One graph: how long it took, and how large it is."""

    build: Build
    slot: int
    build_s: float
    bytes: int


class Beam(msgspec.Struct, frozen=True):
    """One graph, searched with one beam."""

    built: Built
    ef_search: int


def _timed(recalls: list[float], samples: list[float], k: int) -> Timed:
    p50, p95, p99 = np.percentile(np.array(samples) * 1e6, [50, 95, 99])
    return Timed(recall=plan_interval(recalls, k), p50_us=float(p50), p95_us=float(p95), p99_us=float(p99))


class Bench:
    """The copy of one job; `vectors` there are, at `version` of the index."""

    def __init__(
        self, database: Database, connection: Connection, index: IndexRow, name: str, tick: Tick
    ) -> None:
        self._database = database
        self.connection = connection
        self.index = index
        self.name = name
        self.vectors = 0
        self.version = ""
        self._tick = tick
        self._ext = database.deployment.ext_schema

    async def copy(self) -> None:
        """Copy the live vectors. What an earlier attempt left is dropped first."""
        await self.connection.execute(statements.drop_copy(self.name))
        for statement in statements.create_copy(self.name, table(self.index.table_name)):
            await self.watch(self.connection.execute(statement))
        cursor = await self.connection.execute(statements.version(statements.copy_table(self.name)))
        row = await cursor.fetchone()
        self.version = f"{self.index.table_name}/{row[0]}" if row else ""
        self.vectors = int(self.version.split("/")[1])
        await self.connection.execute(sql.SQL("vacuum (analyze) {}").format(statements.copy_table(self.name)))

    async def build(self, build: Build, slot: int) -> Built:
        """Build one arm's graph, in the place of the one that was in the slot.

        Raises:
            NotFoundError: the index was deleted meanwhile.
        """
        await get_index_row(self._database.owner(), self.index.name)
        graph = statements.graph(self.name, slot)
        await self.connection.execute(sql.SQL("drop index if exists {}").format(graph))
        started = time.perf_counter()
        create = statements.create_graph(self.name, slot, build, self.index.dimensions, self._ext)
        await self.watch(self.connection.execute(create))
        seconds = time.perf_counter() - started
        cursor = await self.connection.execute("select pg_relation_size(%s)", [graph.as_string(None)])
        row = await cursor.fetchone()
        return Built(build=build, slot=slot, build_s=seconds, bytes=row[0] if row else 0)

    async def time(
        self,
        beams: Sequence[Beam],
        k: int,
        queries: Sequence[HalfVector],
        truth: NDArray[np.float32],
    ) -> list[Timed]:
        """Search with each beam, one question after another. `truth` has each question's distances, ascending.

        The beams take turns, some questions each: what else the machine does meanwhile is the same for all of them.
        """
        nearest = min(k, truth.shape[1])
        limits = truth[:, nearest - 1] + TIE
        samples: list[list[float]] = [[] for _ in beams]
        recalls: list[dict[int, float]] = [{} for _ in beams]
        passes = max(1, -(-SAMPLES // len(queries)))
        places = [place for _ in range(passes) for place in range(len(queries))]
        size = max(-(-len(places) // TURNS), 1)
        for start in range(0, len(places), size):
            for number, beam in enumerate(beams):
                ask = await self._prepare(beam, k, queries[: WARM_UP if start == 0 else RE_WARM])
                for place in places[start : start + size]:
                    began = time.perf_counter()
                    found = await ask(queries[place])
                    samples[number].append(time.perf_counter() - began)
                    hits = sum(distance <= limits[place] for distance in found)
                    recalls[number][place] = min(hits, nearest) / nearest
                await self._tick()
        return [
            _timed(list(found.values()), taken, nearest)
            for found, taken in zip(recalls, samples, strict=True)
        ]

    async def _prepare(self, beam: Beam, k: int, warm_up: Sequence[HalfVector]) -> Ask:
        """Searches with one beam: planned, and the pages it begins with read."""
        statement = statements.search(
            self.name, beam.built.slot, beam.built.build, self.index.dimensions, self._ext, beam.ef_search, k
        ).as_bytes(None)
        await self.connection.execute("select set_config('hnsw.ef_search', %s, false)", [str(beam.ef_search)])
        cursor = self.connection.cursor(binary=True, row_factory=scalar_row)

        async def ask(vector: HalfVector) -> list[float]:
            await cursor.execute(statement, {"vector": vector}, prepare=True)
            return await cursor.fetchall()

        for vector in warm_up:
            await ask(vector)
        return ask

    async def watch(self, work: Awaitable[Value]) -> Value:
        """Let it run, and look twice a second whether the job goes on; when it does not, the work is cancelled."""
        task = asyncio.ensure_future(work)
        try:
            while not (await asyncio.wait([task], timeout=REPORT_S))[0]:
                await self._tick()
        except BaseException:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            raise
        return task.result()


@asynccontextmanager
async def open_bench(
    database: Database, index: IndexRow, job_id: str, estimate: Estimate, tick: Tick
) -> AsyncIterator[Bench]:
    """A bench with its copy made; the copy is gone at the end, however that comes.

    After kill -9 it is dropped by the next attempt, or by sweep_copies. Who holds the copy's lock is alive.

    Raises:
        NotFoundError: the index is deleted.
    """
    name = statements.copy_name(job_id)
    lock = f"lakeward.{name}"
    async with building(database, lock=lock, memory_bytes=estimate.memory_bytes) as connection:
        await connection.execute(
            # a worker that was killed leaves a build that nobody waits for; the server looks, and ends it
            "select set_config('client_connection_check_interval', '2s', false), "
            "set_config('enable_seqscan', 'off', false), set_config('plan_cache_mode', 'force_generic_plan', false), "
            "set_config('search_path', %s, false)",
            [database.deployment.ext_schema],
        )
        await register_vector_async(connection)
        bench = Bench(database, connection, index, name, tick)
        try:
            await bench.copy()
            yield bench
        except Exception:
            await get_index_row(database.owner(), index.name)  # it may have been deleted, which says more
            raise
        finally:
            # without a connection the copy is swept later
            with contextlib.suppress(psycopg.OperationalError):
                await connection.execute(statements.drop_copy(name))


async def sweep_copies(database: Database) -> int:
    """Drop the copies of trials that nobody works on any more; how many. Harmless at any time."""
    async with database.owner().begin() as transaction:
        names = await transaction.fetch_values(QUERIES["copies"])
        dropped = 0
        for name in names:
            if await transaction.fetch_value(
                "select pg_try_advisory_xact_lock(hashtext(%s))", [f"lakeward.{name}"]
            ):
                await transaction.execute(statements.drop_copy(name))
                dropped += 1
    return dropped
