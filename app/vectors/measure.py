"""What searches by a variant are worth: their answers beside exact ones, on queries made of the index's own vectors."""

import math
import statistics
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import numpy as np
from pgvector import HalfVector
from psycopg import sql

from app.db.scope import Scope, Transaction
from app.vectors.models import Recall
from app.vectors.near import Ground, near_exact, near_hnsw, table

K = 10
QUERIES, ENOUGH = 40, 8
#: A large index is asked less often rather than longer.
BUDGET_S = 2.0
#: A tie's distances differ by what two sums of halves in another order do.
TIE = 1e-6


class _Distance(msgspec.Struct, frozen=True):
    distance: float


class _Vector(msgspec.Struct, frozen=True):
    embedding: HalfVector


async def measure_recall(
    owner: Scope, ext: str, table_name: str, variant_id: int, ef_search: int
) -> Recall | None:
    """Recall@10 of the variant at this ef_search; None when the index has no more than ten chunks.

    A query lies between two texts of the index, nearer to one, so that no chunk is its answer by itself. Hits count by
    their distance: one that is as near as the tenth of the exact answer is as good.
    """
    ground = Ground(ext, table_name, "")
    shares: list[float] = []
    async with owner.begin({"hnsw.ef_search": str(max(ef_search, K))}) as transaction:
        queries = await make_queries(transaction, table_name)
        started = time.monotonic()
        for query in queries:
            if len(shares) >= ENOUGH and time.monotonic() - started > BUDGET_S:
                break
            parameters = {"vector": HalfVector(query.astype(np.float16))}
            exact = await transaction.fetch_all(_Distance, only_distances(near_exact(ground, K)), parameters)
            await transaction.execute("set local enable_sort = off; set local enable_seqscan = off")
            found = await transaction.fetch_all(
                _Distance, only_distances(near_hnsw(ground, variant_id, K)), parameters
            )
            await transaction.execute("set local enable_sort = on; set local enable_seqscan = on")
            shares.append(count_found([d.distance for d in exact], [d.distance for d in found]))
    return summarise(shares) if shares else None


def only_distances(near: bytes) -> bytes:
    """The statement that answers the distances of `near`."""
    return b"select distance from (" + near + b") n"


async def make_queries(transaction: Transaction, table_name: str) -> Sequence[np.ndarray]:
    """Vectors between two of the index's own, of length 1; none when it has ten or fewer."""
    # random, but of the same index the same: a figure that moves without a reason is believed by nobody
    rows = await transaction.fetch_all(
        _Vector,
        sql.SQL("select embedding from {} order by hashint8(chunk_id) limit {}").format(
            table(table_name), sql.Literal(2 * QUERIES)
        ),
    )
    vectors = np.array([row.embedding.to_numpy() for row in rows], np.float32)
    if len(vectors) <= K:
        return []
    half = len(vectors) // 2
    mixed = vectors[:half] + 0.5 * vectors[half : 2 * half]
    lengths = np.linalg.norm(mixed, axis=1, keepdims=True)
    return list(mixed / np.where(lengths > 0, lengths, 1))


def count_found(exact: Sequence[float], found: Sequence[float]) -> float:
    """The share of the exact answer that was found, ties counted by distance."""
    last = max(exact)
    return min(sum(distance <= last + TIE for distance in found), len(exact)) / len(exact)


def summarise(shares: Sequence[float]) -> Recall:
    """Their mean, and between what it lies with 95%: by their spread, or where they have none by Wilson's score."""
    mean, count = statistics.fmean(shares), len(shares)
    spread = statistics.stdev(shares) / math.sqrt(count) * 1.96 if count > 1 else 0.0
    if spread == 0.0:
        # Wilson 1927, all of n successes: n / (n + z²)
        low, high = mean * count / (count + 1.96**2), mean
    else:
        low, high = max(0.0, mean - spread), min(1.0, mean + spread)
    return Recall(
        recall=round(mean, 4),
        low=round(low, 4),
        high=round(high, 4),
        k=K,
        queries=count,
        at=datetime.now(UTC),
    )
