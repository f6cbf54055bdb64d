"""Which way a search goes: pure decisions from what was measured on this machine (app/vectors/calibration.py)."""

import math
from typing import Literal

import msgspec

Method = Literal["exact", "hnsw", "iterative", "lance"]

#: pgvector's ceiling for hnsw.ef_search.
MAX_EF_SEARCH = 1000
#: Rows that a filtered search by graph looks for before it keeps the best k: of 107,525 real texts, half of them
#: wanted, 200 found .989 of the ten nearest.
BREADTH = 300
#: A walk that would see more than this share of the index is no shortcut.
MAX_SHARE = 0.5


class Costs(msgspec.Struct, frozen=True):
    """Microseconds of one step of a search on this machine, for vectors of 384 dimensions.

    `distance_us`: a vector is compared in a scan; `check_us`: a chunk's row is looked up and asked; `visit_us`: the
    graph goes one step further; `scan_us`: a row of the relation is read in a scan. The values here are a server's of
    2024.
    """

    distance_us: float = 0.4
    check_us: float = 6.0
    visit_us: float = 12.0
    scan_us: float = 0.25


class Choice(msgspec.Struct, frozen=True):
    """The way, with the settings of a graph walk: its beam, how many rows it looks for, how many it may visit."""

    method: Method
    ef_search: int = 0
    limit: int = 0
    max_visits: int = 0


#: Candidates that a copy in Lance is asked for, at least, and at most with a filter. Their distances there are those of
#: 8-bit vectors; here they are compared as they are.
CANDIDATES, MAX_CANDIDATES = 50, 500


def plan_lance(k: int, ef_search: int, share: float | None) -> Choice | None:
    """The way by a copy in Lance, which knows nothing of the filter; None: too few of its chunks would meet it."""
    limit = max(3 * k, CANDIDATES) if share is None else max(CANDIDATES, math.ceil(3 * k / max(share, 1e-6)))
    if share is not None and limit > max(MAX_CANDIDATES, 3 * k):
        return None
    return Choice("lance", ef_search=max(ef_search, limit), limit=limit)


def plan_choice(
    k: int, ef_search: int, chunks: int, share: float | None, costs: Costs, *, graph: bool
) -> Choice:
    """The way of a search for k of `chunks`; `share` of them meet its filter, None: it has none.

    `graph`: the profile's variant is ready. Without a filter it is used whenever it is ready: whoever activates an
    index asks for it.
    """
    if not graph:
        return Choice("exact")
    if share is None:
        # the first beam is the result when no filter applies, so it must hold k (pgvector hnswscan.c)
        return Choice("hnsw", ef_search=min(max(ef_search, k), MAX_EF_SEARCH), limit=k)
    limit = max(k, min(max(BREADTH, ef_search), MAX_EF_SEARCH))
    visits = limit / max(share, 1e-6)
    walk_us = visits * (costs.visit_us + costs.check_us)
    selected = share * chunks
    scan_us = chunks * costs.scan_us + selected * (costs.distance_us + costs.check_us)
    if visits > chunks * MAX_SHARE or walk_us >= scan_us:
        return Choice("exact")
    return Choice(
        "iterative",
        ef_search=min(max(ef_search, limit), MAX_EF_SEARCH),
        limit=limit,
        # an estimate may be wrong by that much before the answer is asked for again exactly
        max_visits=int(min(visits * 4, chunks)),
    )
