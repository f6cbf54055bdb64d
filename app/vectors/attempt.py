"""One search, which may be asked twice: the statement of its mode and way, with the settings of a graph walk."""

from typing import Any

import msgspec

from app.db.database import Database
from app.db.scope import Scope
from app.vectors.models import HitRow, SearchRoute
from app.vectors.near import (
    DEPTH,
    Ground,
    near_candidates,
    near_completed,
    near_exact,
    near_fused,
    near_hnsw,
    near_iterative,
    near_words,
)
from app.vectors.router import Choice
from app.vectors.statements import IndexNames, search_statement

#: What two processes share is looked up more cheaply by each: a hundredth by topic takes 0.55 of what it takes joined.
APART = {"random_page_cost": "2"}
#: No chunk is after it: of those that come in between, an exact search that has already looked knows nothing.
LAST = 2**63 - 1


class _Near(msgspec.Struct, frozen=True):
    chunk_id: int
    chunk_no: int
    distance: float
    score: float


class Attempt:
    """A search of k chunks in a mode: `vector`, `text` or `hybrid`."""

    def __init__(
        self,
        database: Database,
        scope: Scope,
        route: SearchRoute,
        ground: Ground,
        mode: str,
        k: int,
        keep_questions: int = 0,
    ) -> None:
        self._keep_questions = keep_questions
        self._database = database
        self._scope = scope
        self._route = route
        self._ground = ground
        self._mode = mode
        self._k = k

    @property
    def breadth(self) -> int:
        """How many chunks are wanted of the search by vector."""
        return self._k if self._mode == "vector" else max(self._k, DEPTH)

    async def find(
        self, choice: Choice, exact: Choice, parameters: dict[str, Any]
    ) -> tuple[Choice, list[HitRow]]:
        """The hits by the way of choice, or by the exact one when it finds fewer than k, and which it was."""
        rows = await self._fetch(choice, parameters)
        if self._mode == "text" or choice.method == "exact" or count_hits(rows) >= self._k:
            return choice, rows
        return exact, await self._fetch(exact, parameters)

    async def _fetch(self, choice: Choice, parameters: dict[str, Any]) -> list[HitRow]:
        """The hits, or one row without one; on record, unless by a graph fewer than k were found."""
        if self._mode == "vector" and choice.apart:
            return await self._fetch_apart(choice, parameters)
        again = self._mode != "text" and choice.method != "exact"
        return await self._ask(self._near(choice), choice, parameters, self._k if again else 0)

    async def _fetch_apart(self, choice: Choice, parameters: dict[str, Any]) -> list[HitRow]:
        """Looks first, in a statement that may be parallel; then asks for what it found, which is checked again.

        A statement that writes, and the audit is written, is never parallel. What changes in between is found out: then
        fewer of them are there, and all is asked once more in one statement.
        """
        near = await self._scope.fetch(
            _Near, near_exact(self._ground, self._k), parameters, extra=_settings(choice) | APART
        )
        found = {"candidates": [row.chunk_id for row in near], "synced_to": LAST}
        rows = await self._ask(
            near_candidates(self._ground, self._k), Choice("lance"), parameters | found, len(near)
        )
        if count_hits(rows) >= len(near):
            return rows
        return await self._ask(near_exact(self._ground, self._k), choice, parameters, 0)

    async def _ask(
        self, near: bytes, choice: Choice, parameters: dict[str, Any], record_from: int
    ) -> list[HitRow]:
        # the audit entry is in the read's own transaction
        settings = dict(self._database.audit_settings)
        if self._mode != "text":
            settings |= _settings(choice)
        route = self._route
        statement = search_statement(
            IndexNames(route.index_id, route.name, route.table_name, route.source),
            self._ground.hits,
            near,
            self._keep_questions,
        )
        asked = parameters | {"record_from": record_from}
        return await self._scope.fetch(HitRow, statement, asked, extra=settings)

    def _near(self, choice: Choice) -> bytes:
        index_id = self._route.index_id
        if self._mode == "text":
            return near_words(self._ground, index_id, self._k)
        by_vector = self._by_vector(choice, self.breadth)
        return by_vector if self._mode == "vector" else near_fused(self._ground, index_id, by_vector, self._k)

    def _by_vector(self, choice: Choice, k: int) -> bytes:
        variant = self._route.variant_id or 0
        match choice.method:
            case "hnsw":
                by_graph = near_hnsw(self._ground, variant, k)
                return near_completed(self._ground, by_graph, k) if choice.completed else by_graph
            case "iterative":
                return near_iterative(self._ground, variant, choice.limit, k)
            case "lance":
                return near_candidates(self._ground, k)
            case _:
                return near_exact(self._ground, k)


def count_hits(rows: list[HitRow]) -> int:
    """How many of the rows are hits: one row without one stands for none."""
    return len(rows) - (rows[0].chunk_id is None)


def _settings(choice: Choice) -> dict[str, str]:
    match choice.method:
        case "hnsw":
            # the vector's value does not change the cost, so one plan serves all of them; without a sort it is the
            # graph's: of an index of 334 chunks the planner would rather sort them all
            return {
                "plan_cache_mode": "force_generic_plan",
                "hnsw.ef_search": str(choice.ef_search),
                "enable_sort": "off",
            }
        case "iterative":
            walk = {
                "hnsw.iterative_scan": "relaxed_order",
                "hnsw.max_scan_tuples": str(choice.max_visits),
                "hnsw.scan_mem_multiplier": "8",
            }
            return {
                "hnsw.ef_search": str(choice.ef_search),
                **(walk if choice.max_visits else {"hnsw.iterative_scan": "off"}),
                "enable_seqscan": "off",
                "enable_sort": "off",
            }
        case "lance":
            # the parameters' values are a few ids, and the last one: both by the key
            return {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off"}
        case _:
            # a server for fast disks has 1.1. With it a filter that leaves a tenth has each row looked up, which
            # takes a tenth longer than to join them all: what is in memory costs the processor, either way. The plan
            # depends on the filter's values
            return {"plan_cache_mode": "force_custom_plan", "random_page_cost": "4"}
