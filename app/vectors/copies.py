"""Activation of an index that a profile searches by Lance: its copy is synced, warmed and measured."""

import time

import msgspec
import numpy as np
from pgvector import HalfVector

from app.db.database import Database
from app.db.queries import load_queries
from app.db.scope import Scope
from app.errors import UnavailableError
from app.lance.copied import EF_CONSTRUCTION, M
from app.lance.indexes import LanceIndexes
from app.lance.models import Candidates
from app.lance.sync import find_index
from app.vectors.activation_models import VariantConfig, Warmed
from app.vectors.measure import K, count_found, make_queries, only_distances, summarise
from app.vectors.models import Recall
from app.vectors.near import Ground, near_candidates, near_exact, table
from app.vectors.router import Choice, plan_lance

QUERIES = load_queries(__file__)


class CopyTarget(msgspec.Struct, frozen=True):
    """An index to be searched by its copy with this ef_search."""

    index_id: int
    name: str
    table_name: str
    source: str
    ef_search: int


class _Distance(msgspec.Struct, frozen=True):
    distance: float


async def activate_copy(database: Database, owner: Scope, lance: LanceIndexes, target: CopyTarget) -> Warmed:
    """Sync the copy, read it into memory, measure it. `built`: it was made anew; the variant is Lance's own.

    Raises:
        CopyError: Lance failed.
        DiskFullError: there is no room for the copy.
        NotFoundError: the index went away.
        UnavailableError: the copy cannot be searched here.
    """
    started = time.perf_counter()
    synced = await lance.sync(target.table_name)
    build_ms = _milliseconds_since(started)
    started = time.perf_counter()
    choice = plan_lance(K, target.ef_search, None)
    assert choice is not None
    recall = await _measure(database, owner, lance, target, choice)
    if recall is not None:
        async with owner.begin() as transaction:
            parameters = {
                "index_id": target.index_id,
                "ef_search": str(choice.ef_search),
                "recall": msgspec.json.encode(recall).decode(),
            }
            await transaction.execute(QUERIES["set_lance_measured"], parameters)
    return Warmed(
        index=target.name,
        source=target.source,
        vectors=synced.vectors,
        recall=recall,
        variant=VariantConfig(m=M, ef_construction=EF_CONSTRUCTION) if synced.graph else None,
        built=synced.rebuilt,
        build_ms=build_ms if synced.rebuilt else 0.0,
        warm_ms=_milliseconds_since(started),
    )


async def _measure(
    database: Database, owner: Scope, lance: LanceIndexes, target: CopyTarget, choice: Choice
) -> Recall | None:
    """Recall@10 beside exact searches, as that of a variant is measured; None of an index of ten chunks or less."""
    # every chunk that is there counts: who may see it is asked in a reader's search
    seen = table(target.table_name).as_string(None)
    ground = Ground(database.deployment.ext_schema, target.table_name, seen)
    state = (await find_index(owner, target.table_name)).lance
    async with owner.begin() as transaction:
        queries = await make_queries(transaction, target.table_name)
    shares = []
    for query in queries:
        vector = query.astype(np.float16)
        found = await lance.find(target.table_name, state, vector, choice.limit, choice.ef_search)
        if found is None:
            raise UnavailableError("its copy in Lance cannot be searched here, so searches stay in Postgres")
        shares.append(await _compare(owner, ground, vector, found))
    return summarise(shares) if shares else None


async def _compare(owner: Scope, ground: Ground, vector: np.ndarray, found: Candidates) -> float:
    parameters = {
        "vector": HalfVector(vector),
        "candidates": found.chunk_ids,
        "synced_to": found.synced_to,
    }
    answers = []
    for near in (near_exact(ground, K), near_candidates(ground, K)):
        rows = await owner.fetch(_Distance, only_distances(near), parameters)
        answers.append([row.distance for row in rows])
    return count_found(answers[0], answers[1])


def _milliseconds_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)
