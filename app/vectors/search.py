"""Scoped search: route, embed without a connection, then one statement as the profile."""

import hashlib
import time
from typing import Any

import msgspec
from pgvector import HalfVector

from app.db.changes import Remembered
from app.db.database import Database
from app.db.queries import load_queries
from app.db.scope import Scope
from app.errors import NotFoundError, ProfileNotBoundError
from app.models.embedders import Embedders
from app.vectors.calibration import Calibration
from app.vectors.filter import FilterPlan, plan_filter
from app.vectors.models import (
    Freshness,
    Hit,
    HitRow,
    Recall,
    SearchAnswer,
    SearchRequest,
    SearchRoute,
)
from app.vectors.near import Ground, near_exact, near_hnsw, near_iterative
from app.vectors.plan import plan_search, plan_vector
from app.vectors.router import Choice, plan_choice
from app.vectors.statements import count_statement, hits_sql, search_statement

QUERIES = load_queries(__file__)
#: How many estimates of filters are kept.
MAX_COUNTS = 1000


class Searcher:
    """Answers searches; remembers routes until the catalog changes, and estimates of filters as long."""

    def __init__(
        self, database: Database, embedders: Embedders, calibration: Calibration | None = None
    ) -> None:
        self._database = database
        self._embedders = embedders
        self._calibration = calibration or Calibration(database)
        self._routes: Remembered[SearchRoute] = Remembered(database.changes)
        self._counts: Remembered[float] = Remembered(database.changes, MAX_COUNTS)

    async def search(self, scope: Scope, profile: str | None, request: SearchRequest) -> SearchAnswer:
        """The nearest chunks in one index that the profile may see, nearest first; None: an admin, who sees all.

        By the profile's HNSW variant when it is built, by what the filter leaves when that is cheaper, else exactly. An
        answer by graph that is short of k is asked for again exactly: fewer than k hits means that there are no more.

        Raises:
            InvalidInputError: see plan_search, plan_filter and plan_vector.
            ProfileNotBoundError: the profile is not bound to the index's relation.
            NotFoundError: no such index.
            ProviderError: the model did not embed the query.
        """
        started = time.perf_counter()
        request = plan_search(request)
        route = await self._route(scope, profile, request.index)
        wanted = plan_filter(request.filter, route.fields)
        vector = await self._embed(route, request)
        ground = Ground(
            self._database.deployment.ext_schema,
            route.table_name,
            hits_sql(route),
            wanted.shape if wanted else None,
        )
        search = _Search(self._database, scope, route, request.k, ground)
        search.parameters = {
            "vector": vector,
            "sha256": _hash(request),
            **(wanted.parameters if wanted else {}),
        }
        choice = await self._choose(scope, route, request.k, ground, wanted)
        rows = await search.fetch(choice)
        if choice.method != "exact" and len(rows) - (rows[0].chunk_no is None) < request.k:
            choice = Choice("exact")
            rows = await search.fetch(choice)
        return _answer(profile, route, request.k, choice, rows, started)

    async def _embed(self, route: SearchRoute, request: SearchRequest) -> HalfVector:
        if request.vector is not None:
            return plan_vector(request.vector, route.dimensions, route.name)
        embedder = await self._embedders.find(route.provider, route.model_name, route.model_version)
        embedded = await embedder.embed([request.query or ""])
        return plan_vector(embedded[0], route.dimensions, route.name)

    async def _choose(
        self, scope: Scope, route: SearchRoute, k: int, ground: Ground, wanted: FilterPlan | None
    ) -> Choice:
        graph = route.variant_id is not None
        share = None
        if wanted is not None and graph:
            share = await self._estimate(scope, ground, wanted)
        return plan_choice(k, route.ef_search, route.chunks, share, self._calibration.costs, graph=graph)

    async def _estimate(self, scope: Scope, ground: Ground, wanted: FilterPlan) -> float:
        """What share of the chunks meets the filter, as the planner believes; wrong only costs time."""
        # beside what it believes without: the row policy's own condition, once a query, is half a guess to it
        with_all = await self._count(scope, ground.hits, "true", {})
        with_filter = await self._count(scope, ground.hits, wanted.shape, wanted.parameters)
        return min(with_filter / max(with_all, 1.0), 1.0)

    async def _count(self, scope: Scope, hits: str, shape: str, parameters: dict[str, Any]) -> float:
        key = (scope.role, hits, shape, msgspec.json.encode(list(parameters.values()), enc_hook=str))
        rows = self._counts.find(key)
        if rows is None:
            epoch = self._database.changes.epoch
            plan: Any = await scope.fetch_value(count_statement(hits, shape), parameters)
            rows = float(plan[0]["Plan"]["Plan Rows"])
            self._counts.put(key, rows, epoch)
        return rows

    async def _route(self, scope: Scope, profile: str | None, index: str) -> SearchRoute:
        key = (scope.role, profile, index)
        route = self._routes.find(key)
        if route is None:
            epoch = self._database.changes.epoch
            query = QUERIES["admin_route" if profile is None else "route"]
            rows = await scope.fetch(SearchRoute, query, {"index": index, "profile": profile})
            if not rows:
                raise await self._refusal(scope, profile, index)
            route = msgspec.convert(msgspec.to_builtins(rows[0]), SearchRoute)
            self._routes.put(key, route, epoch)
        return route

    async def _refusal(self, scope: Scope, profile: str | None, index: str) -> Exception:
        steward = self._database.steward(scope.actor)
        sources = await steward.fetch(_Source, QUERIES["find_source"], {"index": index, "profile": profile})
        if not sources:
            return NotFoundError(f"no index {index[:60]!r}")
        source = sources[0]
        async with scope.begin() as transaction:
            bound = await transaction.fetch_values(QUERIES["bound_relations"], {"profile": profile})
        if source.bound:
            return ProfileNotBoundError(
                f"index {index!r} holds texts of {source.name!r} that are above the clearance of profile {profile!r}; "
                "ask for an index over a view that redacts them",
                allowed_bindings=bound,
            )
        allowed = ", ".join(bound) or "nothing"
        return ProfileNotBoundError(
            f"profile {profile!r} is not bound to {source.name!r}; it is bound to {allowed}",
            allowed_bindings=bound,
        )


class _Search:
    """One search, which may be asked twice."""

    def __init__(self, database: Database, scope: Scope, route: SearchRoute, k: int, ground: Ground) -> None:
        self.parameters: dict[str, Any] = {}
        self._database = database
        self._scope = scope
        self._route = route
        self._k = k
        self._ground = ground

    async def fetch(self, choice: Choice) -> list[HitRow]:
        # the audit entry is in the read's own transaction
        settings = dict(self._database.audit_settings)
        route, variant = self._route, self._route.variant_id or 0
        match choice.method:
            case "hnsw":
                near = near_hnsw(self._ground, variant, self._k)
                # the vector's value does not change the cost, so one plan serves all of them
                settings |= {"plan_cache_mode": "force_generic_plan"}
            case "iterative":
                near = near_iterative(self._ground, variant, choice.limit, self._k)
                settings |= {
                    "hnsw.iterative_scan": "relaxed_order",
                    "hnsw.max_scan_tuples": str(choice.max_visits),
                    "hnsw.scan_mem_multiplier": "8",
                    "enable_seqscan": "off",
                    "enable_sort": "off",
                }
            case _:
                near = near_exact(self._ground, self._k)
        if choice.method != "exact":
            settings |= {"hnsw.ef_search": str(choice.ef_search)}
        record_from = 0 if choice.method == "exact" else self._k
        statement = search_statement(
            route.name, route.table_name, route.source, self._ground.hits, near, record_from
        )
        return await self._scope.fetch(HitRow, statement, self.parameters, extra=settings)


class _Source(msgspec.Struct, frozen=True):
    name: str
    bound: bool


def _hash(request: SearchRequest) -> str:
    """What was asked, for the audit: a hash, since a query may name people."""
    return hashlib.sha256(msgspec.json.encode(request)).hexdigest()


def _answer(
    profile: str | None, route: SearchRoute, k: int, choice: Choice, rows: list[HitRow], started: float
) -> SearchAnswer:
    hits = [_hit(row) for row in rows if row.chunk_no is not None]
    stale_rows = rows[0].stale_rows
    measured = route.measured.get(str(choice.ef_search)) if choice.method == "hnsw" else None
    return SearchAnswer(
        profile=profile,
        index=route.name,
        method=choice.method,
        k=k,
        returned=len(hits),
        truncated=False,
        stale_rows=stale_rows,
        freshness=Freshness("stale" if stale_rows else "current", route.last_embedded_at),
        recall=msgspec.convert(measured, Recall) if measured else None,
        model=route.model_name,
        duration_ms=round((time.perf_counter() - started) * 1000, 3),
        hits=hits,
    )


def _hit(row: HitRow) -> Hit:
    return Hit(
        doc_key=row.doc_key,
        chunk_no=row.chunk_no or 0,
        score=row.score or 0.0,
        distance=row.distance or 0.0,
        text=row.text or "",
        metadata=row.metadata or {},
    )
