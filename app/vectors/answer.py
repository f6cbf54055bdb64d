"""What is said of a search: its hits, and how good they are."""

import time

import msgspec

from app.vectors.models import (
    Freshness,
    Hit,
    HitRow,
    Passage,
    Recall,
    SearchAnswer,
    SearchRequest,
    SearchRoute,
)
from app.vectors.router import Choice


def plan_answer(
    profile: str | None,
    route: SearchRoute,
    request: SearchRequest,
    choice: Choice,
    stale_rows: int,
    passages: list[Passage],
    started: float,
) -> SearchAnswer:
    """The answer with these passages; `started` is when it was asked, by time.perf_counter."""
    return SearchAnswer(
        profile=profile,
        index=route.name,
        method=choice.method if request.mode == "vector" else request.mode,
        k=request.k,
        returned=len(passages),
        truncated=False,
        stale_rows=stale_rows,
        freshness=Freshness("stale" if stale_rows else "current", route.last_embedded_at),
        recall=_find_recall(route, choice, request),
        model=route.model_name,
        duration_ms=round((time.perf_counter() - started) * 1000, 3),
        hits=[passage.hit for passage in passages],
    )


def _find_recall(route: SearchRoute, choice: Choice, request: SearchRequest) -> Recall | None:
    """What was measured of just such a search: without a filter, in the order of distance, of no more hits."""
    if request.mode != "vector" or request.filter or request.rerank:
        return None
    beam = str(choice.ef_search)
    found: Recall | None = None
    if choice.method == "hnsw":
        found = route.measured.get(beam)
    elif choice.method == "lance":
        measured = (route.lance or {}).get("measured", {}).get(beam)
        found = msgspec.convert(measured, Recall) if measured else None
    return found if found is not None and request.k <= found.k else None


def as_passage(row: HitRow) -> Passage:
    """A row that is a hit."""
    hit = Hit(
        doc_key=row.doc_key,
        chunk_no=row.chunk_no or 0,
        score=row.score or 0.0,
        distance=row.distance,
        text=row.text or "",
        metadata=row.metadata or {},
    )
    return Passage(hit, row.chunk_id or 0, row.start_at or 0, row.end_at or 0)
