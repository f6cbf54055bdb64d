"""What a version was judged by is the admin's: eval sets by name, and what other readers' profiles ask for."""

import json
from typing import Any

import psycopg
import pytest

from tests.integration.api.conftest import Api, api
from tests.integration.security.conftest import session_as

__all__ = ["api"]
GATE = {"quality": {"eval": "judged", "questions": 20}, "graphs": [{"m": 16, "ef_search": 77}], "missed": []}


@pytest.fixture(scope="module")
def gated(api: Api) -> Api:
    """An index that a gate was passed for."""
    api.ingest("notes", "id,t\n1,amber\n2,birch\n", row_key="id")
    api.index("notes", "t", name="notes_v1")
    api.profile("reader", "notes")
    with api.deployed.connect("owner") as owner:
        owner.execute("update lakeward.vector_index set gate = %s", [json.dumps(GATE)])
    return api


def test_an_admin_is_told(gated: Api) -> None:
    index = gated.admin.get("/vectors/indexes/notes_v1").json()
    assert [version["gate"] for version in index["versions"]] == [GATE]


def test_a_reader_is_not(gated: Api) -> None:
    with gated.reader("reader") as client:
        for path in ("/vectors/indexes/notes_v1", "/vectors/indexes"):
            answer = client.get(path)
            assert answer.status_code == 200, answer.text
            assert "judged" not in answer.text and "77" not in answer.text
        index: Any = client.get("/vectors/indexes/notes_v1").json()
    assert [(version["state"], version["gate"]) for version in index["versions"]] == [("live", None)]


@pytest.mark.parametrize(
    "statement",
    [
        "select gate from lakeward.vector_index",
        "select * from lakeward.vector_index",
        "select to_jsonb(i) from lakeward.vector_index i",
        "select 1 from lakeward.vector_index where gate::text like '%judged%'",
        "select count(*) from lakeward.vector_index i group by i.gate",
    ],
)
def test_nor_in_psql(gated: Api, statement: str) -> None:
    with session_as(gated.deployed, "reader") as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement.encode())
        asked = "select name, lakeward.gate_of(id) from lakeward.vector_index"
        assert connection.execute(asked.encode()).fetchall() == [("notes_v1", None)]


def test_every_other_column_is_shown(gated: Api) -> None:
    """As before; a column that is added later is granted when sql/ is installed after it."""
    with session_as(gated.deployed, "reader") as connection:
        hidden = connection.execute(
            "select attname from pg_attribute where attrelid = 'lakeward.vector_index'::regclass and attnum > 0"
            " and not attisdropped and not has_column_privilege(attrelid, attnum, 'select')"
        ).fetchall()
    assert hidden == [("gate",)]
