"""Filtered searches: a half, a tenth, a hundredth, a thousandth is left, beside the exact scan with that filter."""

import statistics
import time
from collections import Counter
from typing import Any

import msgspec
import numpy as np
import psycopg
import uvloop
from numpy.typing import NDArray
from pgvector import HalfVector
from pgvector.psycopg import register_vector

from app.db.database import open_database
from app.models.embedders import Embedders
from app.models.fake import FakeEmbedder
from app.profiles.service import get_profile
from app.vectors.calibration import Calibration
from app.vectors.models import SearchRequest
from app.vectors.search import Searcher
from tests.benchmarks.corpus import Corpus
from tests.benchmarks.figures import Figure, summarise
from tests.benchmarks.home import QUICK, Home
from tests.benchmarks.setup import INDEX, PROFILE

K = 10
CALLS = 30 if QUICK else 100
SHARES = (0.5, 0.1, 0.01, 0.001)
RECALL_TARGET, EXACT_TARGET = 0.99, 1.0
EXACT = """
select c.row_key, c.embedding <=> %(vector)s as distance from vec.glosses_v1 c join lake.glosses d on d.id = c.row_key
where {} order by (c.embedding <=> %(vector)s) + 0 limit 10
"""


class Case(msgspec.Struct, frozen=True):
    """A filter as a search asks for it and as SQL does, and the positions that meet it."""

    name: str
    wanted: dict[str, Any]
    condition: str
    parameters: dict[str, Any]
    members: NDArray[np.int64]


def plan_cases(corpus: Corpus, draws: NDArray[np.int64]) -> list[Case]:
    """By chance and by topic, for each share."""
    counts = Counter(gloss.topic for gloss in corpus.glosses)
    topics = np.array([gloss.topic for gloss in corpus.glosses])
    cases = []
    for share in SHARES:
        limit = int(share * 1000)
        cases.append(
            Case(
                f"{share:.1%} by chance",
                {"draw": {"$lt": limit}},
                "d.draw < %(limit)s",
                {"limit": limit},
                np.flatnonzero(draws < limit),
            )
        )
        chosen, left = [], share * len(topics)
        for topic, count in counts.most_common():
            if count <= left * 1.2:
                chosen.append(topic)
                left -= count
        members = np.flatnonzero(np.isin(topics, chosen))
        cases.append(
            Case(
                f"{len(members) / len(topics):.1%} by {len(chosen)} topics",
                {"topic": {"$in": chosen}},
                "d.topic = any(%(topics)s)",
                {"topics": chosen},
                members,
            )
        )
    return [case for case in cases if len(case.members) > 0]


async def _measure(home: Home, corpus: Corpus) -> list[Figure]:
    database = await open_database(home.service_dsn, home.settings)
    try:
        calibration = Calibration(database)
        await calibration.measure()
        searcher = Searcher(database, Embedders(FakeEmbedder()), calibration)
        scope = database.reader((await get_profile(database.steward(), PROFILE)).role_name)
        with psycopg.connect(home.admin_dsn, autocommit=True, options="-c search_path=ext") as raw:
            register_vector(raw)
            positions = {gloss.id: n for n, gloss in enumerate(corpus.glosses)}
            draws = np.zeros(len(corpus.glosses), np.int64)
            for key, draw in raw.execute("select id, draw from lake.glosses"):
                draws[positions[key]] = draw
            figures = []
            for case in plan_cases(corpus, draws):
                figures += await _compare(corpus, case, searcher, scope, raw)
            return figures
    finally:
        await database.close()


async def _compare(corpus: Corpus, case: Case, searcher: Searcher, scope: Any, raw: Any) -> list[Figure]:
    ours: list[float] = []
    exact: list[float] = []
    recalls: list[float] = []
    methods: Counter[str] = Counter()
    statement = EXACT.format(case.condition)
    for n in range(-3, CALLS):
        vector = corpus.queries[n % len(corpus.queries)]
        request = SearchRequest(index=INDEX, vector=[float(x) for x in vector], k=K, filter=case.wanted)
        started = time.perf_counter()
        answer = await searcher.search(scope, PROFILE, request)
        taken = time.perf_counter() - started
        parameters = {"vector": HalfVector(vector.astype(np.float16)), **case.parameters}
        started = time.perf_counter()
        truth = raw.execute(statement, parameters, prepare=True).fetchall()
        if n >= 0:
            exact.append(time.perf_counter() - started)
            ours.append(taken)
            methods[answer.method] += 1
            wanted = min(K, len(case.members))
            assert answer.returned == wanted or answer.truncated, (case.name, answer.returned)
            last = max(distance for _, distance in truth) + 1e-6
            recalls.append(sum((hit.distance or 0) <= last for hit in answer.hits) / wanted)
    mine, theirs = summarise(ours), summarise(exact)
    how = ", ".join(f"{method} {count}" for method, count in methods.items())
    return [
        Figure(
            name=f"search with a filter, {case.name}, p95",
            ours=f"{mine.p95:.1f} ms (p50 {mine.p50:.1f})",
            peer=f"{theirs.p95:.1f} ms (p50 {theirs.p50:.1f}; exact scan with the filter)",
            value=mine.p95 / theirs.p95,
            unit="x",
            relation="<=",
            target=EXACT_TARGET,
            note=how,
        ),
        Figure(
            name="… its recall@10",
            ours=f"{statistics.fmean(recalls):.3f}",
            peer="1.0",
            value=statistics.fmean(recalls),
            unit="",
            relation=">=",
            target=RECALL_TARGET,
        ),
    ]


def measure(home: Home, corpus: Corpus) -> list[Figure]:
    """On the index that the search bench left."""
    return uvloop.run(_measure(home, corpus))
