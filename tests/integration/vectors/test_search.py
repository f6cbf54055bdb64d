"""A search and its record are one statement: no record, no answer."""

import time
from collections.abc import Sequence
from typing import Any

import pytest
from psycopg import sql

from app.models.fake import FakeEmbedder
from app.models.protocol import Vectors
from tests.integration.api.conftest import Api, api, problem

__all__ = ["api"]


@pytest.fixture(scope="module")
def searched(api: Api) -> Api:
    """Three notes, indexed and activated, and a reader of them."""
    assert (
        api.ingest("notes", "id,t\n1,parsers\n2,a moth in a relay\n3,orbits\n", row_key="id").status_code
        == 201
    )
    api.index("notes", "t", name="notes_v1")
    api.profile("reader", "notes")
    assert api.admin.post("/vectors/profile/reader/activate").json()["failures"] == []
    return api


def entries(api: Api) -> list[Any]:
    """The audit of searches, oldest first."""
    with api.deployed.connect("owner") as connection:
        return connection.execute(
            "select profile, operation, relations, rows, hits, outcome, arguments_sha256, model"
            " from lakeward.audit_entry where door = 'search' order by id"
        ).fetchall()


def test_a_search_is_recorded_with_the_keys_of_its_hits(searched: Api) -> None:
    before = len(entries(searched))
    with searched.reader("reader") as reader:
        reader.headers["X-Lakehouse-Model"] = "llama"
        request = {"index": "notes_v1", "query": "a moth in a relay", "k": 2}
        answer = reader.post("/vectors/profile/reader/search", json=request).json()
    (entry,) = entries(searched)[before:]
    assert answer["method"] == "hnsw"
    assert entry[:4] == ("reader", "notes_v1", ["notes"], 2)
    assert entry[4] == [hit["doc_key"] for hit in answer["hits"]]
    assert entry[5] == "ok" and len(entry[6]) == 64 and "moth" not in entry[6] and entry[7] == "llama"


def test_what_is_asked_for_again_exactly_is_recorded_once(searched: Api) -> None:
    before = len(entries(searched))
    with searched.reader("reader") as reader:
        request = {"index": "notes_v1", "query": "orbits", "k": 50}
        assert reader.post("/vectors/profile/reader/search", json=request).json()["method"] == "exact"
    assert [entry[3] for entry in entries(searched)[before:]] == [3]


def test_a_search_that_cannot_be_recorded_is_not_answered(searched: Api) -> None:
    with searched.deployed.connect("owner") as owner, searched.reader("reader") as reader:
        owner.execute(
            "alter table lakeward.audit_entry add constraint no_more check (door <> 'search') not valid"
        )
        try:
            request = {"index": "notes_v1", "query": "orbits", "k": 1}
            answer = reader.post("/vectors/profile/reader/search", json=request)
        finally:
            owner.execute("alter table lakeward.audit_entry drop constraint no_more")
        assert answer.status_code >= 400 and "orbits" not in answer.text
        assert reader.post("/vectors/profile/reader/search", json=request).status_code == 200


def test_an_index_whose_texts_are_above_the_clearance_is_not_there(searched: Api) -> None:
    with searched.deployed.connect("steward") as steward, searched.reader("reader") as reader:
        steward.execute(
            "update lakeward.dataset_column set sensitivity = 'confidential' where name = 't' and dataset_id ="
            " (select id from lakeward.dataset where name = 'notes')"
        )
        try:
            request = {"index": "notes_v1", "query": "orbits", "k": 1}
            answer = reader.post("/vectors/profile/reader/search", json=request)
            refusal = problem(answer, 403, "profile_not_bound")
            assert "above the clearance" in refusal["detail"] and refusal["allowed_bindings"] == ["notes"]
            problem(reader.get("/vectors/indexes/notes_v1"), 404, "not_found")
            rows = reader.post("/query/sql", json={"sql": "select t from notes"}).json()["rows"]
            assert rows == [[None]] * 3
        finally:
            steward.execute("update lakeward.dataset_column set sensitivity = 'internal' where name = 't'")
        assert reader.post("/vectors/profile/reader/search", json=request).status_code == 200


def test_a_question_is_embedded_once_for_its_reader_and_again_for_another(
    searched: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    embed = FakeEmbedder.embed

    async def listen(self: FakeEmbedder, texts: Sequence[str]) -> Vectors:
        asked.extend(texts)
        return await embed(self, texts)

    monkeypatch.setattr(FakeEmbedder, "embed", listen)
    searched.profile("other", "notes")
    before, request = len(entries(searched)), {"index": "notes_v1", "query": "asked twice"}
    with searched.reader("reader") as reader, searched.reader("other") as other:
        answers = [client.post("/vectors/search", json=request).json() for client in (reader, reader, other)]
    assert asked == ["asked twice"] * 2
    assert answers[0]["hits"] == answers[1]["hits"] == answers[2]["hits"] != []
    assert len(entries(searched)) == before + 3


def graph_scans(api: Api) -> int:
    """How often graphs were walked, once the sessions have said so: they do a second later."""
    with api.deployed.connect() as connection:
        (scans,) = connection.execute(
            "select coalesce(sum(idx_scan), 0) from pg_stat_all_indexes where indexrelname like 'notes%\\_v%'"
        ).fetchone()
    return int(scans)


def test_what_is_called_hnsw_in_sql_walks_the_graph(searched: Api) -> None:
    """Of three chunks the planner would rather sort them all."""
    before = graph_scans(searched)
    with searched.deployed.connect("owner") as owner:
        (dimensions,) = owner.execute("select dimensions from lakeward.vector_index").fetchone()
        (role,) = owner.execute("select role_name from lakeward.profile where id = 'reader'").fetchone()
    with searched.deployed.connect("service") as login:
        login.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
        search = "select method from lakeward.search('notes_v1', array_fill(0.5::real, array[%s]), 1)"
        assert login.execute(search, [dimensions]).fetchone() == ("hnsw",)
    assert_grows(searched, before)


def assert_grows(api: Api, before: int) -> None:
    """A session that was closed has said what it did, an open one does within ten seconds."""
    deadline = time.monotonic() + 15
    while graph_scans(api) == before and time.monotonic() < deadline:
        time.sleep(0.2)
    assert graph_scans(api) > before


@pytest.mark.parametrize("door", ["rest", "sql"])
def test_a_text_that_no_link_leads_to_is_found_in_a_small_index(searched: Api, door: str) -> None:
    """Sixty texts that are nearly the same link to each other alone, and not to the odd one among them."""
    lines = "\n".join([f"{n},same {n % 3}" for n in range(60)] + ["99,odd"])
    assert searched.ingest("alike", f"id,t\n{lines}\n", row_key="id").status_code in (200, 201)
    searched.index("alike", "t", name="alike_v1")
    searched.profile("alike", "alike", hnsw_config={"m": 2, "ef_construction": 4, "ef_search": 10})
    searched.admin.post("/vectors/profile/alike/activate")
    with searched.deployed.connect("owner") as owner:
        # whether its graph is any good or not
        owner.execute("update lakeward.index_variant set state = 'ready'")
        vector = "(select c.embedding::ext.vector::real[] from vec.alike_v1 c where c.row_key = 99)"
        owner.execute("select pg_notify('lakeward_changed', '')")
        (odd,) = owner.execute(f"select {vector}").fetchone()
        (role,) = owner.execute("select role_name from lakeward.profile where id = 'alike'").fetchone()
    if door == "rest":
        with searched.reader("alike") as reader:
            answer = reader.post("/vectors/search", json={"index": "alike_v1", "vector": odd, "k": 3}).json()
        found = (answer["method"], answer["hits"][0]["doc_key"], len(answer["hits"]))
    else:
        with searched.deployed.connect("service") as login:
            login.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
            rows = login.execute(
                "select method, doc_key from lakeward.search('alike_v1', %s::real[], 3)", [odd]
            ).fetchall()
        found = (*rows[0], len(rows))
    assert found == ("hnsw", "99", 3)


def test_a_vector_that_half_precision_cannot_tell_from_nothing_has_no_direction(searched: Api) -> None:
    dimensions = searched.admin.get("/vectors/indexes/notes_v1").json()["dimensions"]
    with searched.reader("reader") as reader:
        for component in (0.0, 1e-9):
            request = {"index": "notes_v1", "vector": [component] * dimensions}
            answer = reader.post("/vectors/profile/reader/search", json=request)
            assert "no direction" in problem(answer, 400, "invalid_input")["detail"]
        request = {"index": "notes_v1", "vector": [1e-7] * dimensions}
        assert reader.post("/vectors/profile/reader/search", json=request).status_code == 200
