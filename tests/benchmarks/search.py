"""Scoped search against raw psycopg + pgvector: same index, same ef_search, same k, same columns in the answer."""

import statistics
import time
from typing import Any

import msgspec
import psycopg
import uvloop
from pgvector import HalfVector
from pgvector.psycopg import register_vector

from app.access.first_key import ensure_admin_key
from app.db.database import Database, open_database
from app.db.scope import Scope
from app.models.embedders import Embedders
from app.models.fake import FakeEmbedder
from app.profiles.service import get_profile
from app.vectors.models import SearchRequest
from app.vectors.search import Searcher
from tests.benchmarks.corpus import Corpus, recall_at_10
from tests.benchmarks.figures import Figure, rounds, summarise
from tests.benchmarks.home import Home
from tests.benchmarks.setup import INDEX, PROFILE, prepare_index

K, EF_SEARCH = 10, 30


class RawSearch:
    """What somebody writes who has the table: one prepared statement, binary, on a warm connection."""

    def __init__(self, dsn: str, variant_id: int, ef_search: int = EF_SEARCH) -> None:
        self._connection = psycopg.connect(dsn, autocommit=True, options="-c search_path=ext")
        register_vector(self._connection)
        self._connection.execute(f"set hnsw.ef_search = {ef_search}")
        self._cursor = self._connection.cursor(binary=True)
        self._statement = (
            "with near as materialized (select chunk_id, row_key, chunk_no, embedding <=> %(vector)s as distance "
            f"from vec.{INDEX} where chunk_id <> {-variant_id} order by embedding <=> %(vector)s limit {K}) "
            "select n.row_key, n.chunk_no, n.distance, t.content, to_jsonb(r) - '{text}'::text[] "
            f"from near n join vec.{INDEX}_text t using (chunk_id) join lake.glosses r on r.id = n.row_key "
            "order by n.distance + 0"
        )

    def __call__(self, vector: Any) -> list[Any]:
        self._cursor.execute(self._statement, {"vector": HalfVector(vector)}, prepare=True)
        return self._cursor.fetchall()


async def _variant_id(database: Database) -> int:
    answer: int = await database.owner().fetch_value("select id from lakeward.index_variant")
    return answer


class Prepared(msgspec.Struct, frozen=True):
    """The figures, and the variant that was built for them."""

    figures: list[Figure]
    variant_id: int


async def _measure(home: Home, corpus: Corpus) -> Prepared:
    database = await open_database(home.service_dsn, home.settings)
    try:
        activation = await prepare_index(database, corpus)
        built = activation.warmed[0]
        variant_id = await _variant_id(database)
        raw = RawSearch(home.admin_dsn, variant_id)
        searcher = Searcher(database, Embedders(FakeEmbedder()))
        profile = await get_profile(database.steward(), PROFILE)
        await ensure_admin_key(database, home.settings.admin_key_file)
        scope = database.reader(profile.role_name)
        figures = await _compare(corpus, searcher, scope, raw, built.vectors / built.build_ms * 1000)
        return Prepared(figures=figures, variant_id=variant_id)
    finally:
        await database.close()


async def _compare(
    corpus: Corpus, searcher: Searcher, scope: Scope, raw: RawSearch, build_rate: float
) -> list[Figure]:
    positions = {gloss.id: n for n, gloss in enumerate(corpus.glosses)}
    requests = [
        SearchRequest(index=INDEX, vector=[float(x) for x in vector], k=K) for vector in corpus.queries
    ]
    ours: list[float] = []
    peer: list[float] = []
    recalls: list[float] = []
    peer_recalls: list[float] = []
    for n in range(50):
        await searcher.search(scope, PROFILE, requests[n % len(requests)])
        raw(corpus.queries[n % len(requests)])
    for part in rounds(range(len(requests)), 10):
        for n in part:
            started = time.perf_counter()
            answer = await searcher.search(scope, PROFILE, requests[n])
            ours.append(time.perf_counter() - started)
            assert answer.method == "hnsw"
            recalls.append(recall_at_10(corpus, n, [hit.doc_key for hit in answer.hits], positions))
        for n in part:
            started = time.perf_counter()
            rows = raw(corpus.queries[n])
            peer.append(time.perf_counter() - started)
            peer_recalls.append(recall_at_10(corpus, n, [row[0] for row in rows], positions))
    mine, theirs = summarise(ours), summarise(peer)
    recall, peer_recall = statistics.fmean(recalls), statistics.fmean(peer_recalls)
    return [
        Figure(
            name="scoped search, in process, p50",
            ours=f"{mine.p50:.2f} ms (p95 {mine.p95:.2f})",
            peer=f"{theirs.p50:.2f} ms (p95 {theirs.p95:.2f})",
            value=mine.p50 / theirs.p50,
            unit="x",
            relation="<=",
            target=1.35,
            note=f"{corpus.source}, ef_search {EF_SEARCH}, k {K}; peer: raw psycopg + pgvector",
        ),
        Figure(
            name="recall@10 beside the peer's",
            ours=f"{recall:.3f}",
            peer=f"{peer_recall:.3f}",
            value=recall - peer_recall,
            unit="",
            relation=">=",
            target=-0.0005,
            note=f"HNSW built at {build_rate:,.0f} vectors/s",
        ),
    ]


def measure(home: Home, corpus: Corpus) -> Prepared:
    """The figures of this module, under the event loop the server uses; leaves the index in place for the HTTP ones."""
    return uvloop.run(_measure(home, corpus))
