"""Datasets are copied between Postgres and buckets: the same rows, the same sensitivities, on record."""

from typing import Any

import pytest

from tests.integration.api.conftest import Api, api, problem

__all__ = ["api"]

COLUMNS = "id,name,born,score,price,at,day,seen,ok,doc,tags"
ROWS = 300
NDJSON = "\n".join(
    f'{{"id": {n}, "name": "n{n} é", "born": "19{n % 90 + 10}-03-01", "score": {n / 7}, "at": "10:00:{n % 60:02}",'
    f' "seen": "2024-01-02T03:04:{n % 60:02}Z", "ok": {"true" if n % 2 else "false"}, "doc": {{"a": {{"b": {n}}}}},'
    f' "tags": ["a{n}", "b"], "price": {n}.{n % 100:02}, "none": {n if n > 5 else "null"}}}'
    for n in range(ROWS)
)


@pytest.fixture(scope="module")
def people(api: Api) -> Api:
    """300 rows of every type in Postgres, one column restricted, three rows tombstoned."""
    assert api.ingest("people", NDJSON, "p.ndjson", row_key="id").status_code == 201
    described = {
        "owner": "hr",
        "tags": ["x"],
        "columns": {"name": {"sensitivity": "restricted"}, "score": {"sensitivity": "public"}},
    }
    assert api.admin.patch("/catalog/datasets/by-name/people/metadata", json=described).status_code == 200
    tombstone(api, "people", 1, 2, 3)
    return api


def tombstone(api: Api, dataset: str, *keys: Any) -> None:
    body = {"row_key_column": "id", "row_key_values": list(keys)}
    answer = api.admin.post(f"/catalog/datasets/by-name/{dataset}/tombstone", json=body)
    assert answer.json()["tombstoned"] == len(keys), answer.text


def move(api: Api, dataset: str, verb: str, **body: Any) -> dict[str, Any]:
    answer = api.admin.post(f"/catalog/datasets/by-name/{dataset}/{verb}", json=body)
    assert answer.status_code == 202, answer.text
    job = api.wait(answer.json()["job_id"])
    assert job["state"] == "succeeded", job
    assert job["progress"]["done"] == job["progress"]["total"] == job["result"]["rows"]
    return {**answer.json(), **job["result"]}


def rows(api: Api, statement: str) -> Any:
    for _ in range(4):
        answer = api.admin.post("/query/sql", json={"sql": statement})
        if answer.status_code != 504:  # no answer is none: the machine is busy
            break
    assert answer.status_code == 200, answer.text
    return answer.json()["rows"]


def manifest(api: Api, name: str) -> dict[str, Any]:
    found: dict[str, Any] = api.admin.get(f"/catalog/datasets/by-name/{name}").json()
    return found


def journal_kinds(api: Api, dataset: str) -> set[str]:
    answer = api.admin.get("/journal/recent", params={"dataset": dataset, "limit": 100})
    assert answer.status_code == 200, answer.text
    return {entry["kind"] for entry in answer.json()["items"]}


def test_there_and_back_nothing_changes(people: Api) -> None:
    exported = move(people, "people", "export")
    assert (exported["target"], exported["rows"]) == ("people_parquet", ROWS - 3)
    back = move(people, "people_parquet", "materialize", target="people_again")
    assert back["rows"] == ROWS - 3
    first = rows(people, "select * from people order by id")
    assert len(first) == ROWS - 3
    for copy, home in (("people_parquet", "bucket"), ("people_again", "table")):
        assert rows(people, f"select * from {copy} order by id") == first
        found, source = manifest(people, copy), manifest(people, "people")
        assert (found["home"], found["row_count"], found["row_key"]) == (home, ROWS - 3, "id")
        assert found["columns"] == source["columns"]
        assert (found["owner"], found["tags"]) == ("hr", ["x"])
        assert found["lineage"][0]["kind"] in ("export", "materialize")
        assert "load" in journal_kinds(people, copy)
    assert "export" in journal_kinds(people, "people")
    assert "materialize" in journal_kinds(people, "people_parquet")
    # both are datasets like any other
    tombstone(people, "people_again", 10)
    tombstone(people, "people_parquet", 10)
    assert people.ingest("people_again", '{"id": 10}', "x.ndjson").json()["tombstoned"] == 1


def test_a_bucket_dataset_is_copied_into_another_bucket(people: Api) -> None:
    copied = move(people, "people_parquet", "export", target="people_b", bucket="local")
    assert copied["rows"] == rows(people, "select count(*) from people_parquet")[0][0]
    assert rows(people, "select min(id), max(name) from people_b") == rows(
        people, "select min(id), max(name) from people_parquet"
    )


def test_what_cannot_be_is_said_at_once(people: Api) -> None:
    path = "/catalog/datasets/by-name/{}/{}"
    cases = [
        ("people", "export", {"target": "people"}, 409, "conflict"),
        ("people", "export", {"target": "No good"}, 400, "invalid_name"),
        ("people", "export", {"target": "new", "bucket": "nowhere"}, 503, "unavailable"),
        ("people", "materialize", {}, 409, "conflict"),
        ("nothing", "export", {}, 404, "not_found"),
        ("nothing", "materialize", {}, 404, "not_found"),
        ("people_parquet", "materialize", {"target": "people"}, 409, "conflict"),
    ]
    for name, verb, body, status, code in cases:
        problem(people.admin.post(path.format(name, verb), json=body), status, code)
    people.profile("nobody", "people")
    with people.reader("nobody") as reader:
        for verb in ("export", "materialize"):
            problem(reader.post(path.format("people", verb), json={}), 403, "forbidden")
