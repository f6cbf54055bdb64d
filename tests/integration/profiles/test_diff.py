"""Diff says what a change would show or hide: exactly what making it shows or hides, and it makes nothing."""

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest

from tests.integration.api.conftest import Api, api, problem

__all__ = ["api"]

VIEW = {
    "name": "north",
    "base_dataset": "staff",
    "columns": ["id", "name", "city"],
    "row_filter": "city = 'Kiel'",
    "redactions": {"name": {"action": "mask", "keep_prefix": 1}},
}
STAFF = "id,name,pay,born,city\n" + "".join(
    f"{n},Name{n},{n * 10},19{n + 50}-01-02,{'Kiel' if n % 3 == 0 else 'Bern'}\n" for n in range(12)
)


def diff(api: Api, profile: str, **change: Any) -> dict[str, Any]:
    answer = api.admin.post(f"/catalog/profiles/{profile}/diff", json=change)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


@pytest.fixture(scope="module")
def staff(api: Api) -> Iterator[Api]:
    """Twelve people, four of them in the north; notes; an index over each."""
    assert api.ingest("staff", STAFF, row_key="id").status_code == 201
    assert api.ingest("notes", "id,body\n1,hello\n2,bye\n", row_key="id").status_code == 201
    assert api.admin.post("/catalog/views", json=VIEW).status_code == 201
    for source, column in (("staff", "name"), ("notes", "body"), ("north", "name")):
        api.index(source, column)
    yield api


def test_binding_and_unbinding(staff: Api) -> None:
    staff.profile("bound", "staff")
    found = diff(staff, "bound", bind=["notes"], unbind=["staff"])
    notes, people = found["relations"]
    assert (notes["name"], notes["kind"], notes["change"]) == ("notes", "dataset", "added")
    assert notes["rows"] == {"before": 0, "after": 2, "newly_seen": 2, "no_longer_seen": 0}
    assert [(c["name"], c["before"], c["after"]["action"]) for c in notes["columns"]] == [
        ("id", None, None),
        ("body", None, None),
    ]
    assert (people["name"], people["change"]) == ("staff", "removed")
    assert people["rows"] == {"before": 12, "after": 0, "newly_seen": 0, "no_longer_seen": 12}
    assert [index["name"] for index in found["indexes_gained"]] == ["notes_v1"]
    assert [index["name"] for index in found["indexes_lost"]] == ["staff_v1"]
    assert "not be bound to staff" in found["indexes_lost"][0]["reason"]
    # what is bound already is no change
    assert diff(staff, "bound", bind=["staff"])["unchanged"] == ["staff"]
    assert diff(staff, "bound")["relations"] == []


def test_a_sensitivity_that_would_change(staff: Api) -> None:
    staff.profile("levels", "staff", "north", "notes", access_role="analyst")
    found = diff(staff, "levels", columns={"staff": {"name": "confidential", "pay": "unclassified"}})
    (people,) = found["relations"]
    assert people["change"] == "changed" and found["unchanged"] == ["north", "notes"]
    assert people["rows"] == {"before": 12, "after": 12, "newly_seen": 0, "no_longer_seen": 0}
    name, pay = people["columns"]
    assert (name["before"]["action"], name["after"]["action"]) == (None, "hash")
    assert (name["before"]["reason"], name["after"]["reason"]) == (
        "it is internal, the clearance is internal",
        "it is confidential, above the clearance internal: hash",
    )
    assert (pay["before"]["shown"], pay["after"]["shown"], pay["after"]["type"]) == (True, False, None)
    assert found["indexes_gained"] == []
    assert [(i["name"], "confidential" in i["reason"]) for i in found["indexes_lost"]] == [("staff_v1", True)]
    # and when nothing of it is left, nothing of it is seen
    closed = dict.fromkeys(["id", "name", "pay", "born", "city"], "unclassified")
    (people,) = diff(staff, "levels", columns={"staff": closed})["relations"]
    assert people["rows"] == {"before": 12, "after": 0, "newly_seen": 0, "no_longer_seen": 12}


def test_a_role_that_would_change(staff: Api) -> None:
    levels = {"columns": {"staff": {"pay": "confidential", "name": "confidential"}}}
    staff.profile("roles", "staff", "north")
    found = diff(staff, "roles", access_role="recruiter", **levels)
    assert found["relations"] == []
    assert (found["access"]["before"]["access_role"], found["access"]["after"]["clearance"]) == (
        "agent",
        "confidential",
    )
    # a role as it would be, and one that is not there yet
    role = {"clearance": "public", "default_action": "mask", "keep_suffix": 1}
    for extra in ({}, {"access_role": "newcomer"}):
        found = diff(staff, "roles", role=role, **extra)
        (people,) = found["relations"]
        actions = {column["name"]: column["after"]["action"] for column in people["columns"]}
        assert actions == dict.fromkeys(["id", "name", "pay", "born", "city"], "mask")
        assert {column["after"]["keep_suffix"] for column in people["columns"]} == {1}
        assert found["access"]["after"]["access_role"] == extra.get("access_role", "agent")
        assert [index["name"] for index in found["indexes_lost"]] == ["staff_v1"]
    assert diff(staff, "roles", role={"clearance": "internal", "can_write": True})["access"]["after"][
        "can_write"
    ]


def test_a_view_that_would_change_shows_which_rows_come_and_go(staff: Api) -> None:
    moved = {
        **VIEW,
        "name": "part",
        "row_filter": "pay < 50",
        "columns": ["id", "pay"],
        "redactions": {"pay": {"action": "hash"}},
    }
    # new, and bound with the same change
    staff.profile("views", "notes")
    (part,) = diff(staff, "views", view=moved, bind=["part"])["relations"]
    assert (part["change"], part["kind"], part["row_filter_after"]) == ("added", "view", "pay < 50")
    assert part["rows"] == {"before": 0, "after": 5, "newly_seen": 5, "no_longer_seen": 0}
    shown = {c["name"]: (c["after"]["shown"], c["after"]["action"]) for c in part["columns"]}
    assert shown == {
        "id": (True, None),
        "pay": (True, "hash"),
        "name": (False, None),
        "born": (False, None),
        "city": (False, None),
    }
    problem(staff.admin.get("/catalog/views/part"), 404, "not_found")
    # there, bound, and changed
    assert staff.admin.post("/catalog/views", json=moved).status_code == 201
    staff.profile("views", "notes", "part")
    change = {**moved, "row_filter": "pay >= 30 and city = 'Bern'", "redactions": {}}
    (part,) = diff(staff, "views", view=change)["relations"]
    # before 0 10 20 30 40; after 40 50 70 80 100 110
    assert part["rows"] == {"before": 5, "after": 6, "newly_seen": 5, "no_longer_seen": 4}
    assert [(c["name"], c["before"]["type"], c["after"]["type"]) for c in part["columns"]] == [
        ("pay", "text", "bigint")
    ]
    # onto another dataset: other rows throughout
    other = {"name": "part", "base_dataset": "notes", "columns": ["id"], "row_filter": "id = 1"}
    (part,) = diff(staff, "views", view=other)["relations"]
    assert part["rows"] == {"before": 5, "after": 1, "newly_seen": 1, "no_longer_seen": 5}
    # the same again, and one that it is not bound to
    assert diff(staff, "views", view=moved)["unchanged"] == ["notes", "part"]
    assert diff(staff, "views", view={**moved, "name": "unseen"})["relations"] == []


@pytest.mark.parametrize(
    ("change", "status", "code", "said"),
    [
        ({"bind": ["nothing", "neither"]}, 404, "not_found", "'neither', 'nothing'"),
        ({"unbind": ["notes"]}, 404, "not_found", "it is bound to staff"),
        ({"bind": ["notes", "notes"]}, 400, "invalid_input", "twice"),
        ({"bind": ["staff"], "unbind": ["staff"]}, 400, "invalid_input", "both name staff"),
        ({"access_role": "captain"}, 404, "not_found", "agent, analyst"),
        ({"access_role": "Captain"}, 400, "invalid_input", "access_role"),
        ({"columns": {"nothing": {}}}, 404, "not_found", "no dataset 'nothing'"),
        ({"columns": {"north": {"id": "public"}}}, 404, "not_found", "no dataset 'north'"),
        ({"columns": {"staff": {"iban": "public"}}}, 404, "not_found", "no column 'iban'"),
        ({"columns": {"staff": {"pay": "secret"}}}, 400, "invalid_input", "public, internal"),
        ({"role": {"clearance": "secret"}}, 400, "invalid_input", "public, internal"),
        ({"role": {"clearance": "public", "keep_prefix": 1}}, 400, "invalid_input", "mask"),
        ({"role": {}}, 400, "invalid_input", "clearance"),
        ({"view": {**VIEW, "row_filter": "pay > (select 1)"}}, 400, "invalid_input", ""),
        ({"view": {**VIEW, "columns": ["iban"]}}, 404, "not_found", "iban"),
        ({"view": {**VIEW, "columns": ["id"], "redactions": {}}}, 409, "in_use", "north_v1"),
        ({"view": {**VIEW, "name": "notes"}}, 409, "conflict", "a dataset has the name"),
        ({"view": {**VIEW, "base_dataset": "north", "name": "x"}}, 400, "invalid_input", "is a view"),
        ({"binding": ["notes"]}, 400, "invalid_input", "binding"),
    ],
)
def test_a_change_that_could_not_be_made_is_refused_as_there(
    staff: Api, change: dict[str, Any], status: int, code: str, said: str
) -> None:
    staff.profile("refused", "staff")
    answer = staff.admin.post("/catalog/profiles/refused/diff", json=change)
    assert said in problem(answer, status, code)["detail"]


def test_it_is_for_admins(staff: Api) -> None:
    staff.profile("curious", "staff")
    reader = staff.reader("curious")
    problem(reader.post("/catalog/profiles/curious/diff", json={}), 403, "forbidden")
    acting = {"X-Lakehouse-Profile": "curious"}
    problem(staff.admin.post("/catalog/profiles/curious/diff", json={}, headers=acting), 403, "forbidden")
    problem(staff.admin.post("/catalog/profiles/nobody/diff", json={}), 404, "not_found")


def test_nobody_is_disturbed_while_it_is_asked(staff: Api) -> None:
    """Making the change would wait for this reader's transaction; asking does not, and leaves no trace."""
    staff.profile("busy", "staff", "north")
    on_record = staff.admin.get("/journal/recent").json()
    role = staff.deployed.deployment.profile_prefix + "busy"
    with closing(psycopg.connect(staff.deployed.service_dsn)) as reading, reading.transaction():
        reading.execute("select set_config('role', %s, true)", [role])
        assert reading.execute("select count(*) from p_busy.staff").fetchone() == (12,)
        change = {
            "unbind": ["north"],
            "role": {"clearance": "public", "default_action": "hash"},
            "columns": {"staff": {"pay": "restricted"}},
            "view": {"name": "fresh", "base_dataset": "staff", "columns": ["id"]},
        }
        found = diff(staff, "busy", **change, bind=["fresh"])
        assert [relation["change"] for relation in found["relations"]] == ["added", "removed", "changed"]
        assert reading.execute("select count(*) from p_busy.staff").fetchone() == (12,)
    with closing(staff.deployed.connect("owner")) as owner:
        names = owner.execute(
            "select name from lakeward.relation union all select relname::text from pg_class "
            "where relnamespace = 'lake'::regnamespace"
        ).fetchall()
    assert [name for (name,) in names if name.startswith("_diff") or name == "fresh"] == []
    assert staff.admin.get("/journal/recent").json() == on_record


def test_a_dataset_without_columns_stays_one(staff: Api) -> None:
    assert staff.admin.post("/catalog/datasets", json={"name": "awaited"}).status_code == 201
    staff.profile("waits", "awaited")
    assert diff(staff, "waits", columns={"awaited": {}})["unchanged"] == ["awaited"]
    (awaited,) = diff(staff, "waits", unbind=["awaited"])["relations"]
    assert awaited["rows"] == {"before": 0, "after": 0, "newly_seen": 0, "no_longer_seen": 0}


@pytest.mark.parametrize(
    "change",
    [
        {"bind": ["\u0000"]},
        {"bind": ["\ud800"]},
        {"unbind": ["x" * 100_000]},
        {"bind": [f"r{n}" for n in range(10_000)]},
        {"columns": {"staff": {"\u0000": "public"}}},
        {"columns": {"staff": {"pay": "\u0000"}}},
        {"columns": {"staff": {f"c{n}": "public" for n in range(1_600)}}},
        {"access_role": "x' or 1=1"},
        {"view": {**VIEW, "name": "x", "row_filter": "city = '\u0000'"}},
        {"view": {**VIEW, "name": "x", "row_filter": "(" * 10_000 + "id = 1" + ")" * 10_000}},
    ],
)
def test_what_is_hostile_is_the_callers_fault(staff: Api, change: dict[str, Any]) -> None:
    staff.profile("hostile", "staff")
    answer = staff.admin.post("/catalog/profiles/hostile/diff", content=json.dumps(change))
    assert answer.status_code in (400, 404), answer.text
    assert len(answer.json()["detail"]) < 4_000
