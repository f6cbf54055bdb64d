"""Parquet files that are there become a dataset: one, a folder, a pattern, partitions; and what is refused."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.integration.api.conftest import Api, api, problem

__all__ = ["api"]


@pytest.fixture(scope="module")
def root(api: Api) -> Path:
    """The folder of the bucket, with files of many kinds."""
    root = api.settings.home / "buckets" / "local"
    for n in range(3):
        write(root / f"folder/part-{n}.parquet", {"id": range(n * 10, n * 10 + 10), "Name": [f"n{n}"] * 10})
    write(root / "folder/deeper/part-3.parquet", {"id": range(30, 35), "Name": ["d"] * 5, "more": [0.5] * 5})
    write(root / "folder/_tmp.parquet", {"other": [1]})
    for year in (2024, 2025):
        for region in ("eu", "us"):
            write(root / f"parts/year={year}/region={region}/a.parquet", {"id": [year], "v": [region]})
    table = pa.table({"id": [1], "s": pa.array([["a", "b"]]), "d": pa.array(["x"]).dictionary_encode()})
    write(root / "types.parquet", table.append_column("n", pa.array([5], pa.int32())))
    return root


def write(path: Path, table: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table if isinstance(table, pa.Table) else pa.table(table), path)


def attach(api: Api, name: str, path: str, **fields: Any) -> Any:
    return api.admin.post("/catalog/datasets/attach", json={"name": name, "path": path, **fields})


def rows(api: Api, statement: str, profile: str | None = None) -> Any:
    client = api.admin if profile is None else api.reader(profile)
    answer = client.post("/query/sql", json={"sql": statement})
    assert answer.status_code == 200, answer.text
    return answer.json()["rows"]


def test_a_folder_a_pattern_and_a_file(api: Api, root: Path) -> None:
    answer = attach(api, "folder", "folder", row_key="id")
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert (body["home"], body["row_count"], body["row_key"]) == ("bucket", 35, "id")
    assert [column["name"] for column in body["columns"]] == ["id", "Name", "more"]
    assert rows(api, 'select count(*), count("Name"), count(more) from folder') == [[35, 35, 5]]
    assert attach(api, "pattern", "folder/part-[01]*.parquet").json()["row_count"] == 20
    assert rows(api, "select count(*) from pattern") == [[20]]
    assert attach(api, "one", "folder/part-2.parquet").json()["row_count"] == 10
    assert rows(api, "select min(id) from one") == [[20]]


def test_partitions_are_columns(api: Api, root: Path) -> None:
    answer = attach(api, "parts", "parts/")
    assert answer.status_code == 201, answer.text
    assert [(c["name"], c["type"]) for c in answer.json()["columns"]][2:] == [
        ("year", "bigint"),
        ("region", "text"),
    ]
    assert rows(api, "select id, v from parts where year = 2025 and region = 'us'") == [[2025, "us"]]


def test_readers_see_it_governed_and_tombstones_hold(api: Api, root: Path) -> None:
    view = {
        "name": "folder_safe",
        "base_dataset": "folder",
        "columns": ["id", "Name"],
        "row_filter": "id >= 5",
        "redactions": {"Name": {"action": "mask", "keep_prefix": 1}},
    }
    assert api.admin.post("/catalog/views", json=view).status_code == 201
    api.profile("reader", "folder_safe")
    body = {"row_key_column": "id", "row_key_values": [6, 31, 77]}
    assert api.admin.post("/catalog/datasets/by-name/folder/tombstone", json=body).json()["tombstoned"] == 2
    assert rows(api, 'select count(*), min("Name"), max("Name") from folder_safe', "reader") == [
        [28, "*", "n*"]
    ]
    assert (
        api.admin.post("/catalog/datasets/by-name/folder/tombstone/undo", json=body).json()["restored"] == 2
    )
    problem(api.admin.post("/query/compact", json={"dataset": "folder"}), 409, "conflict")
    assert "only read" in problem(api.ingest("folder", "id,Name\n1,x\n"), 409, "conflict")["detail"]


def test_types_of_others(api: Api, root: Path) -> None:
    assert attach(api, "types", "types.parquet").status_code == 201
    assert rows(api, "select s, d, n + 1 from types") == [[["a", "b"], "x", 6]]


@pytest.mark.parametrize(
    ("make", "path", "status", "code", "says"),
    [
        (None, "nothing", 404, "not_found", "nothing"),
        (b"", "bad/empty.parquet", 400, "invalid_file", "0 bytes"),
        (b"x" * 50, "bad/text.parquet", 400, "invalid_file", "no Parquet file"),
        ("cut", "bad/cut.parquet", 400, "invalid_file", "end is missing"),
        ("footer", "bad/footer.parquet", 400, "invalid_file", "damaged"),
        ("encrypted", "bad/encrypted.parquet", 400, "invalid_file", "encrypted"),
        ("nested", "bad/nested.parquet", 400, "invalid_input", "lakeward ingest"),
        ("unlike", "unlike", 400, "invalid_file", "must agree"),
        (None, "../../../etc", 400, "invalid_input", ""),
        (None, "/etc", 400, "invalid_input", ""),
        (None, "fol*er/part-0.parquet", 400, "invalid_input", "last part"),
        (None, "a" * 2000, 400, "invalid_input", ""),
    ],
)
def test_what_cannot_be_attached_is_named(
    api: Api, root: Path, make: Any, path: str, status: int, code: str, says: str
) -> None:
    good = (root / "folder/part-0.parquet").read_bytes()
    target = root / path
    if make is not None and make != "unlike":
        target.parent.mkdir(exist_ok=True)
    if isinstance(make, bytes):
        target.write_bytes(make)
    elif make == "cut":
        target.write_bytes(good[:-20])
    elif make == "footer":
        target.write_bytes(good[:-60] + b"\xff" * 40 + good[-20:])
    elif make == "encrypted":
        target.write_bytes(good[:-4] + b"PARE")
    elif make == "nested":
        write(target, {"a": [{"b": {"c": 1}}]})
    elif make == "unlike":
        write(root / "unlike/a.parquet", {"id": [1]})
        write(root / "unlike/b.parquet", {"id": ["x"]})
    found = problem(attach(api, "bad", path), status, code)
    assert says in found["detail"], found
    assert api.admin.get("/catalog/datasets/by-name/bad").status_code == 404


def test_row_keys_and_names_that_cannot_be(api: Api, root: Path) -> None:
    problem(attach(api, "again", "folder", row_key="nothing"), 400, "invalid_input")
    problem(attach(api, "again", "folder", row_key="Name"), 409, "duplicate_row_key")
    problem(attach(api, "folder", "folder"), 409, "conflict")
    problem(attach(api, "again", "folder", bucket="nowhere"), 503, "unavailable")
    api.profile("nobody")
    with api.reader("nobody") as reader:
        problem(
            reader.post("/catalog/datasets/attach", json={"name": "x", "path": "folder"}), 403, "forbidden"
        )


def test_zero_rows(api: Api, root: Path) -> None:
    write(root / "zero.parquet", pa.table({"id": pa.array([], pa.int64())}))
    assert attach(api, "zero", "zero.parquet", row_key="id").json()["row_count"] == 0
    assert rows(api, "select count(*) from zero") == [[0]]
