"""Words beside vectors, under the same scope: a reader finds by words what its own view shows, and nothing else."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import psycopg
import pytest

from app.db.database import open_database
from app.models.embedders import Embedders
from app.models.fake import FakeEmbedder
from app.profiles.service import get_profile
from app.vectors.models import SearchRequest
from app.vectors.search import Searcher
from tests.integration.api.conftest import Api, problem, serving, settings_for

NOTES = {
    1: "The parser reads bytes",
    2: "A moth was found in a relay",
    3: "Relays click; a relay is a switch",
    4: "Orbits are ellipses",
    5: "secret relay of the embassy",
    6: "Die Brücke über den Fluß",
}


@pytest.fixture(scope="module")
def api(clone: Callable[[], AbstractContextManager[Any]]) -> Any:
    """Six notes, one of which the reader's view hides; a tombstone on none yet."""
    with clone() as deployed, serving(deployed, settings_for(deployed)) as running:
        rows = "\n".join(f'{key},"{note}"' for key, note in NOTES.items())
        assert running.ingest("notes", "id,note\n" + rows, row_key="id").status_code == 201
        view = {"name": "open", "base_dataset": "notes", "columns": ["id", "note"], "row_filter": "id <> 5"}
        assert running.admin.post("/catalog/views", json=view).status_code == 201
        running.index("open", "note", name="open_v1")
        running.index("notes", "note", name="notes_v1")
        running.profile("reader", "open")
        yield running


def find(api: Api, query: str, mode: str, **more: Any) -> Any:
    with api.reader("reader") as reader:
        answer = reader.post(
            "/vectors/search", json={"index": "open_v1", "query": query, "mode": mode, **more}
        )
    assert answer.status_code == 200, answer.text
    return answer.json()


def ok(answer: Any) -> None:
    assert answer.status_code == 200, answer.text


def keys(answer: Any) -> list[str]:
    return [hit["doc_key"] for hit in answer["hits"]]


def test_words_are_found_by_stem_the_more_the_better(api: Api) -> None:
    answer = find(api, "relays", "text")
    assert (answer["method"], keys(answer)) == ("text", ["3", "2"])
    assert answer["hits"][0]["score"] > answer["hits"][1]["score"] > 0
    assert answer["hits"][0]["distance"] is None
    assert keys(find(api, "Brücke", "text")) == ["6"]
    assert keys(find(api, "the of and", "text")) == []
    assert keys(find(api, "relay | ! & :* ( ' \\", "text")) == ["3", "2"]


def test_both_lists_are_one(api: Api) -> None:
    answer = find(api, "relay orbits", "hybrid", k=3)
    assert answer["method"] == "hybrid"
    assert set(keys(answer)) == {"2", "3", "4"}
    first = answer["hits"][0]
    assert first["score"] <= 2 / 61 and first["distance"] is not None
    # the words alone say nothing of these two, the vectors do
    assert len(find(api, "relay", "hybrid", k=5)["hits"]) == 5


def test_filters_hold_for_words_too(api: Api) -> None:
    assert keys(find(api, "relay", "text", filter={"id": {"$gt": 2}})) == ["3"]
    assert set(keys(find(api, "relay", "hybrid", filter={"id": {"$in": [2, 4]}}))) == {"2", "4"}


def test_a_tombstone_is_gone_from_the_words_at_once(api: Api) -> None:
    gone = {"row_key_column": "id", "row_key_values": [2]}
    assert api.admin.post("/catalog/datasets/by-name/notes/tombstone", json=gone).status_code == 200
    assert keys(find(api, "relay", "text")) == ["3"]
    assert "2" not in keys(find(api, "moth relay", "hybrid"))
    assert api.admin.post("/catalog/datasets/by-name/notes/tombstone/undo", json=gone).status_code == 200
    api.index("open", "note", name="open_v1")
    assert keys(find(api, "relay", "text")) == ["3", "2"]


def test_words_are_searched_with_a_record_or_not_at_all(api: Api) -> None:
    """A person's own session could try out words, one by one, and leave no trace."""
    with api.deployed.connect("owner") as connection:
        before = connection.execute(
            "select count(*) from lakeward.audit_entry where door = 'search'"
        ).fetchone()
        find(api, "orbits", "text")
        after = connection.execute(
            "select count(*) from lakeward.audit_entry where door = 'search'"
        ).fetchone()
        assert after[0] == before[0] + 1
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("select * from lakeward.match_words(1, 'relay', 10)")
    # the other index is over what the reader is not bound to
    with api.reader("reader") as reader:
        other = {"index": "notes_v1", "query": "relay", "mode": "text"}
        problem(reader.post("/vectors/search", json=other), 403, "profile_not_bound")


@pytest.mark.parametrize(
    "asked", [{"mode": "text"}, {"mode": "hybrid"}, {"rerank": True}], ids=["text", "hybrid", "rerank"]
)
def test_words_need_words(api: Api, asked: dict[str, Any]) -> None:
    request = {"index": "open_v1", "vector": [1.0] * 384, **asked}
    with api.reader("reader") as reader:
        problem(reader.post("/vectors/search", json=request), 400, "invalid_input")
        if "rerank" in asked:
            answer = problem(
                reader.post("/vectors/search", json={"index": "open_v1", "query": "x", **asked}),
                400,
                "invalid_input",
            )
            assert "models.rerank" in answer["detail"]


class Shortest:
    """Prefers short texts: nothing that a search would."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.meanwhile: Callable[[], None] = lambda: None

    async def rerank(self, query: str, texts: Sequence[str]) -> list[float]:
        self.shown = list(texts)
        self.meanwhile()
        return [-float(len(text)) for text in texts]

    async def close(self) -> None:
        """Nothing."""


async def test_a_reranker_orders_what_the_reader_may_see(api: Api) -> None:
    database = await open_database(api.deployed.service_dsn, api.settings)
    try:
        reranker = Shortest()
        searcher = Searcher(database, Embedders(FakeEmbedder()), reranker=reranker)
        scope = database.reader((await get_profile(database.steward(), "reader")).role_name)
        request = SearchRequest(index="open_v1", query="relay", k=2, rerank=True)
        answer = await searcher.search(scope, "reader", request)
        assert [hit.doc_key for hit in answer.hits] == ["4", "1"]
        assert answer.hits[0].score == -len(NOTES[4])
        # shown more than were asked for, and nothing of the hidden row
        assert sorted(reranker.shown) == sorted(note for key, note in NOTES.items() if key != 5)
    finally:
        await database.close()


async def test_what_goes_while_the_reranker_reads_is_not_answered(api: Api) -> None:
    """And that texts went to it is on record, whatever became of them."""
    with api.deployed.connect("owner") as owner:
        before = owner.execute("select max(id) from lakeward.audit_entry").fetchone()
    body = {"row_key_column": "id", "row_key_values": [4], "reason": "left"}
    tombstone = "/catalog/datasets/by-name/notes/tombstone"
    database = await open_database(api.deployed.service_dsn, api.settings)
    try:
        reranker = Shortest()
        reranker.meanwhile = lambda: ok(api.admin.post(tombstone, json=body))
        searcher = Searcher(database, Embedders(FakeEmbedder()), reranker=reranker)
        scope = database.reader((await get_profile(database.steward(), "reader")).role_name)
        request = SearchRequest(index="open_v1", query="relay", k=2, rerank=True)
        answer = await searcher.search(scope, "reader", request)
        assert NOTES[4] in reranker.shown
        assert "4" not in [hit.doc_key for hit in answer.hits] and len(answer.hits) == 2
    finally:
        await database.close()
        undo = {"row_key_column": "id", "row_key_values": [4]}
        ok(api.admin.post(f"{tombstone}/undo", json=undo))
    with api.deployed.connect("owner") as owner:
        entries = owner.execute(
            "select operation, rows from lakeward.audit_entry where id > %s and door = 'search' order by id",
            before,
        ).fetchall()
    assert ("rerank open_v1", len(reranker.shown)) in entries
