"""/access/users: a login for psql is one profile; nobody but an admin makes one, and no password is kept."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.integration.api.conftest import Api, api, problem

__all__ = ["api"]
PASSWORD = "correct horse battery"


@pytest.fixture(scope="module", autouse=True)
def people(api: Api) -> None:
    api.ingest("people", "id,name\n1,Ada\n2,Grace\n", row_key="id")
    api.ingest("orders", "id,amount\n7,12\n", row_key="id")
    api.profile("alpha", "people")
    api.profile("beta", "orders")


@pytest.fixture
def name(api: Api) -> Iterator[str]:
    """A name that no other test uses; roles are the whole server's."""
    chosen = f"anna-{api.deployed.name[-8:]}"
    yield chosen
    api.admin.delete(f"/access/users/{chosen}")


def create(api: Api, name: str, **fields: Any) -> httpx.Response:
    return api.admin.post("/access/users", json={"name": name, "profile": "alpha", **fields})


def login(api: Api, name: str, password: str, **options: Any) -> psycopg.Connection:
    dsn = make_conninfo(api.deployed.dsn, user=name, password=password)
    return psycopg.connect(dsn, autocommit=True, **options)


def test_a_user_reads_as_its_profile_with_the_password_that_is_shown_once(api: Api, name: str) -> None:
    answer = create(api, name)
    assert answer.status_code == 201, answer.text
    user = answer.json()
    assert (user["profile"], user["search_path"], user["valid_until"]) == ("alpha", "p_alpha", None)
    assert len(user["password"]) >= 32 and user["password"] not in user["url"]
    with psycopg.connect(user["url"], password=user["password"], autocommit=True) as connection:
        assert connection.execute("select name from people order by id").fetchall() == [("Ada",), ("Grace",)]
        with pytest.raises(psycopg.errors.UndefinedTable):
            connection.execute("select * from orders")
        listed = api.admin.get("/access/users").json()["items"]
        assert listed == [{"name": name, "profile": "alpha", "valid_until": None, "sessions": 1}]
    assert "password" not in api.admin.get("/access/users").text


def test_a_password_of_ones_own_is_not_in_the_answer_and_not_in_the_database(api: Api, name: str) -> None:
    answer = create(api, name, password=PASSWORD)
    assert answer.status_code == 201 and PASSWORD not in answer.text
    assert answer.json()["password"] is None
    with login(api, name, PASSWORD) as connection:
        assert connection.execute("select session_user::text").fetchone() == (name,)
    with pytest.raises(psycopg.OperationalError):
        login(api, name, "another password")
    with api.deployed.connect() as admin:
        stored = admin.execute("select rolpassword from pg_authid where rolname = %s", [name]).fetchone()
        assert stored[0].startswith("SCRAM-SHA-256$")
        dump = admin.execute("select string_agg(j::text, '') from lakeward.journal j").fetchone()
    assert PASSWORD not in dump[0] and "SCRAM" not in dump[0] and name in dump[0]


def test_a_login_ends_when_it_was_said_to(api: Api, name: str) -> None:
    until = datetime.now(UTC) + timedelta(seconds=1.5)
    assert create(api, name, password=PASSWORD, valid_until=until.isoformat()).status_code == 201
    listed = api.admin.get("/access/users").json()["items"][0]
    assert datetime.fromisoformat(listed["valid_until"]) == until
    with login(api, name, PASSWORD) as connection:
        connection.execute("select pg_sleep(1.6)")
    with pytest.raises(psycopg.OperationalError):
        login(api, name, PASSWORD)


def test_a_deleted_user_is_out_at_once(api: Api, name: str) -> None:
    """A session does not end with its role: without more it would go on reading."""
    create(api, name, password=PASSWORD)
    with login(api, name, PASSWORD) as connection:
        connection.execute("begin")
        connection.execute("select * from people")
        deleted = api.admin.delete(f"/access/users/{name}")
        assert deleted.json() == {"name": name, "profile": "alpha", "sessions": 1}
        with pytest.raises(psycopg.OperationalError):
            connection.execute("select * from people")
    with pytest.raises(psycopg.OperationalError):
        login(api, name, PASSWORD)
    problem(api.admin.delete(f"/access/users/{name}"), 404, "not_found")
    assert api.admin.get("/access/users").json()["items"] == []


def test_who_sits_on_a_view_does_not_keep_the_profile(api: Api, name: str) -> None:
    api.profile("gamma", "people")
    answer = create(api, name, profile="gamma", password=PASSWORD)
    assert answer.status_code == 201, answer.text
    with login(api, name, PASSWORD) as connection:
        connection.execute("set idle_in_transaction_session_timeout = 0")
        connection.execute("begin")
        connection.execute("select * from people")
        assert api.admin.delete("/catalog/profiles/gamma").status_code == 200
        with pytest.raises(psycopg.OperationalError):
            connection.execute("select * from people")
    assert api.admin.get("/access/users").json()["items"] == []


NAMES = [
    "",
    "Anna",
    "1a",
    "a b",
    "a" * 64,
    "pg_anna",
    "public",
    "none",
    "current_user",
    'a"b',
    "é",
    "a;b",
    "x\n",
    "lw_me",
]


@pytest.mark.parametrize("bad", NAMES)
def test_a_name_that_is_no_users(api: Api, bad: str) -> None:
    answer = create(api, bad, password=PASSWORD)
    document = problem(answer, 400, "invalid_name" if bad else "invalid_input")
    assert PASSWORD not in answer.text and document["detail"]


@pytest.mark.parametrize("role", ["owner_role", "service_role", "profile_prefix"])
def test_a_name_of_lakewards_own_is_refused(api: Api, role: str) -> None:
    problem(create(api, getattr(api.deployed.deployment, role).rstrip("_")), 400, "invalid_name")


def test_a_name_that_the_server_has_is_refused_and_says_so(api: Api, name: str) -> None:
    taken = api.deployed.connect().execute("select current_user::text").fetchone()[0]
    assert taken in problem(create(api, taken), 409, "conflict")["detail"]
    assert create(api, name).status_code == 201
    problem(create(api, name, profile="beta"), 409, "conflict")


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"profile": "nobody"}, 404, "not_found"),
        ({"profile": "x' or true --"}, 404, "not_found"),
        ({"password": "short secret"[:11]}, 400, "invalid_input"),
        ({"password": "secret\0secret\0secret"}, 400, "invalid_input"),
        ({"valid_until": "2020-01-01T00:00:00Z"}, 400, "invalid_input"),
        ({"valid_until": "2920-01-01T00:00:00"}, 400, "invalid_input"),
        ({"verifier": "SCRAM-SHA-256$x"}, 400, "invalid_input"),
        ({"superuser": True}, 400, "invalid_input"),
    ],
)
def test_a_request_that_is_wrong(api: Api, name: str, fields: dict[str, Any], status: int, code: str) -> None:
    answer = create(api, name, **fields)
    problem(answer, status, code)
    assert "secret" not in answer.text
    assert api.admin.get("/access/users").json()["items"] == []


def test_a_reader_makes_no_user_and_sees_none(api: Api, name: str) -> None:
    create(api, name)
    with api.reader("alpha") as reader:
        problem(reader.post("/access/users", json={"name": "eve", "profile": "alpha"}), 403, "forbidden")
        problem(reader.get("/access/users"), 403, "forbidden")
        problem(reader.delete(f"/access/users/{name}"), 403, "forbidden")
    acting = api.admin.get("/access/users", headers={"X-Lakehouse-Profile": "alpha"})
    problem(acting, 403, "forbidden")


def test_no_other_role_can_be_deleted(api: Api) -> None:
    deployment = api.deployed.deployment
    for role in (
        deployment.service_role,
        deployment.owner_role,
        f"{deployment.profile_prefix}alpha",
        "postgres",
    ):
        problem(api.admin.delete(f"/access/users/{role}"), 404, "not_found")


def test_who_made_and_deleted_a_user_is_in_the_journal(api: Api, name: str) -> None:
    create(api, name, password=PASSWORD)
    api.admin.delete(f"/access/users/{name}")
    with api.deployed.connect() as admin:
        entries = admin.execute(
            "select kind, new ->> 'profile', actor <> '', source from lakeward.journal"
            " where entity = %s order by id desc limit 2",
            [name],
        ).fetchall()
    assert entries == [("login_dropped", None, True, "api"), ("login_created", "alpha", True, "api")]
