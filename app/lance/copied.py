"""One copy in Lance: a table of chunk ids and vectors, with an HNSW graph over 8-bit vectors when it is large.

The verbs of lancedb 0.40.0 that are used here, and what it raises, are known to no other module. It raises what comes:
RuntimeError, OSError, ValueError, and where its Rust panics an exception that is none. All of it becomes CopyError.
"""

import asyncio
import importlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from app.errors import DiskFullError, LakewardError, UnavailableError
from app.lance.extra import load_lancedb
from app.lance.folder import TABLE
from app.lance.read import Halves, Ids

#: The graph: HNSW over 8-bit vectors in one partition, as Lance advises below some millions of rows.
M, EF_CONSTRUCTION = 20, 150
#: A smaller copy is scanned, which is exact and takes as long.
GRAPH_FROM = 5_000
#: So many rows, or this share of them, are scanned beside the graph before they are made part of it.
UNINDEXED, UNINDEXED_SHARE = 1_000, 0.02
#: Graphs that a search must walk before they are made one.
MAX_GRAPHS = 4
#: Versions that a reader may have open stay so long.
KEEP = timedelta(minutes=10)
DELETED_AT_ONCE = 5_000
_PHYSICAL_BYTES = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


class CopyError(UnavailableError):
    """The copy in Lance cannot be used."""


@contextmanager
def lance_errors() -> Iterator[None]:
    """What Lance raises, as CopyError or DiskFullError; ours and a cancellation pass."""
    try:
        yield
    except (LakewardError, asyncio.CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as exc:
        # a path in the message is one of ours, and rows have no words here
        text = f"{type(exc).__name__}: {exc}"[:300]
        if "No space left" in text or "os error 28" in text:
            raise DiskFullError("the disk is full: the copy in Lance stays as it was; make room") from exc
        raise CopyError(f"Lance: {text}") from exc


@lru_cache(maxsize=1)
def _session() -> Any:
    """One cache for all copies of this process, of a part of the machine's memory."""
    return load_lancedb().Session(_PHYSICAL_BYTES // 8, _PHYSICAL_BYTES // 64)


def _schema(dimensions: int) -> pa.Schema:
    # halves as Postgres stores them: the same vector, the same bytes, so that a scan for erased ones finds them
    return pa.schema(
        [
            pa.field("chunk_id", pa.int64(), nullable=False),
            pa.field("vector", pa.list_(pa.float16(), dimensions), nullable=False),
        ]
    )


class Copied:
    """An open copy. A reader's stays at the version it was opened at."""

    def __init__(self, table: Any, dimensions: int) -> None:
        self._table = table
        self._dimensions = dimensions

    @classmethod
    async def open(cls, path: Path, dimensions: int) -> "Copied":
        """The copy in this folder.

        Raises:
            CopyError: there is none, it is damaged, or of other dimensions.
        """
        with lance_errors():
            connection = await load_lancedb().connect_async(str(path), session=_session())
            table = await connection.open_table(TABLE)
            if (await table.schema()).field("vector").type != pa.list_(pa.float16(), dimensions):
                raise CopyError(f"the copy in Lance does not have vectors of {dimensions} dimensions")
        return cls(table, dimensions)

    @classmethod
    async def create(cls, path: Path, dimensions: int) -> "Copied":
        """An empty copy in this folder, which is made."""
        with lance_errors():
            path.mkdir(parents=True, exist_ok=True)
            connection = await load_lancedb().connect_async(str(path), session=_session())
            table = await connection.create_table(TABLE, schema=_schema(dimensions), mode="overwrite")
        return cls(table, dimensions)

    async def find(self, vector: NDArray[np.float16], count: int, ef: int) -> list[int]:
        """The ids of `count` chunks that are near, the nearest not always among them."""
        with lance_errors():
            query = self._table.query().nearest_to(vector).distance_type("cosine").limit(count)
            found = await query.ef(max(ef, count)).select(["chunk_id", "_distance"]).to_arrow()
            ids: list[int] = found["chunk_id"].to_pylist()
        return ids

    async def read_ids(self) -> Ids:
        """The ids of all chunks in it, in ascending order; one that is there twice, twice."""
        with lance_errors():
            found = await self._table.query().select(["chunk_id"]).to_arrow()
            return np.sort(found["chunk_id"].to_numpy())

    async def take(self, ids: Sequence[int]) -> tuple[Ids, Halves]:
        """Chunks with their vectors by id, in any order; those that are not in it are left out."""
        with lance_errors():
            found = await self._table.query().where(_among(ids)).select(["chunk_id", "vector"]).to_arrow()
            vectors = found["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
            return found["chunk_id"].to_numpy(), vectors.reshape(-1, self._dimensions)

    async def add(self, ids: Ids, vectors: Halves) -> None:
        """Append chunks that it does not have."""
        flat = pa.array(np.ascontiguousarray(vectors).reshape(-1), pa.float16())
        rows = pa.table(
            [pa.array(ids, pa.int64()), pa.FixedSizeListArray.from_arrays(flat, self._dimensions)],
            schema=_schema(self._dimensions),
        )
        with lance_errors():
            await self._table.add(rows)

    async def delete(self, ids: Sequence[int]) -> None:
        """Take chunks out. Their bytes stay until the copy is removed."""
        with lance_errors():
            for first in range(0, len(ids), DELETED_AT_ONCE):
                await self._table.delete(_among(ids[first : first + DELETED_AT_ONCE]))

    async def tidy(self) -> None:
        """One file instead of many, rows that came since in the graph, and no versions that nobody reads."""
        with lance_errors():
            rows = await self._table.count_rows()
            found = [item for item in await self._table.list_indices() if item.columns == ["vector"]]
            if found:
                stats = await self._table.index_stats(found[0].name)
                grown = stats.num_indexed_rows < rows // 2 or (stats.num_indices or 1) > MAX_GRAPHS
            if rows >= GRAPH_FROM and (not found or grown):
                await self._build()
            await self._table.optimize(cleanup_older_than=KEEP, delete_unverified=False)

    async def needs_tidying(self) -> bool:
        """Whether a search would scan more than it needs to."""
        with lance_errors():
            rows = await self._table.count_rows()
            if rows < GRAPH_FROM:
                return len(await self._table.list_versions()) > 50
            for item in await self._table.list_indices():
                stats = await self._table.index_stats(item.name)
                return bool(stats.num_unindexed_rows > max(UNINDEXED, rows * UNINDEXED_SHARE))
        return True

    async def _build(self) -> None:
        config = importlib.import_module("lancedb.index").HnswSq(
            distance_type="cosine", num_partitions=1, m=M, ef_construction=EF_CONSTRUCTION
        )
        await self._table.create_index("vector", config=config, replace=True)

    async def has_graph(self) -> bool:
        """Whether a search walks a graph; without one it reads all vectors."""
        with lance_errors():
            return any(item.columns == ["vector"] for item in await self._table.list_indices())

    async def warm(self) -> None:
        """Read the graph into memory."""
        with lance_errors():
            for item in await self._table.list_indices():
                await self._table.prewarm_index(item.name)

    @property
    def table(self) -> Any:
        """Lance's own table, for measuring."""
        return self._table


def _among(ids: Sequence[int]) -> str:
    return f"chunk_id in ({', '.join(str(int(chunk_id)) for chunk_id in ids)})"
