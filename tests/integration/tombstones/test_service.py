"""A tombstone holds in every door the moment it commits, and can be taken back."""

import threading
from typing import Any

import psycopg
import pytest

from tests.integration.api.conftest import Api, api, problem

__all__ = ["api"]

ROWS = 200
CSV = "id,name,team\n" + "".join(
    f"{number},person {number} writes parsers,{'ab'[number % 2]}\n" for number in range(1, ROWS + 1)
)
PATH = "/catalog/datasets/by-name/people/tombstone"


@pytest.fixture(scope="module")
def people(api: Api) -> Api:
    """200 people, a view of one team, an index over each, and a reader of each."""
    assert api.ingest("people", CSV, "people.csv", row_key="id").status_code == 201
    view = {
        "name": "team_a",
        "base_dataset": "people",
        "columns": ["id", "name"],
        "row_filter": "team = 'a'",
        "redactions": {"id": {"action": "hash"}},
    }
    assert api.admin.post("/catalog/views", json=view).status_code == 201
    api.index("people", "name", name="people_v1")
    api.index("team_a", "name", name="team_a_v1")
    api.profile("raw", "people")
    api.profile("team", "team_a")
    return api


def tombstone(api: Api, *keys: Any, **fields: Any) -> Any:
    """What the API says to a tombstone on these keys."""
    body = {"row_key_column": "id", "row_key_values": list(keys), "reason": "asked for", **fields}
    return api.admin.post(PATH, json=body)


def undo(api: Api, *keys: Any) -> dict[str, Any]:
    answer = api.admin.post(f"{PATH}/undo", json={"row_key_column": "id", "row_key_values": list(keys)})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def counts(api: Api) -> list[int]:
    """The rows as each door counts them: SQL raw and view, search raw and view, the manifest, the admin's own."""
    found = []
    for profile, relation, index in (("raw", "people", "people_v1"), ("team", "team_a", "team_a_v1")):
        with api.reader(profile) as reader:
            rows = reader.post("/query/sql", json={"sql": f"select count(*) from {relation}"}).json()["rows"]
            request = {"index": index, "query": "parsers", "k": 1000}
            hits = reader.post(f"/vectors/profile/{profile}/search", json=request).json()
        found += [rows[0][0], hits["returned"]]
    manifest = api.admin.get("/catalog/datasets/by-name/people").json()
    admin = api.admin.post("/query/sql", json={"sql": "select count(*) from people"}).json()["rows"]
    return [*found, manifest["row_count"], admin[0][0]]


def test_it_holds_everywhere_at_once_and_through_every_load(people: Api) -> None:
    before = counts(people)
    assert before == [200, 200, 100, 100, 200, 200]
    answer = tombstone(people, 2, "3", 4).json()
    assert answer == {"dataset": "people", "tombstoned": 3, "already": 0, "missing": 0, "missing_keys": []}
    after = [197, 197, 98, 98, 197, 197]
    assert counts(people) == after
    assert people.ingest("people", CSV, "people.csv", row_key="id").json()["duplicate"] is True
    assert counts(people) == after
    for disposition in ("merge", "replace"):
        again = people.ingest("people", CSV + f"# {disposition}", "people.csv", disposition=disposition)
        assert again.status_code == 201, again.text
        assert again.json()["tombstoned"] == 3
    for index in ("people_v1", "team_a_v1"):
        source = "people" if index == "people_v1" else "team_a"
        people.index(source, "name", name=index)
    assert counts(people) == after
    appended = people.ingest("people", "id,name,team\n2,back again,a\n900,new,b\n", "more.csv")
    assert (appended.json()["rows"], appended.json()["tombstoned"]) == (1, 1)
    again = tombstone(people, 2, 3, 3, 900, 901).json()
    assert (again["tombstoned"], again["already"], again["missing"]) == (1, 2, 1)
    assert again["missing_keys"] == ["901"]
    assert undo(people, 2, 3, 4, 900, 901)["restored"] == 4
    assert tombstone(people, 900).json()["tombstoned"] == 1
    for index, source in (("people_v1", "people"), ("team_a_v1", "team_a")):
        people.index(source, "name", name=index)
    assert counts(people) == before


def test_what_cannot_be_is_refused_with_the_way_out(people: Api) -> None:
    before = counts(people)
    wrong = people.admin.post(PATH, json={"row_key_column": "name", "row_key_values": ["x"], "reason": ""})
    assert "'id'" in problem(wrong, 409, "conflict")["detail"]
    assert "'x'" in problem(tombstone(people, "x"), 400, "invalid_input")["detail"]
    problem(tombstone(people, "1; drop table lake.people"), 400, "invalid_input")
    problem(tombstone(people, "\0"), 400, "invalid_input")
    problem(tombstone(people, "9" * 5000), 400, "invalid_input")
    problem(tombstone(people), 400, "invalid_input")
    nothing = people.admin.post(
        "/catalog/datasets/by-name/nothing/tombstone", json={"row_key_column": "id", "row_key_values": [1]}
    )
    problem(nothing, 404, "not_found")
    assert counts(people) == before


def test_a_restored_row_is_as_it_was(people: Api) -> None:
    columns = {
        "k": "text", "b": "boolean", "i": "bigint", "x": "double precision", "n": "numeric", "d": "date", "t": "time",
        "ts": "timestamp", "tz": "timestamptz", "l": "text[]", "j": "jsonb", "y": "bytea",
    }  # fmt: skip
    answer = people.admin.post(
        "/catalog/datasets",
        json={
            "name": "types",
            "row_key": "k",
            "columns": [{"name": n, "type": t} for n, t in columns.items()],
        },
    )
    assert answer.status_code == 201, answer.text
    with people.deployed.connect("owner") as owner:
        owner.execute(
            "insert into lake.types values"
            " ('a', true, 9223372036854775807, 'NaN', 1.500, '0044-03-15 BC', '23:59:59.999999', 'infinity',"
            "  '99999-12-31 23:59:59.999999+00', '{a,NULL,\"b,c\"}', '{\"z\": [1, 2.50, null]}', '\\x00ff'),"
            " ('ü''\"%', null, null, 0.1, 'NaN', 'infinity', null, '0001-01-01', '-infinity', '{}', '\"x\"', ''),"
            " ('c', false, -1, '-Infinity', 12345678901234567890.123456789, '9999-12-31', '00:00',"
            "  null, null, null, null, null)"
        )
        before = owner.execute("select t::text from lake.types t order by k").fetchall()
        body = {"row_key_column": "k", "row_key_values": ["a", "ü'\"%", "c"]}
        path = "/catalog/datasets/by-name/types/tombstone"
        assert people.admin.post(path, json=body).json()["tombstoned"] == 3
        assert owner.execute("select count(*) from lake.types").fetchone() == (0,)
        undone = people.admin.post(f"{path}/undo", json=body)
        assert undone.status_code == 200 and undone.json()["restored"] == 3, undone.text
        assert owner.execute("select t::text from lake.types t order by k").fetchall() == before


def test_undo_is_all_or_nothing(people: Api) -> None:
    assert tombstone(people, 10, 11).json()["tombstoned"] == 2
    with people.deployed.connect("owner") as owner:
        with pytest.raises(psycopg.errors.CheckViolation, match="tombstone"):
            owner.execute("insert into lake.people (id, name) values (10, 'by hand')")
        owner.execute("alter table lake.people disable trigger refuse_tombstoned")
        owner.execute("insert into lake.people (id, name) values (10, 'by hand')")
        owner.execute("alter table lake.people enable trigger refuse_tombstoned")
        body = {"row_key_column": "id", "row_key_values": [10, 11]}
        problem(people.admin.post(f"{PATH}/undo", json=body), 409, "conflict")
        assert owner.execute("select count(*) from lake.people where id = 11").fetchone() == (0,)
        owner.execute("delete from lake.people where id = 10")
    assert undo(people, 10, 11)["restored"] == 2


def test_a_reader_tombstones_only_with_the_permission_to_write(people: Api) -> None:
    body = {"row_key_column": "id", "row_key_values": [20], "reason": ""}
    with people.reader("raw") as reader:
        assert "may not write" in problem(reader.post(PATH, json=body), 403, "forbidden")["detail"]
        problem(reader.post(f"{PATH}/undo", json=body), 403, "forbidden")
    with people.reader("team") as reader:
        problem(reader.post(PATH, json=body), 404, "not_found")
    people.profile("writer", "people", access_role="admin")
    with people.reader("writer") as reader:
        assert reader.post(PATH, json=body).json()["tombstoned"] == 1
        shown = reader.get(PATH).json()["items"][0]
    assert (shown["key"], shown["reason"], shown["actor"]) == ("20", None, None)
    listed = people.admin.get(PATH, params={"limit": 1}).json()["items"][0]
    assert listed["key"] == "20" and listed["actor"]
    with people.reader("team") as reader:
        problem(reader.get(PATH), 404, "not_found")
    undo(people, 20)


def test_the_owners_functions_are_not_a_readers(people: Api) -> None:
    role = people.admin.get("/catalog/profiles/raw").json()["role_name"]
    with people.deployed.connect("service") as connection:
        connection.execute("select set_config('role', %s, false)", [role])
        for statement in (
            "select * from lakeward.create_tombstones('people', 'id', '{1}', '')",
            "select * from lakeward.undo_tombstones('people', 'id', '{1}')",
            "select * from lakeward.lock_keys('people', 'id', '{1}')",
            "select lakeward.drop_tombstoned(1, 'people', true)",
            "select lakeward.key_hash('1', 'text')",
            "select * from lakeward.tombstone",
            "select * from lakeward.tombstone('people', '{1}', '')",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


def test_tombstones_loads_and_undo_at_once_leave_each_row_in_one_place(people: Api) -> None:
    failures: list[Any] = []

    def run(step: int) -> None:
        try:
            keys = list(range(50, 80))
            if step % 3 == 0:
                tombstone(people, *keys)
            elif step % 3 == 1:
                people.admin.post(f"{PATH}/undo", json={"row_key_column": "id", "row_key_values": keys})
            else:
                answer = people.ingest("people", CSV + f"# {step}", "people.csv", disposition="merge")
                assert answer.status_code == 201, answer.text
        except BaseException as exc:
            failures.append(exc)

    threads = [threading.Thread(target=run, args=(step,)) for step in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    undo(people, *range(50, 80))
    with people.deployed.connect("owner") as owner:
        found = owner.execute(
            "select count(*), count(distinct id) from lake.people where id < 201"
        ).fetchone()
        stored = owner.execute(
            "select (select count(*) from lake.people) - row_count from lakeward.dataset where name = 'people'"
        ).fetchone()
    assert (found, stored) == ((200, 200), (0,))
