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
from app.errors import InternalError, InvalidInputError, NotFoundError, ProfileNotBoundError
from app.journal.audit import Call, record_call
from app.lance.indexes import LanceIndexes
from app.models.cached import QuestionCache
from app.models.embedders import Embedders
from app.models.protocol import Reranker
from app.vectors.answer import as_passage, plan_answer
from app.vectors.attempt import Attempt
from app.vectors.calibration import Calibration
from app.vectors.estimates import Estimates
from app.vectors.filter import FilterPlan, plan_filter
from app.vectors.models import (
    Passage,
    SearchAnswer,
    SearchRequest,
    SearchRoute,
)
from app.vectors.near import Ground
from app.vectors.plan import plan_candidates, plan_search, plan_vector
from app.vectors.router import Choice, plan_choice, plan_exact, plan_lance
from app.vectors.statements import hits_sql, there_statement
from app.vectors.walks import Walks

QUERIES = load_queries(__file__)
#: A table or view that is not there, a schema, a column, an operator for its type; "could not open relation" when it
#: went after its name was resolved.
VANISHED = ("42P01", "3F000", "42703", "42883", "XX000")


class Searcher:
    """Answers searches; remembers routes until the catalog changes, and estimates of filters as long."""

    def __init__(
        self,
        database: Database,
        embedders: Embedders,
        calibration: Calibration | None = None,
        reranker: Reranker | None = None,
        questions: QuestionCache | None = None,
        lance: LanceIndexes | None = None,
        keep_questions: int = 0,
    ) -> None:
        self._keep_questions = keep_questions
        self._lance = lance
        self._database = database
        self._questions = questions
        self._reranker = reranker
        self._embedders = embedders
        self._calibration = calibration or Calibration(database)
        self._routes: Remembered[SearchRoute] = Remembered(database.changes)
        self._estimates = Estimates(database)
        self._walks = Walks(database.changes)

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
        return (await self.find(scope, profile, request)).answer

    async def find(self, scope: Scope, profile: str | None, request: SearchRequest) -> "Found":
        """As `search`, with where in its row each hit is."""
        try:
            return await self._find(scope, profile, request)
        except InternalError as exc:
            if exc.extra.get("sqlstate") not in VANISHED:
                raise
        # what it was on its way to was deleted meanwhile: once more, by the way there is now, or to say there is none
        self._database.changes.bump()
        return await self._find(scope, profile, request)

    async def _find(self, scope: Scope, profile: str | None, request: SearchRequest) -> "Found":
        started = time.perf_counter()
        request = plan_search(request)
        route = await self._route(scope, profile, request.index)
        wanted = plan_filter(request.filter, route.fields)
        reranker = self._find_reranker(request)
        ground = Ground(
            self._database.deployment.ext_schema,
            route.table_name,
            hits_sql(route),
            wanted.shape if wanted else None,
        )
        k = request.k if reranker is None else plan_candidates(request.k)
        # text in Postgres has no NUL
        keep = self._keep_questions if request.query and "\0" not in request.query else 0
        attempt = Attempt(self._database, scope, route, ground, request.mode, k, keep)
        parameters: dict[str, Any] = {"query": request.query} | (wanted.parameters if wanted else {})
        if request.mode != "text":
            parameters["vector"] = await self._embed(route, profile, request)
        parameters["sha256"] = _hash(request, parameters.get("vector"))
        planned, exact = await self._choose(scope, route, attempt.breadth, ground, wanted, parameters)
        choice, rows = await attempt.find(planned, exact, parameters)
        if wanted is not None and planned.method == "iterative":
            self._walks.record(scope, route.table_name, wanted, met=choice is planned)
        passages = [as_passage(row) for row in rows if row.chunk_id is not None]
        if reranker is not None:
            passages = await self._rerank(reranker, scope, route, request, passages)
        answer = plan_answer(profile, route, request, choice, rows[0].stale_rows, passages, started)
        return Found(scope, route, answer, passages)

    def _find_reranker(self, request: SearchRequest) -> Reranker | None:
        if request.rerank and self._reranker is None:
            raise InvalidInputError("rerank needs a model: set models.rerank, or leave rerank out")
        return self._reranker if request.rerank else None

    async def _rerank(
        self,
        reranker: Reranker,
        scope: Scope,
        route: SearchRoute,
        request: SearchRequest,
        passages: list[Passage],
    ) -> list[Passage]:
        """The best k by the reranker, its scores in the place of the search's, of those that are still there then.

        That texts go to a model is on record before they do.
        """
        if not passages:
            return passages
        call = Call(
            door="search",
            operation=f"rerank {route.name}"[:200],
            relations=[route.source],
            arguments=msgspec.json.encode(request),
        )
        await record_call(self._database, scope, call, rows=len(passages))
        scores = await reranker.rerank(request.query or "", [passage.hit.text for passage in passages])
        scored = [
            msgspec.structs.replace(passage, hit=msgspec.structs.replace(passage.hit, score=score))
            for passage, score in zip(passages, scores, strict=True)
        ]
        # a model takes seconds, and what was deleted meanwhile is deleted
        there = await list_there(scope, route, scored)
        return sorted(there, key=lambda passage: -passage.hit.score)[: request.k]

    async def _embed(self, route: SearchRoute, profile: str | None, request: SearchRequest) -> HalfVector:
        if request.vector is not None:
            return plan_vector(request.vector, route.dimensions, route.name)
        model = (route.provider, route.model_name, route.model_version, route.dimensions)
        embedder = await self._embedders.find(*model)
        if self._questions is not None:
            embedder = self._questions.wrap(embedder, model, profile)
        embedded = await embedder.embed([request.query or ""])
        return plan_vector(embedded[0], route.dimensions, route.name)

    async def _choose(
        self,
        scope: Scope,
        route: SearchRoute,
        k: int,
        ground: Ground,
        wanted: FilterPlan | None,
        parameters: dict[str, Any],
    ) -> tuple[Choice, Choice]:
        """The way, and the exact one; by a copy in Lance with what it proposes among the parameters."""
        graph = route.variant_id is not None
        by_lance = route.vector_backend == "lance" and self._lance is not None
        share = None
        if wanted is not None and (graph or by_lance):
            share = await self._estimates.share(scope, ground, route.chunks, wanted)
        exact = plan_exact(route.chunks, share, self._calibration.costs)
        if by_lance and "vector" in parameters:
            choice = await self._propose(route, plan_lance(k, route.ef_search, share), parameters)
            if choice is not None:
                return choice, exact
        choice = plan_choice(k, route.ef_search, route.chunks, share, self._calibration.costs, graph=graph)
        if choice.method == "iterative" and wanted is not None:
            choice = choice if self._walks.worth(scope, route.table_name, wanted) else exact
        return choice, exact

    async def _propose(
        self, route: SearchRoute, choice: Choice | None, parameters: dict[str, Any]
    ) -> Choice | None:
        if choice is None or self._lance is None:
            return None
        vector = parameters["vector"].to_numpy()
        found = await self._lance.find(route.table_name, route.lance, vector, choice.limit, choice.ef_search)
        if found is None:
            return None
        parameters |= {"candidates": found.chunk_ids, "synced_to": found.synced_to}
        return choice

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


class Found:
    """What a search found, and whether it is still there."""

    def __init__(
        self, scope: Scope, route: SearchRoute, answer: SearchAnswer, passages: list[Passage]
    ) -> None:
        self.answer = answer
        self.passages = passages
        self.source = route.source
        self._scope = scope
        self._route = route

    async def list_there(self) -> list[Passage]:
        """The passages that the reader may still see, as they were: what changed has other chunks now."""
        return await list_there(self._scope, self._route, self.passages)


async def list_there(scope: Scope, route: SearchRoute, passages: list[Passage]) -> list[Passage]:
    """Those of the passages that the reader may see now, as they were: what changed has other chunks."""
    statement = there_statement(route.table_name, hits_sql(route))
    chunks = [passage.chunk_id for passage in passages]
    there = {row.chunk_id for row in await scope.fetch(_There, statement, {"chunks": chunks})}
    return [passage for passage in passages if passage.chunk_id in there]


class _There(msgspec.Struct, frozen=True):
    chunk_id: int


class _Source(msgspec.Struct, frozen=True):
    name: str
    bound: bool


def _hash(request: SearchRequest, vector: HalfVector | None) -> str:
    """What was asked, for the audit: a hash, since a query may name people. A vector counts as it is compared."""
    if request.vector is None or vector is None:
        return hashlib.sha256(msgspec.json.encode(request)).hexdigest()
    asked = msgspec.json.encode(msgspec.structs.replace(request, vector=None))
    return hashlib.sha256(asked + vector.to_binary()).hexdigest()
