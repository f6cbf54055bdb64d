"""Polars and DuckDB, each by itself, read a bucket dataset as the open format it is, and get the owner's rows."""

from collections.abc import Callable
from datetime import time
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from tests.integration.api.conftest import Api, api

__all__ = ["api"]

HEAD = "id,name,score,price,born,at,seen,good\n"
Rows = list[tuple[Any, ...]]


def line(n: int, name: str) -> str:
    return (
        f"{n},{name},{n / 8},{n}.{n % 100:02},{1950 + n % 50}-02-{n % 28 + 1:02},10:{n % 60:02}:01,"
        f"2024-01-02T03:04:{n % 60:02}Z,{'true' if n % 2 else 'false'}\n"
    )


@pytest.fixture(scope="module")
def folder(api: Api) -> Path:
    """A dataset's folder, which any other program may read."""
    content = HEAD + "".join(line(n, f"person {n} 東京") for n in range(1, 301))
    assert api.ingest("people", content, row_key="id", home="bucket").status_code == 201
    [found] = (api.settings.home / "buckets" / "local" / "datasets").glob("people-*")
    return found


def owner(api: Api) -> Rows:
    answer = api.admin.post(
        "/query/sql",
        json={"sql": "select * from people order by id"},
        headers={"Accept": "application/vnd.apache.arrow.stream"},
    )
    assert answer.status_code == 200, answer.text
    return _rows(pa.ipc.open_stream(answer.content).read_all())


def by_polars(folder: Path) -> Rows:
    return _rows(pl.read_delta(str(folder)).sort("id").to_arrow())


def by_polars_lazily(folder: Path) -> Rows:
    frame = pl.scan_delta(str(folder)).filter(pl.col("id") > 0).sort("id").collect()
    return _rows(frame.to_arrow())


def by_duckdb(folder: Path) -> Rows:
    """Its own Delta reader is an extension from the internet; the files are those that the log lists."""
    files = [
        str(folder / name) for name in pa.table(DeltaTable(folder).get_add_actions())["path"].to_pylist()
    ]
    with duckdb.connect() as connection:
        found = connection.execute(
            "select * from read_parquet($1, union_by_name => true) order by id", [files]
        )
        return _rows(found.to_arrow_table())


OTHERS: list[Callable[[Path], Rows]] = [by_polars, by_polars_lazily, by_duckdb]


def _rows(table: pa.Table) -> Rows:
    """Values alone. A time of day is text in the files, for Delta has no such type."""
    return [tuple(map(_plain, row.values())) for row in table.to_pylist()]


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, time) else value


def load(api: Api, *lines: str, **form: str) -> None:
    answer = api.ingest("people", HEAD + "".join(lines), **form)
    assert answer.status_code == 201, answer.text


def compact(api: Api) -> None:
    job = api.wait(api.admin.post("/query/compact", json={"dataset": "people"}).json()["job_id"])
    assert job["state"] == "succeeded", job


def agree(api: Api, folder: Path, count: int) -> None:
    wanted = owner(api)
    assert len(wanted) == count
    for read in OTHERS:
        assert read(folder) == wanted, read.__name__


def test_they_get_the_owners_rows_through_a_datasets_life(api: Api, folder: Path) -> None:
    agree(api, folder, 300)
    load(api, line(1001, "appended"), line(1002, ""))
    agree(api, folder, 302)
    load(api, line(5, "merged"), line(1003, "new"), disposition="merge")
    agree(api, folder, 303)
    more = api.ingest("people", HEAD.rstrip() + ",extra\n" + line(1004, "wider").rstrip() + ",x\n")
    assert more.status_code == 201, more.text
    agree(api, folder, 304)
    compact(api)
    agree(api, folder, 304)
    body = {"row_key_column": "id", "row_key_values": [5, 1001]}
    done = api.admin.post("/catalog/datasets/by-name/people/tombstone", json=body)
    assert done.json()["tombstoned"] == 2
    # the files have these rows until they are compacted: only Lakeward's own doors leave them out
    for read in OTHERS:
        assert len(read(folder)) == 304 and [row for row in read(folder) if row[0] not in (5, 1001)] == owner(
            api
        )
    compact(api)
    agree(api, folder, 302)
    load(api, line(1, "only one"), disposition="replace")
    agree(api, folder, 1)
