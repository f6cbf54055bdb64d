"""Files of datasets that are damaged after they were written: whatever reads them says so, and nothing else fails."""

import itertools
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.integration.api.conftest import Api, api, problem

__all__ = ["api"]

ROWS = "id,name\n" + "".join(f"{n},person {n}\n" for n in range(5_000))
NAMES = (f"d{n}" for n in itertools.count())


def corrupt(file: Path) -> None:
    content = file.read_bytes()
    middle = len(content) // 2
    file.write_bytes(content[:4] + os.urandom(middle - 4) + content[middle:])


def break_footer(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[:-60] + b"\xff" * 52 + content[-8:])


def encrypt(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-4] + b"PARE")


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-200])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def drop_rows(file: Path) -> None:
    pq.write_table(pq.read_schema(file).empty_table(), file)


def change_types(file: Path) -> None:
    pq.write_table(pa.table({"id": ["x"], "name": [1]}), file)


def remove(file: Path) -> None:
    file.unlink()


DAMAGE = [corrupt, break_footer, encrypt, cut, empty, drop_rows, change_types, remove]


def make(api: Api, damage: Callable[[Path], None]) -> tuple[str, Any]:
    """A dataset in a bucket with one file, which is then damaged; and a reader of a view of it."""
    name = next(NAMES)
    assert api.ingest(name, ROWS, row_key="id", home="bucket").status_code == 201
    view = {"name": f"{name}_view", "base_dataset": name, "columns": ["id", "name"], "row_filter": "id > 3"}
    assert api.admin.post("/catalog/views", json=view).status_code == 201
    api.profile(f"reader-{name}", f"{name}_view")
    [file] = (api.settings.home / "buckets" / "local" / "datasets").glob(f"{name}-*/*.parquet")
    damage(file)
    return name, api.reader(f"reader-{name}")


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_of_ours_is_said_to_be(api: Api, damage: Callable[[Path], None]) -> None:
    name, reader = make(api, damage)
    code = "unavailable" if damage is remove else "damaged_file"
    for client, relation in ((api.admin, name), (reader, f"{name}_view")):
        for statement in (
            "select count(distinct name) from {}",
            "select * from {} where id > 4 order by name",
        ):
            answer = client.post("/query/sql", json={"sql": statement.format(relation)})
            detail = problem(answer, 503, code)["detail"]
            assert ".parquet" not in detail and "/" not in detail, detail
    gone = {"row_key_column": "id", "row_key_values": [5]}
    row = "id,name\n3,changed\n"
    for answer in (
        api.ingest(name, row, disposition="merge"),
        api.ingest(name, row),
        api.admin.post(f"/catalog/datasets/by-name/{name}/tombstone", json=gone),
    ):
        problem(answer, 503, code)
    # the bucket is not to blame, and all else in it can be used
    health = api.admin.get("/storage/bucket-health").json()
    assert health["status"] == "ok", health
    other = next(NAMES)
    assert api.ingest(other, ROWS, row_key="id", home="bucket").status_code == 201
    assert api.ingest(name, ROWS + "5000,more\n", disposition="replace").status_code == 201
    answer = reader.post("/query/sql", json={"sql": f"select count(*) from {name}_view"})
    assert answer.json()["rows"] == [[4_997]]


@pytest.mark.parametrize("damage", [corrupt, break_footer, encrypt, cut, empty])
def test_a_damaged_file_of_others_is_said_to_be(api: Api, damage: Callable[[Path], None]) -> None:
    name = next(NAMES)
    folder = api.settings.home / "buckets" / "local" / name
    folder.mkdir()
    for part in range(2):
        ids = list(range(part * 1_000, part * 1_000 + 1_000))
        pq.write_table(pa.table({"id": ids, "name": [f"n{n}" for n in ids]}), folder / f"{part}.parquet")
    assert api.admin.post("/catalog/datasets/attach", json={"name": name, "path": name}).status_code == 201
    damage(folder / "0.parquet")
    answer = api.admin.post("/query/sql", json={"sql": f"select count(distinct name) from {name}"})
    detail = problem(answer, 503, "damaged_file")["detail"]
    assert ".parquet" not in detail and "/" not in detail, detail
    again = {"name": f"{name}_again", "path": name}
    if damage is not corrupt:  # a footer does not know what the pages before it are
        problem(api.admin.post("/catalog/datasets/attach", json=again), 400, "invalid_file")


def test_files_that_no_longer_agree(api: Api) -> None:
    """A file that comes later: one with more and fewer columns is read, one with another type is not."""
    name = next(NAMES)
    folder = api.settings.home / "buckets" / "local" / name
    folder.mkdir()
    pq.write_table(pa.table({"id": [1], "name": ["a"]}), folder / "0.parquet")
    assert api.admin.post("/catalog/datasets/attach", json={"name": name, "path": name}).status_code == 201
    pq.write_table(pa.table({"id": [2], "more": [0.5]}), folder / "1.parquet")
    statement = {"sql": f"select * from {name} order by id"}
    assert api.admin.post("/query/sql", json=statement).json()["rows"] == [[1, "a"], [2, None]]
    pq.write_table(pa.table({"id": ["x"]}), folder / "2.parquet")
    detail = problem(api.admin.post("/query/sql", json=statement), 400, "invalid_query")["detail"]
    assert "Cannot cast string 'x' to value of Int64 type" in detail


def test_a_bucket_that_is_gone_and_comes_back(api: Api) -> None:
    name = next(NAMES)
    assert api.ingest(name, ROWS, row_key="id", home="bucket").status_code == 201
    assert api.ingest(f"{name}_table", "id\n1\n").status_code == 201
    root = api.settings.home / "buckets" / "local"
    away = root.with_name("away")
    statement = {"sql": f"select count(*) from {name}"}
    shutil.move(root, away)
    try:
        problem(api.admin.post("/query/sql", json=statement), 503, "unavailable")
        problem(api.ingest(name, "id,name\n9999,late\n"), 503, "unavailable")
        assert not root.exists()
        other = api.admin.post("/query/sql", json={"sql": f"select count(*) from {name}_table"})
        assert other.json()["rows"] == [[1]]
    finally:
        shutil.move(away, root)
    assert api.admin.get("/storage/bucket-health", params={"fresh": "true"}).json()["status"] == "ok"
    assert api.admin.post("/query/sql", json=statement).json()["rows"] == [[5_000]]
    assert api.ingest(name, "id,name\n9999,late\n").status_code == 201
