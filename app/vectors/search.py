"""Scoped search: route, embed without a connection, then one statement as the profile."""

import hashlib
import time

import msgspec

from app.db.changes import Remembered
from app.db.database import Database
from app.db.queries import load_queries
from app.db.scope import Scope
from app.errors import NotFoundError, ProfileNotBoundError
from app.models.protocol import Embedder
from app.vectors.models import Hit, HitRow, SearchAnswer, SearchRequest, SearchRoute
from app.vectors.plan import plan_ef_search, plan_search, plan_vector
from app.vectors.statements import search_statement

QUERIES = load_queries(__file__)


class Searcher:
    """Answers searches; remembers routes until the catalog changes."""

    def __init__(self, database: Database, embedder: Embedder) -> None:
        self._database = database
        self._embedder = embedder
        self._routes: Remembered[SearchRoute] = Remembered(database.changes)

    async def search(self, scope: Scope, profile: str, request: SearchRequest) -> SearchAnswer:
        """The nearest chunks in one index that the profile may see, nearest first.

        By HNSW when the profile's variant is built, else exactly; an HNSW answer that is short of k is asked for again
        exactly, so fewer than k hits means that there are no more.

        Raises:
            InvalidInputError: see plan_search and plan_vector.
            ProfileNotBoundError: the profile is not bound to the index's relation.
            NotFoundError: no such index.
            ProviderError: the model did not embed the query.
        """
        started = time.perf_counter()
        request = plan_search(request)
        route = await self._route(scope, profile, request.index)
        if request.vector is not None:
            vector = plan_vector(request.vector, route.dimensions, route.name)
        else:
            embedded = await self._embedder.embed([request.query or ""])
            vector = plan_vector(embedded[0], route.dimensions, route.name)
        exact = route.variant_id is None
        sha256 = _hash(request)
        rows = await self._fetch(scope, route, request.k, vector, sha256, exact=exact)
        if not exact and len(rows) - (rows[0].chunk_no is None) < request.k:
            exact = True
            rows = await self._fetch(scope, route, request.k, vector, sha256, exact=True)
        hits = [_hit(row) for row in rows if row.chunk_no is not None]
        return SearchAnswer(
            profile=profile,
            index=route.name,
            method="exact" if exact else "hnsw",
            k=request.k,
            returned=len(hits),
            truncated=False,
            stale_rows=rows[0].stale_rows,
            model=route.model_name,
            duration_ms=round((time.perf_counter() - started) * 1000, 3),
            hits=hits,
        )

    async def _fetch(
        self, scope: Scope, route: SearchRoute, k: int, vector: object, sha256: str, *, exact: bool
    ) -> list[HitRow]:
        statement = search_statement(route, self._database.deployment.ext_schema, k, exact=exact)
        # the audit entry is in the read's own transaction
        extra = self._database.audit_settings
        if not exact:
            # the vector's value does not change the cost, so one plan serves all of them
            extra |= {
                "hnsw.ef_search": str(plan_ef_search(route.ef_search, k)),
                "plan_cache_mode": "force_generic_plan",
            }
        return await scope.fetch(HitRow, statement, {"vector": vector, "sha256": sha256}, extra=extra)

    async def _route(self, scope: Scope, profile: str, index: str) -> SearchRoute:
        key = (scope.role, profile, index)
        route = self._routes.find(key)
        if route is None:
            epoch = self._database.changes.epoch
            rows = await scope.fetch(SearchRoute, QUERIES["route"], {"index": index, "profile": profile})
            if not rows:
                raise await self._refusal(scope, profile, index)
            route = rows[0]
            self._routes.put(key, route, epoch)
        return route

    async def _refusal(self, scope: Scope, profile: str, index: str) -> Exception:
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


class _Source(msgspec.Struct, frozen=True):
    name: str
    bound: bool


def _hash(request: SearchRequest) -> str:
    """What was asked, for the audit: a hash, since a query may name people."""
    return hashlib.sha256(msgspec.json.encode(request)).hexdigest()


def _hit(row: HitRow) -> Hit:
    distance = row.distance or 0.0
    return Hit(
        doc_key=row.doc_key,
        chunk_no=row.chunk_no or 0,
        score=1.0 - distance,
        distance=distance,
        text=row.text or "",
        metadata=row.metadata or {},
    )
