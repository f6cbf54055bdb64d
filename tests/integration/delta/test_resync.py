"""What the catalog lost of bucket datasets comes back from their files."""

import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.integration.api.conftest import Api, api

__all__ = ["api"]
CSV = "id,name\n" + "".join(f"{n},n{n}\n" for n in range(50))


@pytest.fixture(scope="module")
def people(api: Api) -> Api:
    """A Delta table of 50 rows, two of them tombstoned, and attached files in folders of years."""
    assert api.ingest("people", CSV, row_key="id", home="bucket").status_code == 201
    body = {"row_key_column": "id", "row_key_values": [1, 2]}
    assert api.admin.post("/catalog/datasets/by-name/people/tombstone", json=body).json()["tombstoned"] == 2
    write(api, 2024)
    assert (
        api.admin.post("/catalog/datasets/attach", json={"name": "years", "path": "years"}).status_code == 201
    )
    return api


def write(api: Api, year: int) -> None:
    path = api.settings.home / f"buckets/local/years/year={year}/a.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"id": [1, 2], "v": ["a", "b"]}), path)


def resync(api: Api) -> dict[str, Any]:
    answer = api.admin.post("/catalog/resync-missing")
    assert answer.status_code == 202, answer.text
    job = api.wait(answer.json()["job_id"])
    assert job["state"] == "succeeded", job
    found: dict[str, Any] = job["result"]
    return found


def lose(api: Api, statement: str) -> None:
    with api.deployed.connect() as connection:
        connection.execute(statement.encode())


def state(api: Api) -> Any:
    with api.deployed.connect() as connection:
        return connection.execute(
            "select d.name, d.row_count, b.delta_version, b.files, b.bytes, b.arrow_schema, b.partition_columns, array("
            "select c.name || c.type from lakeward.dataset_column c where c.dataset_id = d.id order by c.position) "
            "from lakeward.dataset d join lakeward.bucket_dataset b on b.dataset_id = d.id order by d.name"
        ).fetchall()


def fields(answer: dict[str, Any]) -> set[tuple[str, str]]:
    return {(change["dataset"], change["field"]) for change in answer["changed"]}


def test_where_nothing_is_lost_nothing_changes(people: Api) -> None:
    before = state(people)
    assert resync(people) == {"checked": 2, "changed": [], "failed": [], "removed_folders": 0}
    assert state(people) == before


def test_what_is_lost_comes_back(people: Api) -> None:
    before = state(people)
    lose(people, "update lakeward.dataset set row_count = 0")
    lose(
        people,
        "update lakeward.bucket_dataset set bytes = 0, files = 0, delta_version = null, arrow_schema = null, "
        "partition_columns = '{}'",
    )
    lose(people, "delete from lakeward.dataset_column where name in ('name', 'year')")
    found = resync(people)
    assert state(people) == before
    assert fields(found) >= {("people", "delta_version"), ("people", "columns"), ("years", "row_count")}
    change = next(c for c in found["changed"] if (c["dataset"], c["field"]) == ("people", "row_count"))
    assert (change["before"], change["after"]) == (0, 48)
    columns = people.admin.get("/catalog/datasets/by-name/people").json()["columns"]
    assert {c["name"]: c["sensitivity"] for c in columns} == {"id": "internal", "name": "unclassified"}
    journal = people.admin.get("/journal/recent", params={"dataset": "people", "limit": 5}).json()["items"]
    assert any(entry["kind"] == "resync" and entry["new"]["row_count"] == [0, 48] for entry in journal)


def test_files_that_came_since_are_counted(people: Api) -> None:
    write(people, 2025)
    assert fields(resync(people)) == {("years", "row_count"), ("years", "files"), ("years", "bytes")}
    assert people.admin.get("/catalog/datasets/by-name/years").json()["row_count"] == 4


def test_one_whose_files_are_gone_stops_no_other(people: Api) -> None:
    years = people.settings.home / "buckets" / "local" / "years"
    shutil.move(years, years.with_name("elsewhere"))
    lose(people, "update lakeward.dataset set row_count = 1")
    found = resync(people)
    assert [failure["dataset"] for failure in found["failed"]] == ["years"]
    assert fields(found) == {("people", "row_count")}
    shutil.move(Path(years).with_name("elsewhere"), years)


def test_a_folder_of_no_dataset_goes_after_an_hour(people: Api) -> None:
    assert people.ingest("short", CSV, home="bucket").status_code == 201
    assert people.admin.delete("/catalog/datasets/by-name/short").status_code == 200
    folders = people.settings.home / "buckets" / "local" / "datasets"
    assert resync(people)["removed_folders"] == 0 and list(folders.glob("short-*"))
    lose(people, "update lakeward.bucket_folder set begun_at = now() - interval '61 minutes'")
    assert resync(people)["removed_folders"] == 1 and not list(folders.glob("short-*"))
    assert len(list(folders.glob("people-*"))) == 1
