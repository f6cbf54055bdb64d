"""The hot cache is used, and no answer shows it: not to a writer, not to a reader of another policy."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.api.conftest import Api, problem

PEOPLE = "id,name,score\n" + "".join(f"{n},person {n},{n % 10}\n" for n in range(1, 301))


@pytest.fixture(scope="module")
def people(api: Api) -> Iterator[Api]:
    """A dataset with two readers that see the same and one that sees less, and one in a bucket."""
    for name, home in (("people", "table"), ("filed", "bucket")):
        assert api.ingest(name, PEOPLE, "people.csv", row_key="id", home=home).status_code == 201
        view = {
            "name": f"{name}_some",
            "base_dataset": name,
            "columns": ["id", "name"],
            "row_filter": "score < 5",
            "redactions": {"name": {"action": "mask", "keep_prefix": 1}},
        }
        assert api.admin.post("/catalog/views", json=view).status_code == 201
    api.profile("one", "people_some", "filed_some")
    api.profile("two", "people_some")
    api.profile("three", "people")
    return api


def ask(api: Api, sql: str, profile: str | None = None) -> Any:
    if profile is None:
        answer = api.admin.post("/query/sql", json={"sql": sql})
    else:
        with api.reader(profile) as reader:
            answer = reader.post("/query/sql", json={"sql": sql})
    assert answer.status_code == 200, answer.text
    return answer.json()["rows"]


def stats(api: Api) -> dict[str, Any]:
    document: dict[str, Any] = api.admin.get("/query/cache/stats").json()
    return document


def used(api: Api, sql: str, profile: str | None = None) -> tuple[Any, int, int]:
    """The rows, and the hits and misses that the query made."""
    before = stats(api)
    rows = ask(api, sql, profile)
    after = stats(api)
    return rows, after["hits"] - before["hits"], after["misses"] - before["misses"]


def direct(api: Api, *statements: str) -> None:
    """As somebody with direct SQL, in one transaction."""
    with api.deployed.connect() as connection, connection.transaction():
        for statement in statements:
            connection.execute(statement)


def evict(api: Api, *datasets: str) -> None:
    for dataset in datasets:
        assert api.admin.post("/query/cache/evict", json={"dataset": dataset}).status_code == 200


def test_the_second_read_is_a_hit_and_the_same(people: Api) -> None:
    evict(people, "people")
    sql = "select * from people order by id"
    first, hits, misses = used(people, sql)
    assert (hits, misses, len(first)) == (0, 1, 300)
    assert used(people, sql) == (first, 1, 0)
    [entry] = [e for e in stats(people)["entries"] if e["relation"] == "people"]
    assert (entry["rows"], entry["hits"], entry["pinned"]) == (300, 1, False) and entry["bytes"] > 3_000


def test_readers_of_one_policy_share_and_others_do_not(people: Api) -> None:
    evict(people, "people")
    sql = "select count(*), max(name) from people_some"
    seen, *counts = used(people, sql, "one")
    assert counts == [0, 1] and seen == [[150, "p*********"]]
    assert used(people, sql, "two") == (seen, 1, 0)
    assert used(people, "select max(name) from people", "three") == ([["person 99"]], 0, 1)
    assert used(people, "select max(name) from people") == ([["person 99"]], 0, 1)
    assert used(people, sql)[0] == seen


CHANGES = [
    "update lake.people set score = score + 100 where id = 7",
    "insert into lake.people (id, name, score) values (1000, 'late', 3)",
    "delete from lake.people where id = 1000",
    "update lake.people set name = name",
]


@pytest.mark.parametrize("statement", CHANGES)
def test_a_direct_change_is_seen_at_once(people: Api, statement: str) -> None:
    sql = "select count(*), sum(score) from people"
    ask(people, sql)
    direct(people, statement)
    with people.deployed.connect() as connection:
        wanted = connection.execute("select count(*), sum(score) from lake.people").fetchone()
    assert [tuple(row) for row in ask(people, sql)] == [wanted]


def test_loads_tombstones_and_undo_are_seen_at_once(people: Api) -> None:
    path = "/catalog/datasets/by-name/people/tombstone"
    sql = "select count(*) from people"
    [[before]] = ask(people, sql)
    body = {"row_key_column": "id", "row_key_values": ["11", "12"], "reason": "asked"}
    assert people.admin.post(path, json=body).json()["tombstoned"] == 2
    assert ask(people, sql) == [[before - 2]]
    assert people.admin.post(f"{path}/undo", json=body).status_code == 200
    assert ask(people, sql) == [[before]]
    assert people.ingest("people", "id,name,score\n2000,new,1\n", "more.csv").status_code == 201
    assert ask(people, sql) == [[before + 1]]


def test_what_changed_leaves_the_memory_by_itself(people: Api) -> None:
    ask(people, "select * from people", "three")
    assert people.ingest("people", "id,name,score\n2001,new,1\n", "more2.csv").status_code == 201
    deadline = time.monotonic() + 5
    while any(entry["dataset"] == "people" for entry in stats(people)["entries"]):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_changed_policy_counts_at_once(people: Api) -> None:
    sql = "select count(*), max(name) from people_some"
    masked = {"name": {"action": "mask", "keep_prefix": 1}}
    view = {
        "name": "people_some",
        "base_dataset": "people",
        "columns": ["id", "name"],
        "row_filter": "score < 5",
    }
    [[count, _]] = ask(people, sql, "one")
    for redactions, wanted in ((masked, "p*********"), ({"name": {"action": "null"}}, None)) * 2:
        assert people.admin.post("/catalog/views", json=view | {"redactions": redactions}).status_code in (
            200,
            201,
        )
        assert ask(people, sql, "one") == [[count, wanted]]
        assert used(people, sql, "one") == ([[count, wanted]], 1, 0)
    people.admin.post("/catalog/views", json=view | {"redactions": masked})
    people.profile("one", "filed_some")
    with people.reader("one") as reader:
        problem(reader.post("/query/sql", json={"sql": sql}), 400, "invalid_query")
    people.profile("one", "people_some", "filed_some")
    assert ask(people, sql, "one") == [[count, "p*********"]]


def test_rows_in_files_are_kept_when_pinned(people: Api) -> None:
    sql = "select count(*), max(name) from filed_some"
    assert used(people, sql, "one")[1:] == (0, 0)
    pinned = people.admin.post("/query/cache/pin", json={"dataset": "filed"}).json()
    assert pinned == {"dataset": "filed", "pinned": True, "entries": 0, "bytes": 0}
    first = used(people, sql, "one")
    assert first == ([[150, "p*********"]], 0, 1)
    assert used(people, sql, "one") == (first[0], 1, 0)
    body = {"row_key_column": "id", "row_key_values": ["11", "12", "17"], "reason": "asked"}
    path = "/catalog/datasets/by-name/filed/tombstone"
    assert people.admin.post(path, json=body).json()["tombstoned"] == 3
    assert used(people, sql, "one") == ([[148, "p*********"]], 0, 1)
    assert people.admin.post("/query/cache/evict", json={"dataset": "filed"}).json()["pinned"] is False
    assert used(people, sql, "one") == ([[148, "p*********"]], 0, 0)


def test_an_answer_is_never_older_than_the_last_commit(people: Api) -> None:
    """Writers race readers; whoever asks after a commit sees it."""
    direct(people, "update lake.people set score = 0 where id = 1")
    committed, failures, stop = [0], [], threading.Event()

    def write() -> None:
        while not stop.is_set():
            direct(people, "update lake.people set score = score + 1 where id = 1")
            committed[0] += 1
            time.sleep(0.03)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(60):
            least = committed[0]
            [[seen]] = ask(people, "select score from people where id = 1")
            if seen < least:
                failures.append((seen, least))
    finally:
        stop.set()
        writer.join()
    assert failures == [] and committed[0] > 20


def test_relations_of_one_query_are_of_one_moment(people: Api) -> None:
    """One is in the cache, the other is not, and a writer changes both in one transaction."""
    for name in ("left_side", "right_side"):
        assert people.ingest(name, "id,n\n1,0\n", f"{name}.csv", row_key="id").status_code == 201
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            direct(people, *(f"update lake.{name} set n = n + 1" for name in ("left_side", "right_side")))
            time.sleep(0.01)

    writer = threading.Thread(target=write)
    writer.start()
    seen = []
    try:
        for turn in range(30):
            ask(people, "select n from left_side")
            evict(people, "right_side")
            seen += ask(people, "select l.n, r.n from left_side l join right_side r on l.id = r.id")
            assert turn < 0 or len(seen) == turn + 1
    finally:
        stop.set()
        writer.join()
    assert [pair for pair in seen if pair[0] != pair[1]] == []


def test_a_query_that_fails_leaves_nothing_wrong(people: Api) -> None:
    evict(people, "people")
    answer = people.admin.post("/query/sql", json={"sql": "select 1 / (score - score) from people"})
    problem(answer, 400, "invalid_query")
    assert used(people, "select count(*) from people where id = 5")[0] == [[1]]


def test_bad_requests(people: Api) -> None:
    for path in ("pin", "evict"):
        problem(people.admin.post(f"/query/cache/{path}", json={"dataset": "nothing"}), 404, "not_found")
        with people.reader("three") as reader:
            problem(reader.post(f"/query/cache/{path}", json={"dataset": "people"}), 403, "forbidden")
    with people.reader("three") as reader:
        problem(reader.get("/query/cache/stats"), 403, "forbidden")
