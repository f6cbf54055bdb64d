"""Bucket datasets on a real S3 protocol: joins across buckets, an outage with a rescue bucket, and the way back."""

import time
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.integration.api.conftest import problem
from tests.integration.storage.conftest import World

PEOPLE = "id,name,city\n" + "".join(f"{n},person {n},{'AB'[n % 2]}\n" for n in range(50))
JOIN = (
    "select c.country, count(*) as n, min(p.name) as first from {} p join cities c on c.city = p.city"
    " join visits v on v.id = p.id group by c.country order by 1"
)


@pytest.fixture(scope="module")
def datasets(storage_world: World) -> World:
    """People on S3, cities in Postgres, visits attached in a folder; a view with a mask and a filter over people."""
    world = storage_world
    answer = world.admin.post(
        "/ingest/file",
        files={"file": ("people.csv", PEOPLE.encode())},
        data={"dataset": "people", "row_key": "id"},
        headers={"X-Lakehouse-Bucket": "primary"},
    )
    assert (answer.status_code, answer.json()["home"]) == (201, "bucket"), answer.text
    assert world.api.ingest("cities", "city,country\nA,Austria\nB,Belgium\n").status_code == 201
    (world.folder / "visits").mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"id": list(range(0, 50, 5))}), world.folder / "visits" / "a.parquet")
    body = {"name": "visits", "bucket": "folder", "path": "visits"}
    assert world.admin.post("/catalog/datasets/attach", json=body).status_code == 201
    view = {
        "name": "people_safe",
        "base_dataset": "people",
        "columns": ["id", "name", "city"],
        "row_filter": "id < 40",
        "redactions": {"name": {"action": "mask", "keep_suffix": 2}},
    }
    assert world.admin.post("/catalog/views", json=view).status_code == 201
    world.api.profile("guest", "people_safe", "cities", "visits")
    gone = {"row_key_column": "id", "row_key_values": [5, 10]}
    done = world.admin.post("/catalog/datasets/by-name/people/tombstone", json=gone)
    assert done.json()["tombstoned"] == 2
    return world


def ask(world: World, statement: str, profile: str | None = None, accept: str = "application/json") -> Any:
    client = world.admin if profile is None else world.api.reader(profile)
    return client.post("/query/sql", json={"sql": statement}, headers={"Accept": accept})


def test_a_join_across_homes_and_buckets_is_governed(datasets: World, world: World) -> None:
    whole = ask(world, JOIN.format("people"))
    assert whole.status_code == 200, whole.text
    assert whole.json()["rows"] == [["Austria", 4, "person 0"], ["Belgium", 4, "person 15"]]
    masked = ask(world, JOIN.format("people_safe"), "guest")
    assert masked.json()["rows"] == [["Austria", 3, "******** 0"[-8:]], ["Belgium", 3, "*******15"]]
    arrow = ask(world, JOIN.format("people_safe"), "guest", "application/vnd.apache.arrow.stream")
    with pa.ipc.open_stream(arrow.content) as reader:
        assert [list(row.values()) for row in reader.read_all().to_pylist()] == masked.json()["rows"]
    problem(ask(world, "select count(*) from people", "guest"), 400, "invalid_query")


def test_an_outage_with_a_rescue_bucket_and_the_way_back(datasets: World, world: World) -> None:
    listed = world.admin.get("/storage/buckets/primary/objects", params={"prefix": "datasets/", "limit": 200})
    for item in listed.json()["items"]:
        content = world.admin.get(world.path("primary", item["key"])).content
        assert world.admin.put(world.path("rescue", item["key"]), content=content).status_code in (200, 201)
    before = ask(world, JOIN.format("people"))
    assert "x-lakehouse-rescue-used" not in before.headers
    world.proxy.set("refuse")
    during = ask(world, JOIN.format("people"))
    assert during.status_code == 200, during.text
    assert during.json()["rows"] == before.json()["rows"]
    assert during.headers["x-lakehouse-rescue-used"] == "true"
    refused = world.api.ingest("people", "id,name,city\n77,late,A\n")
    assert problem(refused, 503, "unavailable") and int(refused.headers["retry-after"]) > 0
    unknown = world.admin.post(
        "/ingest/file",
        files={"file": ("x.csv", b"id\n1\n")},
        data={"dataset": "x"},
        headers={"X-Lakehouse-Bucket": "nowhere"},
    )
    problem(unknown, 503, "unavailable")
    assert ask(world, "select count(*) from cities").json()["rows"] == [[2]]
    errors = world.admin.get("/storage/errors").json()["items"]
    assert {"primary"} <= {entry["bucket"] for entry in errors}
    health = world.admin.get("/storage/bucket-health").json()
    assert health["status"] == "degraded"
    world.heal()
    after = ask(world, JOIN.format("people"))
    assert after.json()["rows"] == before.json()["rows"] and "x-lakehouse-rescue-used" not in after.headers
    assert world.api.ingest("people", "id,name,city\n77,late,A\n").status_code == 201
    assert ask(world, "select count(*) from people").json()["rows"] == [[49]]


def test_a_reader_is_told_of_an_outage_and_nothing_of_the_bucket(datasets: World, world: World) -> None:
    """Nor does anybody wait for a bucket that swallows what it is asked: not longer than for a list of files."""
    world.admin.post(
        "/ingest/file",
        files={"file": ("alone.csv", b"id,name\n1,x\n")},
        data={"dataset": "alone"},
        headers={"X-Lakehouse-Bucket": "primary"},
    ).raise_for_status()
    world.api.profile("lonely", "alone")
    world.proxy.set("slow")
    started = time.monotonic()
    detail = problem(ask(world, "select * from alone", "lonely"), 503, "unavailable")["detail"]
    assert time.monotonic() - started < 20
    assert detail == "the rows of 'alone' cannot be read at the moment"
    assert "primary" in problem(ask(world, "select * from alone"), 503, "unavailable")["detail"]


@pytest.mark.slow
def test_a_connection_that_breaks_under_a_query_is_the_buckets_fault(
    datasets: World, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = "id,name\n" + "".join(f"{n},{n * 7919 % 100003} {n * 104729 % 99991}\n" for n in range(30_000))
    world.admin.post(
        "/ingest/file",
        files={"file": ("large.csv", rows.encode())},
        data={"dataset": "large"},
        headers={"X-Lakehouse-Bucket": "primary"},
    ).raise_for_status()
    assert ask(world, "select count(distinct name) from large").status_code == 200
    # so little that the engine does not get there by asking again for what is missing
    monkeypatch.setattr(world.proxy, "cut_after", 5_000)
    world.proxy.set("cut")
    detail = problem(ask(world, "select count(distinct name) from large"), 503, "unavailable")["detail"]
    assert "127.0.0.1" not in detail and "http" not in detail and ".parquet" not in detail


def test_compaction_on_s3(datasets: World, world: World) -> None:
    accepted = world.admin.post("/query/compact", json={"dataset": "people"})
    job = world.api.wait(accepted.json()["job_id"])
    assert job["state"] == "succeeded" and job["result"]["purged"] == 2, job
    assert ask(world, "select count(*) from people").json()["rows"] == [[49]]


def test_a_small_query_follows_one_of_many_files(datasets: World, world: World) -> None:
    """In the same process, which has a thread for each of the files: it used to wait until its time was over."""
    folder = world.folder / "many"
    folder.mkdir()
    for number in range(600):
        pq.write_table(pa.table({"id": [number]}), folder / f"{number}.parquet")
    body = {"name": "many", "bucket": "folder", "path": "many"}
    assert world.admin.post("/catalog/datasets/attach", json=body).status_code == 201
    for _ in range(3):
        answer = ask(world, "select count(*) as n, max(id) as last from many where id < 599")
        assert answer.json()["rows"] == [[599, 598]], answer.text
    answer = ask(world, "select count(*) as n from visits")
    assert (answer.status_code, answer.json()["rows"]) == (200, [[10]]), answer.text
