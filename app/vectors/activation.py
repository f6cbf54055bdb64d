"""Activation: a profile's variants are built and warm. Nothing needs it first; searches are exact until then."""

import os
import time

import msgspec
from psycopg import sql

from app.db.builder import building
from app.db.database import Database
from app.db.queries import load_queries
from app.db.scope import Scope
from app.errors import InternalError, LakewardError
from app.lance.indexes import LanceIndexes
from app.vectors.activation_models import Activation, ActivationFailure, VariantConfig, Warmed
from app.vectors.copies import CopyTarget, activate_copy
from app.vectors.measure import K, measure_recall
from app.vectors.models import Recall
from app.vectors.plan import VECTOR_HEADER_BYTES, plan_graph_memory
from app.vectors.statements import hnsw_name, table
from app.vectors.variants import drop_unasked

QUERIES = load_queries(__file__)
#: A graph that reaches less than this share of the vectors would keep hits from searches.
REACHABLE = 0.95
_PHYSICAL_BYTES = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


class Target(msgspec.Struct, frozen=True):
    """An index and the variant it shall have, to be measured with this ef_search."""

    index_id: int
    name: str
    table_name: str
    source: str
    m: int
    ef_construction: int
    ef_search: int
    dimensions: int


async def activate(
    database: Database, scope: Scope, profile: str, lance: LanceIndexes | None = None
) -> Activation:
    """Build the profile's missing variants and warm all of them by a full graph walk; or its copies in `lance`.

    One that fails is reported and does not keep the others from being warmed.
    """
    started = time.perf_counter()
    owner = database.owner(scope.actor)
    backend = await owner.fetch_value(QUERIES["backend"], {"profile": profile})
    targets = await owner.fetch(Target, QUERIES["activation_targets"], {"profile": profile})
    warmed: list[Warmed] = []
    failures: list[ActivationFailure] = []
    for target in targets:
        try:
            if backend == "lance" and lance is not None:
                copy = CopyTarget(
                    target.index_id, target.name, target.table_name, target.source, target.ef_search
                )
                warmed.append(await activate_copy(database, owner, lance, copy))
            else:
                warmed.append(await activate_index(database, owner, target))
        except LakewardError as exc:
            failures.append(ActivationFailure(binding=target.source, error=f"{target.name}: {exc.message}"))
    dropped = await drop_unasked(database, owner, [target.index_id for target in targets])
    database.changes.bump()
    return Activation(
        profile=profile,
        warmed=warmed,
        failures=failures,
        duration_ms=_milliseconds_since(started),
        dropped=dropped,
    )


async def activate_index(database: Database, owner: Scope, target: Target) -> Warmed:
    """Build the variant unless it is there, walk through it, measure it; `owner` is the owner's scope.

    Raises:
        InternalError: its graph does not reach enough of the vectors; the variant has failed.
    """
    started = time.perf_counter()
    variant_id = await _claim(owner, target)
    built = await _build(database, owner, target, variant_id)
    build_ms = _milliseconds_since(started) if built else 0.0
    started = time.perf_counter()
    vectors, live = await _warm(database, owner, target, variant_id)
    if vectors < live * REACHABLE:
        await _set_state(owner, variant_id, "failed", build_ms)
        raise InternalError(
            f"its graph reaches only {vectors} of {live} vectors, so searches stay exact; "
            "many texts are the same, or nearly: try a larger m"
        )
    recall = await _measure(database, owner, target, variant_id)
    return Warmed(
        index=target.name,
        source=target.source,
        vectors=vectors,
        recall=recall,
        variant=VariantConfig(m=target.m, ef_construction=target.ef_construction),
        built=built,
        build_ms=build_ms,
        warm_ms=_milliseconds_since(started),
    )


async def _measure(database: Database, owner: Scope, target: Target, variant_id: int) -> Recall | None:
    ext = database.deployment.ext_schema
    recall = await measure_recall(owner, ext, target.table_name, variant_id, target.ef_search)
    if recall is not None:
        async with owner.begin() as transaction:
            await transaction.execute(
                QUERIES["set_measured"],
                {
                    "variant_id": variant_id,
                    # a narrower beam is measured, and searched, with one that holds the hits
                    "ef_search": str(max(target.ef_search, K)),
                    "recall": msgspec.json.encode(recall).decode(),
                },
            )
    return recall


async def _claim(owner: Scope, target: Target) -> int:
    async with owner.begin() as transaction:
        variant_id: int = await transaction.fetch_value(
            QUERIES["claim_variant"], msgspec.structs.asdict(target)
        )
    return variant_id


async def _build(database: Database, owner: Scope, target: Target, variant_id: int) -> bool:
    """Build the variant's HNSW index unless it is there and valid; whether it was built."""
    name = hnsw_name(target.table_name, variant_id)
    rows = await owner.fetch_value(sql.SQL("select count(*) from {}").format(table(target.table_name)))
    wanted = plan_graph_memory(rows, VECTOR_HEADER_BYTES + 2 * target.dimensions, target.m)
    memory = min(wanted, _PHYSICAL_BYTES // 8)
    started = time.perf_counter()
    async with building(database, lock=f"lakeward.variant.{variant_id}", memory_bytes=memory) as connection:
        found = await owner.fetch_value(
            QUERIES["variant_is_ready"],
            {"variant_id": variant_id, "hnsw": sql.Identifier("vec", name).as_string(None)},
        )
        if found:
            return False
        # what a build that was cut off left behind is invalid, and stands in the way of the name
        await connection.execute(
            sql.SQL("drop index concurrently if exists {}").format(sql.Identifier("vec", name))
        )
        await connection.execute(
            sql.SQL(
                "create index concurrently {name} on {chunks} using hnsw (embedding {ext}.halfvec_cosine_ops) "
                "with (m = {m}, ef_construction = {ef}) where chunk_id <> {variant}"
            ).format(
                name=sql.Identifier(name),
                chunks=table(target.table_name),
                ext=sql.Identifier(database.deployment.ext_schema),
                m=sql.Literal(target.m),
                ef=sql.Literal(target.ef_construction),
                variant=sql.Literal(-variant_id),
            )
        )
        await _set_state(owner, variant_id, "ready", _milliseconds_since(started))
    return True


async def _set_state(owner: Scope, variant_id: int, state: str, build_ms: float) -> None:
    async with owner.begin() as transaction:
        await transaction.execute(
            QUERIES["set_variant"], {"variant_id": variant_id, "state": state, "build_ms": build_ms}
        )


async def _warm(database: Database, owner: Scope, target: Target, variant_id: int) -> tuple[int, int]:
    """Walk the whole graph once, which reads every page of it; how many vectors were reached, and how many there are.

    pg_prewarm is not everywhere; an iterative scan without an end is, and it proves that the graph is connected.
    """
    settings = {
        "enable_seqscan": "off",
        "enable_sort": "off",
        "hnsw.ef_search": "200",
        "hnsw.iterative_scan": "relaxed_order",
        "hnsw.max_scan_tuples": "2147483647",
        "hnsw.scan_mem_multiplier": "1000",
    }
    walk = sql.SQL(
        "select count(*) from (select chunk_id from {chunks} where chunk_id <> {variant} "
        "order by embedding operator({ext}.<=>) (select embedding from {chunks} limit 1) limit {all}) walked"
    ).format(
        chunks=table(target.table_name),
        variant=sql.Literal(-variant_id),
        ext=sql.Identifier(database.deployment.ext_schema),
        all=sql.Literal(2**31 - 1),
    )
    async with owner.begin(settings) as transaction:
        live: int = await transaction.fetch_value(
            sql.SQL("select count(*) from {}").format(table(target.table_name))
        )
        reached: int = await transaction.fetch_value(walk)
    return reached, live


def _milliseconds_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)
