"""Reads are on record before they are answered; one that cannot be recorded is not answered."""

import hashlib
from contextlib import contextmanager

import psycopg
import pytest

from app.db.scope import Actor
from app.errors import InternalError, LakewardError, NotFoundError
from app.journal.audit import Call, record_call, record_failure
from tests.integration.api.conftest import Api, api

__all__ = ["api"]


@pytest.fixture(scope="module")
def reader(api: Api):
    """A reader of `people`, which has two rows."""
    assert api.ingest("people", "id,name\n1,Ada\n2,Grace\n", row_key="id").status_code == 201
    api.profile("alpha", "people")
    with api.reader("alpha") as client:
        yield client


@pytest.fixture
def entries(api: Api):
    """The audit entries since the test began."""
    with psycopg.connect(api.deployed.dsn, autocommit=True) as connection:
        last = connection.execute("select coalesce(max(id), 0) from lakeward.audit_entry").fetchone()[0]

        def read():
            cursor = connection.execute(
                "select profile, door, operation, relations, rows, hits, outcome, arguments_sha256, duration_ms, "
                "principal from lakeward.audit_entry where id > %s order by id",
                [last],
            )
            return [dict(zip([c.name for c in cursor.description], row, strict=True)) for row in cursor]

        yield read


@contextmanager
def unrecordable(api: Api):
    """As when the audit cannot be written."""
    with psycopg.connect(api.deployed.dsn, autocommit=True) as connection:
        connection.execute("alter table lakeward.audit_entry add constraint broken check (false) not valid")
        try:
            yield
        finally:
            connection.execute("alter table lakeward.audit_entry drop constraint broken")


def test_a_query_is_on_record(api: Api, reader, entries) -> None:
    text = "select name from people"
    assert reader.post("/query/sql", json={"sql": text}).status_code == 200
    (entry,) = entries()
    assert (entry["profile"], entry["door"], entry["operation"]) == ("alpha", "query", "sql")
    assert (entry["relations"], entry["rows"], entry["outcome"]) == (["people"], 2, "ok")
    assert entry["arguments_sha256"] == hashlib.sha256(text.encode()).hexdigest()
    assert entry["duration_ms"] > 0 and entry["principal"]


@pytest.mark.parametrize(
    ("sql", "outcome", "relations"),
    [
        ("select nothing from people", "invalid_query", ["people"]),
        ("delete from people", "invalid_query", ["people"]),
        ("select * from orders", "invalid_query", []),
        ("", "invalid_input", []),
    ],
)
def test_a_query_that_fails_is_on_record_once(reader, entries, sql, outcome, relations) -> None:
    assert reader.post("/query/sql", json={"sql": sql}).status_code == 400
    ((entry),) = entries()
    assert (entry["door"], entry["outcome"], entry["relations"]) == ("query", outcome, relations)


def test_without_its_entry_a_query_has_no_answer(api: Api, reader) -> None:
    with unrecordable(api):
        answer = reader.post("/query/sql", json={"sql": "select name from people"})
        assert answer.status_code >= 400 and "Ada" not in answer.text
    assert reader.post("/query/sql", json={"sql": "select name from people"}).status_code == 200


def test_history_and_recent_are_on_record(api: Api, reader, entries) -> None:
    with psycopg.connect(api.deployed.dsn, autocommit=True) as connection:
        connection.execute("update lake.people set name = 'A.' where id = 1")
    assert reader.get("/journal/history/1", params={"dataset": "people"}).json()["items"]
    assert reader.get("/journal/history/9", params={"dataset": "people"}).json()["items"] == []
    assert reader.get("/journal/recent", params={"limit": 1}).json()["items"]
    found = [(e["operation"], e["relations"], e["rows"], e["hits"], e["outcome"]) for e in entries()]
    assert found == [
        ("journal history", ["people"], 1, ["1"], "ok"),
        ("journal history", ["people"], 0, None, "ok"),
        ("journal recent", ["people"], 1, ["1"], "ok"),
    ]
    with unrecordable(api):
        answer = reader.get("/journal/history/1", params={"dataset": "people"})
        assert answer.status_code >= 400 and "A." not in answer.text


async def test_a_failure_is_recorded_once_for_each_error(database, world, rows):
    scope = database.reader(world.alpha, Actor(principal="k", profile="alpha"))
    error = NotFoundError("no")
    for _ in range(2):
        await record_failure(database, scope, Call(door="rest", operation="x"), error, error.code)
    assert [entry["outcome"] for entry in rows("select outcome from lakeward.audit_entry")] == ["not_found"]


async def test_what_cannot_be_recorded_is_an_error_or_logged(database, world, caplog):
    with world.deployed.connect() as admin:
        admin.execute("alter table lakeward.audit_entry add constraint broken check (false) not valid")
    scope = database.reader(world.alpha)
    with pytest.raises(LakewardError):
        await record_call(database, scope, Call(door="rest", operation="x"))
    await record_failure(database, scope, Call(door="rest", operation="x"), InternalError(), "internal_error")
    assert "not on record" in caplog.text


async def test_whether_an_answer_waits_for_the_disk_is_a_setting(database):
    assert database.audit_settings == {"synchronous_commit": "off"}
    durable = type(database)(
        database.pool, database.deployment, database.changes, database.service_dsn, audit_durable=True
    )
    assert durable.audit_settings == {}
