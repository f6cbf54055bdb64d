"""What is refused is on record, under the name of who asked for it."""

import psycopg
import pytest

from app.journal import refusals
from tests.integration.api.conftest import Api, api

__all__ = ["api"]


@pytest.fixture(scope="module")
def reader(api: Api):
    """A reader of nothing."""
    api.ingest("people", "id,name\n1,Ada\n", row_key="id")
    api.index("people", "name")
    api.profile("alpha")
    api.profile("beta", "people")
    with api.reader("alpha") as client:
        yield client


@pytest.fixture
def refused(api: Api):
    """The refusals since the test began."""
    with psycopg.connect(api.deployed.dsn, autocommit=True) as connection:
        last = connection.execute("select coalesce(max(id), 0) from lakeward.audit_entry").fetchone()[0]
        yield lambda: connection.execute(
            "select principal <> '', profile, door, operation, outcome from lakeward.audit_entry "
            "where id > %s and outcome <> 'ok' order by id",
            [last],
        ).fetchall()


SEARCH = "/vectors/profile/{profile_id}/search"
CASES = [
    (
        "GET",
        "/catalog/datasets/by-name/people",
        {},
        ("rest", "GET /catalog/datasets/by-name/{name}", "not_found"),
    ),
    ("GET", "/access/keys", {}, ("rest", "GET /access/keys", "forbidden")),
    ("GET", "/journal/verify", {}, ("rest", "GET /journal/verify", "forbidden")),
    ("GET", "/journal/recent?what=1", {}, ("rest", "GET /journal/recent", "invalid_input")),
    (
        "POST",
        "/vectors/profile/alpha/search",
        {"index": "people_v1", "query": "x"},
        ("search", f"POST {SEARCH}", "profile_not_bound"),
    ),
    (
        "POST",
        "/vectors/profile/beta/search",
        {"index": "people_v1", "query": "x"},
        ("search", f"POST {SEARCH}", "forbidden"),
    ),
    (
        "POST",
        "/vectors/profile/alpha/search",
        {"index": "none", "query": "x"},
        ("search", f"POST {SEARCH}", "not_found"),
    ),
    ("POST", "/query/sql", {"sql": 1}, ("query", "POST /query/sql", "invalid_input")),
]


@pytest.mark.parametrize(("method", "path", "body", "expected"), CASES)
def test_a_refusal_is_on_record(reader, refused, method, path, body, expected) -> None:
    answer = reader.request(method, path, json=body or None)
    assert answer.status_code >= 400
    assert refused() == [(True, "alpha", *expected)]


def test_another_profile_than_the_keys_own(reader, refused) -> None:
    assert reader.get("/whoami", headers={"X-Lakehouse-Profile": "beta"}).status_code == 403
    assert refused() == [(True, "alpha", "rest", "GET /whoami", "forbidden")]


def test_an_unknown_key_is_on_record_without_a_name(api: Api, refused) -> None:
    for key in (None, "lw_abcdef_" + "x" * 43, "nonsense"):
        with api.client(key) as client:
            assert client.get("/whoami").status_code == 401
    assert refused() == [(False, None, "rest", "GET /whoami", "unauthenticated")] * 3


def test_a_flood_of_unknown_keys_does_not_fill_the_disk(monkeypatch) -> None:
    now = 7.0
    monkeypatch.setattr(refusals.time, "monotonic", lambda: now)
    hook = refusals.Refusals()
    assert sum(hook._admits_unknown() for _ in range(1000)) == refusals.UNKNOWN_PER_S
    now = 8.0
    assert sum(hook._admits_unknown() for _ in range(1000)) == refusals.UNKNOWN_PER_S


@pytest.mark.parametrize("path", ["/health", "/nowhere", "/schema/openapi.json", "/ready"])
def test_what_is_open_to_all_or_not_there_is_not(api: Api, refused, path) -> None:
    with api.client(None) as client:
        client.get(path)
    assert refused() == []


def test_a_refusal_is_answered_when_it_cannot_be_recorded(api: Api, reader) -> None:
    with psycopg.connect(api.deployed.dsn, autocommit=True) as connection:
        connection.execute("alter table lakeward.audit_entry add constraint broken check (false) not valid")
        try:
            assert reader.get("/access/keys").status_code == 403
        finally:
            connection.execute("alter table lakeward.audit_entry drop constraint broken")


def test_the_admin_lists_them(api: Api, reader) -> None:
    reader.get("/access/keys")
    page = api.admin.get("/access/audit", params={"profile": "alpha", "outcome": "forbidden", "door": "rest"})
    assert page.status_code == 200
    assert page.json()["items"][0]["operation"] == "GET /access/keys"
