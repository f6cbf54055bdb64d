"""Exact truth: what is nearest to each question among all vectors of a trial's copy, computed here and kept.

The copy is streamed and compared block by block, so memory does not grow with it. Truth is kept with the version of
the index's chunks: while that is the same, it is read and not computed.
"""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import numpy as np
from numpy.typing import NDArray
from psycopg import sql
from psycopg.types.json import Jsonb

from app.db.pool import Connection
from app.db.queries import load_queries
from app.db.scope import Scope
from app.models.protocol import Vectors
from app.trials.evals import Questions, find_eval
from app.trials.models import Tick
from app.trials.statements import copy_table

QUERIES = load_queries(__file__)
#: So many neighbours of a question are kept: the largest k of a trial.
NEIGHBOURS = 100
#: Distances are computed at once for so many pairs of a question and a vector; 64 MB.
PAIRS_AT_ONCE = 16 * 1024 * 1024
#: The header of a binary COPY without extensions, and its end (PostgreSQL documentation, COPY, file formats).
HEADER_BYTES, TRAILER_BYTES = 19, 2

Nearest = tuple[NDArray[np.int64], NDArray[np.float32]]


class _Known(msgspec.Struct, frozen=True):
    query_id: int
    distances: list[float]


async def get_truth(
    owner: Scope,
    connection: Connection,
    eval_name: str,
    version: str,
    copy: str,
    questions: Questions,
    tick: Tick,
) -> tuple[NDArray[np.float32], bool]:
    """The distances of each question's nearest vectors, ascending, and whether they were known already.

    `copy` is the table that `connection` reads; its chunks are at `version`. Shape (questions, neighbours).
    """
    async with owner.begin() as transaction:
        eval_id = (await find_eval(transaction, eval_name)).id
        parameters = {"eval_id": eval_id, "version": version}
        rows = await transaction.fetch_all(_Known, QUERIES["truths"], parameters)
    known = {row.query_id: row.distances for row in rows}
    if known.keys() >= {question.id for question in questions.questions}:
        return np.array([known[q.id] for q in questions.questions], dtype=np.float32), True
    dimensions = questions.vectors.shape[1]
    ids, distances = await _search(connection, copy, questions.vectors, dimensions, tick)
    truths = [
        {"query_id": q.id, "chunk_ids": ids[n].tolist(), "distances": distances[n].tolist()}
        for n, q in enumerate(questions.questions)
    ]
    async with owner.begin() as transaction:
        await transaction.execute(QUERIES["keep_truths"], {"version": version, "truths": Jsonb(truths)})
    return distances, False


async def _search(
    connection: Connection, copy: str, vectors: Vectors, dimensions: int, tick: Tick
) -> Nearest:
    asked = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = max(PAIRS_AT_ONCE // len(asked), 256)
    best: Nearest = (
        np.zeros((len(asked), 0), dtype=np.int64),
        np.zeros((len(asked), 0), dtype=np.float32),
    )
    async for ids, block in _blocks(connection, copy, dimensions, rows):
        best = await asyncio.to_thread(merge_nearest, asked, ids, block, best)
        await tick()
    return best


def merge_nearest(
    asked: Vectors, ids: NDArray[np.int64], block: Vectors, best: Nearest, keep: int = NEIGHBOURS
) -> Nearest:
    """The nearest of those that were and those of the block, by cosine distance, ascending; `asked` has length 1.

    A vector of zeros has no direction and is near to nothing; no HNSW graph holds it.
    """
    lengths = np.linalg.norm(block, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        distances = 1 - (asked @ block.T) / lengths
    directed = lengths > 0
    distances, ids = distances[:, directed], ids[directed]
    all_distances = np.concatenate([best[1], distances.astype(np.float32)], axis=1)
    all_ids = np.concatenate([best[0], np.broadcast_to(ids, distances.shape)], axis=1)
    if all_distances.shape[1] > keep:
        chosen = np.argpartition(all_distances, keep - 1, axis=1)[:, :keep]
        all_distances = np.take_along_axis(all_distances, chosen, axis=1)
        all_ids = np.take_along_axis(all_ids, chosen, axis=1)
    order = np.argsort(all_distances, axis=1, kind="stable")
    return np.take_along_axis(all_ids, order, axis=1), np.take_along_axis(all_distances, order, axis=1)


async def _blocks(
    connection: Connection, copy: str, dimensions: int, rows: int
) -> AsyncIterator[tuple[NDArray[np.int64], Vectors]]:
    """Ids and vectors of the copy, so many at a time; a row of a binary COPY has always the same length here."""
    record = np.dtype(
        [
            ("fields", ">i2"),
            ("id_bytes", ">i4"),
            ("id", ">i8"),
            ("vector_bytes", ">i4"),
            ("dimensions", ">i2"),
            ("unused", ">i2"),
            ("vector", ">f2", (dimensions,)),
        ]
    )
    statement = sql.SQL("copy (select chunk_id, embedding from {}) to stdout (format binary)").format(
        copy_table(copy)
    )
    waiting, begun, block = bytearray(), False, rows * record.itemsize
    async with connection.cursor().copy(statement) as stream:
        async for piece in stream:
            waiting += piece
            if not begun and len(waiting) >= HEADER_BYTES:
                del waiting[:HEADER_BYTES]
                begun = True
            if len(waiting) >= block + TRAILER_BYTES:
                yield _parse(bytes(waiting[:block]), record)
                del waiting[:block]
    rest = bytes(waiting[:-TRAILER_BYTES])
    for start in range(0, len(rest), block):
        yield _parse(rest[start : start + block], record)


def _parse(data: bytes, record: np.dtype) -> tuple[NDArray[np.int64], Vectors]:
    found = np.frombuffer(data, dtype=record)
    return found["id"].astype(np.int64), found["vector"].astype(np.float32)
