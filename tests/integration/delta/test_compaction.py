"""Tombstones of rows in files, and what compaction makes of them: at once, with writers, and in the bytes."""

import threading
from typing import Any

import pytest

from tests.integration.api.conftest import Api, api, problem

__all__ = ["api"]

ROWS = 100
CSV = "id,name\n" + "".join(f"{n},zq{n}zq\n" for n in range(ROWS))
PATH = "/catalog/datasets/by-name/people/tombstone"


@pytest.fixture(scope="module")
def people(api: Api) -> Api:
    """100 people in a bucket, and readers of them and of a view."""
    assert api.ingest("people", CSV, row_key="id", home="bucket").status_code == 201
    view = {"name": "people_safe", "base_dataset": "people", "columns": ["name"], "row_filter": "id < 50"}
    assert api.admin.post("/catalog/views", json=view).status_code == 201
    api.profile("raw", "people")
    api.profile("safe", "people_safe")
    api.profile("writer", "people", access_role="admin")
    return api


def tombstone(api: Api, *keys: Any) -> dict[str, Any]:
    answer = api.admin.post(
        PATH, json={"row_key_column": "id", "row_key_values": list(keys), "reason": "asked"}
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def undo(api: Api, *keys: Any) -> dict[str, Any]:
    answer = api.admin.post(f"{PATH}/undo", json={"row_key_column": "id", "row_key_values": list(keys)})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def compact(api: Api) -> dict[str, Any]:
    answer = api.admin.post("/query/compact", json={"dataset": "people"})
    assert answer.status_code == 202, answer.text
    job = api.wait(answer.json()["job_id"])
    assert job["state"] == "succeeded", job
    found: dict[str, Any] = job["result"]
    return found


def counts(api: Api) -> list[int]:
    """The rows as the manifest, the admin, the raw reader and the view's reader count them."""
    found = [api.admin.get("/catalog/datasets/by-name/people").json()["row_count"]]
    for profile, relation in ((None, "people"), ("raw", "people"), ("safe", "people_safe")):
        client = api.admin if profile is None else api.reader(profile)
        found.append(
            client.post("/query/sql", json={"sql": f"select count(*) from {relation}"}).json()["rows"][0][0]
        )
    return found


def files_with(api: Api, text: str) -> list[str]:
    """The files of the bucket that hold a text, uncompressed or by the engine."""
    import pyarrow.parquet as pq

    return [
        path.name
        for path in (api.settings.home / "buckets").rglob("part-*.parquet")
        if text in pq.read_table(path).column("name").to_pylist()
    ]


def test_tombstone_undo_and_load_again(people: Api) -> None:
    assert counts(people) == [100, 100, 100, 50]
    answer = tombstone(people, 1, "02", 60, 60, 999)
    assert (answer["tombstoned"], answer["already"], answer["missing_keys"]) == (3, 0, ["999"])
    assert counts(people) == [97, 97, 97, 48]
    again = tombstone(people, 1, 3)
    assert (again["tombstoned"], again["already"]) == (1, 1)
    for disposition in ("merge", "replace"):
        sent = people.ingest("people", CSV + f"# {disposition}", disposition=disposition)
        assert (sent.status_code, sent.json()["tombstoned"]) == (201, 4), sent.text
        assert counts(people) == [96, 96, 96, 47]
    with people.reader("writer") as reader:
        body = {"row_key_column": "id", "row_key_values": [5], "reason": ""}
        assert reader.post(PATH, json=body).json()["tombstoned"] == 1
    with people.reader("raw") as reader:
        assert "may not write" in problem(reader.post(PATH, json=body), 403, "forbidden")["detail"]
    with people.reader("safe") as reader:
        problem(reader.post(PATH, json=body), 404, "not_found")
    problem(
        people.admin.post(PATH, json={"row_key_column": "id", "row_key_values": ["x"]}), 400, "invalid_input"
    )
    problem(
        people.admin.post(PATH, json={"row_key_column": "name", "row_key_values": ["x"]}), 409, "conflict"
    )
    undone = undo(people, 5, 6)
    assert (undone["restored"], undone["missing"]) == (1, 1)
    # the file that replaced all others did not have them, so they are nowhere any more
    assert undo(people, 1)["purged"] == 1
    assert counts(people) == [96, 96, 96, 47]


def test_compaction_takes_them_out_of_the_files(people: Api) -> None:
    for n in range(3):
        assert people.ingest("people", f"id,name\n{200 + n},more {n}\n").status_code == 201
    tombstone(people, 10, 200)
    assert files_with(people, "zq10zq")
    before = counts(people)
    done = compact(people)
    assert done["files_before"] >= 4 and done["files"] == 1 and done["purged"] == 2
    assert counts(people) == before
    assert undo(people, 10)["purged"] == 1
    assert people.ingest("people", "id,name\n10,back\n").json()["tombstoned"] == 1
    kinds = [entry["kind"] for entry in people.admin.get("/journal/recent").json()["items"]]
    assert "compaction" in kinds and "tombstone" in kinds


def test_vacuum_leaves_no_byte_of_them(people: Api) -> None:
    import asyncio

    from app.db.database import open_database
    from app.delta.compaction import vacuum
    from app.delta.places import Places
    from app.storage.service import open_storage

    async def run() -> int:
        database = await open_database(people.deployed.service_dsn, people.settings)
        try:
            return await vacuum(
                database, Places(open_storage(people.settings, database)), "people", retention_h=0
            )
        finally:
            await database.close()

    before = counts(people)
    assert asyncio.run(run()) > 0
    assert files_with(people, "zq10zq") == [] and files_with(people, "zq11zq") != []
    assert counts(people) == before


def test_what_cannot_be_compacted_is_said(people: Api) -> None:
    people.ingest("in_table", "id\n1\n", row_key="id")
    for name, status, code in (("nothing", 404, "not_found"), ("in_table", 409, "conflict")):
        problem(people.admin.post("/query/compact", json={"dataset": name}), status, code)
    with people.reader("raw") as reader:
        problem(reader.post("/query/compact", json={"dataset": "people"}), 403, "forbidden")


def test_appends_tombstones_and_compactions_at_once(people: Api) -> None:
    failures: list[Any] = []
    start = counts(people)[0]

    def run(step: int) -> None:
        try:
            if step % 3 == 0:
                answer = people.ingest("people", f"id,name\n{1000 + step},x\n{2000 + step},y\n")
                assert answer.status_code == 201, answer.text
            elif step % 3 == 1:
                assert tombstone(people, 20 + step)["tombstoned"] == 1
            else:
                compact(people)
        except BaseException as exc:
            failures.append(exc)

    threads = [threading.Thread(target=run, args=(step,)) for step in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert counts(people)[:3] == [start + 8 - 4] * 3
    compact(people)
    assert counts(people)[:3] == [start + 8 - 4] * 3
