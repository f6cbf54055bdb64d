"""What a version was judged by is the admin's: eval sets by name, and what other readers' profiles ask for."""

import json
from typing import Any

import psycopg
import pytest

from tests.integration.api.conftest import Api, api
from tests.integration.security.conftest import session_as

__all__ = ["api"]
GATE = {
    "quality": {"eval": "judged", "questions": 20},
    "graphs": [{"m": 16, "ef_search": 770_077}],
    "missed": [],
}


@pytest.fixture(scope="module")
def gated(api: Api) -> Api:
    """An index that a gate was passed for."""
    api.ingest("notes", "id,t\n1,amber\n2,birch\n", row_key="id")
    api.index("notes", "t", name="notes_v1")
    api.profile("reader", "notes")
    with api.deployed.connect("owner") as owner:
        owner.execute(
            "insert into lakeward.index_gate select id, %s from lakeward.vector_index", [json.dumps(GATE)]
        )
    return api


def test_an_admin_is_told(gated: Api) -> None:
    index = gated.admin.get("/vectors/indexes/notes_v1").json()
    assert [version["gate"] for version in index["versions"]] == [GATE]


def test_a_reader_is_not(gated: Api) -> None:
    with gated.reader("reader") as client:
        for path in ("/vectors/indexes/notes_v1", "/vectors/indexes"):
            answer = client.get(path)
            assert answer.status_code == 200, answer.text
            assert "judged" not in answer.text and "770077" not in answer.text
        index: Any = client.get("/vectors/indexes/notes_v1").json()
    assert [(version["state"], version["gate"]) for version in index["versions"]] == [("live", None)]


@pytest.mark.parametrize(
    "statement",
    [
        "select gate from lakeward.index_gate",
        "select count(*) from lakeward.index_gate",
        "select 1 from lakeward.index_gate where gate::text like '%judged%'",
    ],
)
def test_nor_in_psql(gated: Api, statement: str) -> None:
    with session_as(gated.deployed, "reader") as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement.encode())
        asked = "select name, lakeward.gate_of(id) from lakeward.vector_index"
        assert connection.execute(asked.encode()).fetchall() == [("notes_v1", None)]


def test_the_index_itself_is_shown_whole(gated: Api) -> None:
    """`select *` is what people type."""
    with session_as(gated.deployed, "reader") as connection:
        [row] = connection.execute("select to_jsonb(i) from lakeward.vector_index i").fetchall()
        assert len(connection.execute("select * from lakeward.vector_index").fetchall()) == 1
    assert row[0]["name"] == "notes_v1" and "judged" not in str(row)
