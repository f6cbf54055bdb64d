"""Filtered searches answer what the same condition answers in SQL, by every way; values are the reader's own."""

import random
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import AsyncMock

import pytest

from app.db.database import open_database
from app.models.embedders import Embedders
from app.models.fake import FakeEmbedder
from app.profiles.service import get_profile
from app.vectors.calibration import Calibration
from app.vectors.estimates import Estimates
from app.vectors.filter import plan_filter
from app.vectors.models import HitRow, SearchRequest
from app.vectors.near import Ground
from app.vectors.router import Costs
from app.vectors.search import Searcher
from app.vectors.statements import hits_sql
from tests.integration.api.conftest import Api, problem, serving, settings_for

ROWS = 900
TOPICS = ("noun.animal", "noun.act", "verb", "noun.plant")
SYLLABLES = ("ba", "co", "du", "fe", "gi", "lo", "mu", "ne", "ra", "si")


def _write(seed: int) -> str:
    """A few words that few other notes have: of texts that are nearly the same no graph is made."""
    pick = random.Random(seed).choices
    return " ".join("".join(pick(SYLLABLES, k=3)) for _ in range(12))


@pytest.fixture(scope="module")
def api(clone: Callable[[], AbstractContextManager[Any]]) -> Any:
    """900 people, their notes indexed; a reader of a view that masks the name and hides every tenth row."""
    with clone() as deployed, serving(deployed, settings_for(deployed)) as running:
        lines = ["id,topic,name,year,joined,note"]
        lines += [
            f"{n},{TOPICS[n % 4]},Person {n % 50},{2000 + n % 25},2026-01-{n % 28 + 1:02d},red {_write(n)}"
            for n in range(ROWS)
        ]
        assert running.ingest("people", "\n".join(lines), row_key="id").status_code == 201
        view = {
            "name": "people_safe",
            "base_dataset": "people",
            "columns": ["id", "topic", "name", "year", "note"],
            "row_filter": "year <> 2007",
            "redactions": {"name": {"action": "mask", "keep_prefix": 1, "keep_suffix": 1}},
        }
        assert running.admin.post("/catalog/views", json=view).status_code == 201
        running.index("people_safe", "note", name="notes")
        running.profile(
            "reader", "people_safe", hnsw_config={"m": 16, "ef_construction": 80, "ef_search": 100}
        )
        yield running


CASES: list[tuple[dict[str, Any], str]] = [
    ({"topic": "verb"}, "topic = 'verb'"),
    ({"topic": {"$prefix": "noun"}}, "topic like 'noun%'"),
    ({"year": {"$gte": 2010, "$lt": 2012}}, "year >= 2010 and year < 2012"),
    (
        {"topic": {"$in": ["verb", "noun.act"]}, "year": {"$ne": 2001}},
        "topic in ('verb', 'noun.act') and year <> 2001",
    ),
    ({"$or": [{"year": 2003}, {"topic": "noun.plant"}]}, "year = 2003 or topic = 'noun.plant'"),
    ({"$not": {"topic": {"$prefix": "noun"}}}, "not topic like 'noun%'"),
    # as the reader sees it: the mask, not the name
    ({"name": "P*******9"}, "name = 'P*******9'"),
    ({"name": {"$prefix": "Person"}}, "name like 'Person%'"),
    ({"id": {"$lte": 5}}, "id <= 5"),
]


@pytest.mark.parametrize(("wanted", "condition"), CASES, ids=[condition for _, condition in CASES])
def test_a_filter_finds_the_rows_that_sql_finds(api: Api, wanted: dict[str, Any], condition: str) -> None:
    with api.reader("reader") as reader:
        query = {"sql": f"select id from people_safe where {condition} order by id", "max_rows": 1000}
        rows = reader.post("/query/sql", json=query).json()["rows"]
        request = {"index": "notes", "query": "red", "k": 1000, "filter": wanted}
        answer = reader.post("/vectors/profile/reader/search", json=request)
    assert answer.status_code == 200, answer.text
    assert sorted(int(hit["doc_key"]) for hit in answer.json()["hits"]) == [row[0] for row in rows]


@pytest.mark.parametrize("wanted", [{"joined": "2026-01-01"}, {"chunk_id": 1}, {"doc_key": "1"}, {"f1": 1}])
def test_what_the_reader_does_not_see_is_no_field(api: Api, wanted: dict[str, Any]) -> None:
    with api.reader("reader") as reader:
        request = {"index": "notes", "query": "red", "filter": wanted}
        answer = problem(reader.post("/vectors/profile/reader/search", json=request), 400, "invalid_input")
    assert "there are id, name, note, topic, year" in answer["detail"]
    assert "joined" not in answer["detail"].partition("there are")[2]


def test_an_admin_searches_all_of_it(api: Api) -> None:
    request = {"index": "notes", "query": "red 7", "k": 5, "filter": {"joined": "2026-01-08"}}
    answer = api.admin.post("/vectors/search", json=request)
    assert answer.status_code == 200, answer.text
    assert answer.json()["profile"] is None
    assert {hit["metadata"]["joined"] for hit in answer.json()["hits"]} == {"2026-01-08"}
    with api.reader("reader") as reader:
        own = reader.post("/vectors/search", json={"index": "notes", "query": "red"}).json()
        assert own["profile"] == "reader"
        assert "joined" not in own["hits"][0]["metadata"]


def test_an_answer_says_what_it_is_worth(api: Api) -> None:
    activation = api.admin.post("/vectors/profile/reader/activate").json()
    assert activation["failures"] == []
    measured = activation["warmed"][0]["recall"]
    assert 0.9 <= measured["recall"] <= 1 and measured["low"] < measured["recall"]
    with api.reader("reader") as reader:
        answer = reader.post("/vectors/search", json={"index": "notes", "query": "red bacodu"}).json()
        other = reader.post(
            "/vectors/search", json={"index": "notes", "query": "red bacodu", "k": 101}
        ).json()
    assert (answer["method"], answer["recall"]) == ("hnsw", measured)
    # with another beam it was not measured
    assert (other["method"], other["recall"]) == ("hnsw", None)
    assert answer["freshness"]["state"] == "current" and answer["freshness"]["last_embedded_at"]


async def test_what_is_called_hnsw_walks_the_graph(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of some hundred chunks the planner would rather sort them all."""
    assert api.admin.post("/vectors/profile/reader/activate").json()["failures"] == []
    database, plans = await open_database(api.deployed.service_dsn, api.settings), []
    try:
        scope = database.reader((await get_profile(database.steward(), "reader")).role_name)
        fetch = scope.fetch

        async def explaining(kind: Any, statement: Any, parameters: Any = None, **more: Any) -> Any:
            if kind is HitRow:
                rows = await fetch(_Plan, b"explain (format json) " + statement, parameters, **more)
                plans.append(str(rows[0].plan))
            return await fetch(kind, statement, parameters, **more)

        async with database.owner().begin() as transaction:
            await transaction.execute("analyze vec.notes")
        monkeypatch.setattr(scope, "fetch", explaining)
        searcher = Searcher(database, Embedders(FakeEmbedder()))
        for k in (1, 50, 100):
            answer = await searcher.search(scope, "reader", SearchRequest(index="notes", query="red", k=k))
            assert answer.method == "hnsw"
            assert "'Index Name': 'notes_v" in plans[-1], k
    finally:
        await database.close()


class _Plan:
    def __init__(self, **columns: Any) -> None:
        self.plan = columns["QUERY PLAN"]


async def test_every_way_finds_the_same(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the graph, step by step, when that is cheap; exactly, when it is not; and never fewer than there are."""
    assert api.admin.post("/vectors/profile/reader/activate").json()["failures"] == []
    database = await open_database(api.deployed.service_dsn, api.settings)
    try:
        scope = database.reader((await get_profile(database.steward(), "reader")).role_name)
        calibration = Calibration(database)
        searcher = Searcher(database, Embedders(FakeEmbedder()), calibration)
        walk = Costs(distance_us=1000, scan_us=1000, check_us=0.01, visit_us=0.01)
        scan = Costs(distance_us=0.01, scan_us=0.01, check_us=0.01, visit_us=1000)
        for wanted, method in (({"topic": {"$prefix": "noun"}}, "iterative"), ({"id": {"$lt": 20}}, "exact")):
            request = SearchRequest(index="notes", query="red 11", k=10, filter=wanted)
            calibration.costs = scan
            exact = await searcher.search(scope, "reader", request)
            calibration.costs = walk
            walked = await searcher.search(scope, "reader", request)
            assert (exact.method, walked.method) == ("exact", method)
            assert len(exact.hits) == 10
            assert [hit.distance for hit in walked.hits] == pytest.approx(
                [hit.distance for hit in exact.hits]
            )
        # an estimate that was wrong: the walk comes home with too little, and it is asked again
        monkeypatch.setattr(searcher._estimates, "share", AsyncMock(return_value=0.9))
        request = SearchRequest(index="notes", query="red", k=10, filter={"id": {"$in": [11, 12]}})
        answer = await searcher.search(scope, "reader", request)
        assert (answer.method, answer.returned, answer.truncated) == ("exact", 2, False)
    finally:
        await database.close()


async def test_how_much_a_filter_leaves_is_known_from_what_the_reader_sees(api: Api) -> None:
    """The planner's statistics are of hidden rows, too, and the method of an answer would tell of them."""
    database = await open_database(api.deployed.service_dsn, api.settings)
    try:
        scope = database.reader((await get_profile(database.steward(), "reader")).role_name)
        searcher = Searcher(database, Embedders(FakeEmbedder()))
        route = await searcher._route(scope, "reader", "notes")
        ground = Ground(database.deployment.ext_schema, route.table_name, hits_sql(route))
        shares = []
        for hidden in ("verb", "noun.act"):
            async with database.owner().begin() as transaction:
                await transaction.execute("update lake.people set topic = %s where year = 2007", [hidden])
                await transaction.execute("analyze lake.people")
                await transaction.execute("analyze vec.notes")
            estimates = Estimates(database)
            for wanted in ({"topic": "verb"}, {"topic": {"$prefix": "noun"}}, {"id": -1}):
                plan = plan_filter(wanted, route.fields)
                assert plan is not None
                shares.append(await estimates.share(scope, ground, route.chunks, plan))
        assert shares[:3] == shares[3:]
        assert shares[0] == pytest.approx(0.25, abs=0.08) and shares[1] == pytest.approx(0.75, abs=0.08)
        assert shares[2] == 0
    finally:
        await database.close()
