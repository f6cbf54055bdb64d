"""What is copied can be anything: nothing at all, foreign types in folders of years, values that files cannot hold."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.integration.api.conftest import Api, api, problem

__all__ = ["api"]


def move(api: Api, dataset: str, verb: str, **body: Any) -> dict[str, Any]:
    answer = api.admin.post(f"/catalog/datasets/by-name/{dataset}/{verb}", json=body)
    assert answer.status_code == 202, answer.text
    return api.wait(answer.json()["job_id"])


def rows(api: Api, statement: str) -> Any:
    for _ in range(4):
        answer = api.admin.post("/query/sql", json={"sql": statement})
        if answer.status_code != 504:  # no answer is none: the machine is busy
            break
    assert answer.status_code == 200, answer.text
    return answer.json()["rows"]


def folders(api: Api, name: str) -> list[Path]:
    return list((api.settings.home / "buckets" / "local" / "datasets").glob(f"{name}-*"))


def create(api: Api, name: str, columns: dict[str, str], *values: str) -> None:
    document = {"name": name, "columns": [{"name": n, "type": t} for n, t in columns.items()]}
    assert api.admin.post("/catalog/datasets", json=document).status_code == 201
    with api.deployed.connect("owner") as owner:
        for value in values:
            owner.execute(f"insert into lake.{name} values ({value})".encode())


def test_an_empty_dataset_has_empty_copies(api: Api) -> None:
    create(api, "nothing", {"id": "bigint", "price": "numeric", "doc": "jsonb", "tags": "text[]"})
    assert move(api, "nothing", "export")["result"]["rows"] == 0
    assert rows(api, "select count(*), sum(price) from nothing_parquet") == [[0, None]]
    assert move(api, "nothing_parquet", "materialize", target="nothing_again")["result"]["rows"] == 0
    described = api.admin.get("/catalog/datasets/by-name/nothing_again").json()["columns"]
    assert described == api.admin.get("/catalog/datasets/by-name/nothing").json()["columns"]


def test_attached_files_of_others_become_a_table(api: Api) -> None:
    root = api.settings.home / "buckets" / "local" / "foreign"
    for year in (2023, 2024):
        table = pa.table(
            {
                "id": pa.array([year * 10, year * 10 + 1], pa.int32()),
                "name": pa.array(["a", None]).dictionary_encode(),
                "big": pa.array([2**63 + 5, None], pa.uint64()),
                "ratio": pa.array([0.5, None], pa.float32()),
                "at": pa.array([1_700_000_000_000, None], pa.timestamp("ms", "Europe/Berlin")),
                "time": pa.array([3_723_000, None], pa.time32("ms")),
                "raw": pa.array([b"\x00\xff", None], pa.large_binary()),
                "tags": pa.array([["x", None], []], pa.large_list(pa.large_string())),
                "price": pa.array([Decimal("1.250"), None], pa.decimal128(20, 3)),
            }
        )
        (root / f"year={year}").mkdir(parents=True)
        pq.write_table(table, root / f"year={year}" / "a.parquet")
    body = {"name": "foreign", "path": "foreign", "row_key": "id"}
    assert api.admin.post("/catalog/datasets/attach", json=body).status_code == 201
    job = move(api, "foreign", "materialize", target="own")
    assert job["state"] == "succeeded", job
    assert job["result"]["rows"] == 4
    names = "id, name, big, ratio, at, time, tags, cast(price as double), year"
    assert rows(api, f"select {names} from own order by id") == rows(
        api, f"select {names} from foreign order by id"
    )
    with api.deployed.connect("owner") as owner:
        raw = owner.execute("select raw, big::text, time::text from lake.own where id = 20230").fetchone()
    assert (bytes(raw[0]), *raw[1:]) == (b"\x00\xff", str(2**63 + 5), "01:02:03")
    assert move(api, "foreign", "export", target="ours")["result"]["rows"] == 4
    assert rows(api, f"select {names} from ours order by id") == rows(
        api, f"select {names} from foreign order by id"
    )


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("numeric", "1e40"),
        ("numeric", "'NaN'"),
        ("timestamp", "'infinity'"),
        ("timestamptz", "'-infinity'"),
        ("date", "'infinity'"),
    ],
)
def test_a_value_that_files_cannot_hold_ends_it_without_a_trace(api: Api, kind: str, value: str) -> None:
    name = f"odd_{kind}_{abs(hash(value)) % 10**6}"
    create(api, name, {"id": "bigint", "v": kind}, "1, null", f"2, {value}")
    job = move(api, name, "export")
    assert (job["state"], job["error"]["code"]) == ("failed", "conflict"), job
    assert "'v'" in job["error"]["message"]
    assert folders(api, f"{name}_parquet") == []
    assert api.admin.get(f"/catalog/datasets/by-name/{name}_parquet").status_code == 404


def test_doubles_of_the_row_key_that_came_since_are_found(api: Api) -> None:
    path = api.settings.home / "buckets" / "local" / "later.parquet"
    pq.write_table(pa.table({"id": [1, 2]}), path)
    body = {"name": "later", "path": "later.parquet", "row_key": "id"}
    assert api.admin.post("/catalog/datasets/attach", json=body).status_code == 201
    pq.write_table(pa.table({"id": [1, 1]}), path)
    job = move(api, "later", "materialize")
    assert (job["state"], job["error"]["code"]) == ("failed", "duplicate_row_key"), job
    with api.deployed.connect() as connection:
        found = connection.execute("select count(*) from pg_tables where tablename ~ '^_load_'").fetchone()
    assert found == (0,)


def test_a_bucket_that_does_not_answer(api: Api) -> None:
    create(api, "here", {"id": "bigint"}, "1")
    root = api.settings.home / "buckets" / "local"
    root.rename(root.with_name("away"))
    try:
        problem(api.admin.post("/catalog/datasets/by-name/here/export", json={}), 503, "unavailable")
    finally:
        root.with_name("away").rename(root)
    assert move(api, "here", "export")["state"] == "succeeded"
