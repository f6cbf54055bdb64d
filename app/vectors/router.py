"""Which way a search goes: pure decisions from what was measured on this machine (app/vectors/calibration.py)."""

import math
from typing import Literal

import msgspec

Method = Literal["exact", "hnsw", "iterative", "lance"]

#: pgvector's ceiling for hnsw.ef_search.
MAX_EF_SEARCH = 1000
#: A filtered beam must find so many times k before its best k are believed: of 107,525 real texts a beam of 500 that
#: found 30 among a tenth of them had .996 of the ten nearest.
ENOUGH = 3
#: The narrowest beam of a filtered search, in steps.
MIN_BEAM = 500
#: A walk is taken when it should cost so many times less than the exact scan: what a filter leaves is an estimate, and
#: a walk that comes home with too little was for nothing.
ADVANTAGE = 1.5
#: Vectors that a step of the graph compares: about half of the 2 m neighbours were not seen before (m = 16).
COMPARED_PER_STEP = 16
#: A scan that takes no longer is made beside the graph: of a few hundred texts an odd one has no link that leads to it.
COMPLETE_US = 500
#: A scan that should take longer is a statement of its own, in which more than one process may compare.
APART_US = 20_000


class Costs(msgspec.Struct, frozen=True):
    """Microseconds of one step of a search on this machine, for vectors of 384 dimensions.

    `distance_us`: a vector is compared in a scan; `check_us`: a chunk's row is looked up and asked; `visit_us`: the
    graph goes one step further; `scan_us`: a row of the relation is read in a scan; `join_us`: a chunk is read and
    finds its row in a hash. The values here are a server's of 2024.
    """

    distance_us: float = 0.4
    check_us: float = 6.0
    visit_us: float = 12.0
    scan_us: float = 0.25
    join_us: float = 0.3


class Choice(msgspec.Struct, frozen=True):
    """The way, with the settings of a graph walk: its beam, how many hits it must find, how many it may compare.

    `max_visits` of 0: one beam and no more. `apart`: an exact search looks first, and asks for what it found then.
    `completed`: what the graph did not reach is found by a scan.
    """

    method: Method
    ef_search: int = 0
    limit: int = 0
    max_visits: int = 0
    apart: bool = False
    completed: bool = False


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
        return plan_exact(chunks, share, costs)
    if share is None:
        # the first beam is the result when no filter applies, so it must hold k (pgvector hnswscan.c)
        beam = min(max(ef_search, k), MAX_EF_SEARCH)
        small = scan_cost_us(chunks, None, costs) <= COMPLETE_US
        return Choice("hnsw", ef_search=beam, limit=k, completed=small)
    scan_us = scan_cost_us(chunks, share, costs)
    walk, walk_us = _plan_walk(k, ef_search, max(share, 1e-6), scan_us, costs)
    return walk if walk_us * ADVANTAGE < scan_us else plan_exact(chunks, share, costs)


def plan_exact(chunks: int, share: float | None, costs: Costs) -> Choice:
    """The exact way: in one statement, or when it takes long in two."""
    return Choice("exact", apart=scan_cost_us(chunks, share, costs) >= APART_US)


def scan_cost_us(chunks: int, share: float | None, costs: Costs) -> float:
    """Microseconds of an exact search on one core: the filter is asked of each row, what it leaves is compared."""
    if share is None:
        return chunks * (costs.join_us + costs.distance_us)
    selected = share * chunks
    # a few rows are looked up by their key, many are joined
    found_us = min(selected * costs.check_us, chunks * costs.join_us)
    return chunks * costs.scan_us + found_us + selected * costs.distance_us


def _plan_walk(k: int, ef_search: int, share: float, scan_us: float, costs: Costs) -> tuple[Choice, float]:
    """A walk of the graph that should find enough for k hits, and its microseconds.

    One beam when it is wide enough to see twice as many as it should need; else beam by beam, until twice as many hits
    were found or it costs what the scan does.
    """
    enough = ENOUGH * k
    beam = max(2 * enough / share, ef_search, MIN_BEAM)
    if beam <= MAX_EF_SEARCH:
        one = Choice("iterative", ef_search=math.ceil(beam), limit=enough)
        return one, beam * costs.visit_us + enough / share * costs.check_us
    visits = 2 * enough / share
    walk = Choice(
        "iterative",
        ef_search=MAX_EF_SEARCH,
        limit=2 * enough,
        max_visits=max(1, math.ceil(scan_us / costs.visit_us * COMPARED_PER_STEP)),
    )
    return walk, visits * (costs.visit_us + costs.check_us)
