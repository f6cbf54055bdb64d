"""A key is a value of its type, not a text: 1.5 and 1.50 are one subject, before an erasure and after it."""

import io
import time
from decimal import Decimal
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.integration.api.conftest import Api, api, problem

__all__ = ["api"]

#: For each type of a row key: how the file spells a key, how a caller may spell it, and how a later file does.
SPELLED = {
    "numeric": ("1.5", "1.50", "01.500"),
    "double precision": ("0.1", "1e-1", "0.10"),
    "bigint": ("7", "007", "7"),
    "date": ("2024-01-05", "5 January 2024", "2024-01-05"),
    "timestamptz": ("2024-01-05T10:00:00Z", "2024-01-05 12:00:00+02", "2024-01-05T11:00:00+01:00"),
    "text": ("Ünï $1 %s ' \\ \U0001f642", "Ünï $1 %s ' \\ \U0001f642", "Ünï $1 %s ' \\ \U0001f642"),
}


def create(api: Api, name: str, key_type: str, key: str) -> str:
    columns = [{"name": "k", "type": key_type}, {"name": "note", "type": "text"}]
    answer = api.admin.post("/catalog/datasets", json={"name": name, "row_key": "k", "columns": columns})
    assert answer.status_code == 201, answer.text
    load(api, name, key)
    return f"/catalog/datasets/by-name/{name}/tombstone"


def load(api: Api, name: str, key: str, disposition: str = "append") -> Any:
    if name == "keys_numeric":  # a decimal in CSV is a float, in Parquet it stays what it is
        values = pa.array([Decimal(key)], pa.decimal128(12, 3))
        table = pa.table({"k": values, "note": [f"{disposition} {time.monotonic_ns()}"]})
        parquet.write_table(table, file := io.BytesIO())
        content: str | bytes = file.getvalue()
    else:
        quoted = key.replace('"', '""')
        content = f'k,note\n"{quoted}",{disposition} {time.monotonic_ns()}\n'
    filename = name + (".csv" if isinstance(content, str) else ".parquet")
    answer = api.ingest(name, content, filename, disposition=disposition)
    assert answer.status_code == 201, answer.text
    return answer.json()


@pytest.mark.parametrize("key_type", SPELLED)
def test_a_key_is_compared_as_its_type(api: Api, key_type: str) -> None:
    in_file, asked, later = SPELLED[key_type]
    name = "keys_" + key_type.replace(" ", "_")
    path = create(api, name, key_type, in_file)
    body = {"row_key_column": "k", "row_key_values": [asked]}
    assert api.admin.post(path, json={**body, "reason": "asked"}).json()["tombstoned"] == 1
    assert api.admin.post(path, json={**body, "row_key_values": [later]}).json()["already"] == 1
    assert load(api, name, later)["tombstoned"] == 1
    with api.deployed.connect("owner") as owner:
        query = f"insert into lake.{name} (k) values (%s)".encode()
        with pytest.raises(psycopg.errors.CheckViolation, match="tombstone"):
            owner.execute(query, [later])
        # what an erasure leaves of a key is its hash alone, made by the same rule
        same = owner.execute(
            "select t.key_hash = lakeward.key_hash(%s, %s) from lakeward.tombstone t"
            " join lakeward.dataset d on d.id = t.dataset_id and d.name = %s",
            [asked, key_type, name],
        ).fetchall()
        assert same == [(True,)]
        owner.execute("update lakeward.tombstone set key_value = null, image = null, purged_at = now()")
    for disposition in ("append", "merge", "replace"):
        assert load(api, name, later, disposition)["tombstoned"] == 1, disposition
    assert api.admin.post(f"{path}/undo", json=body).json()["purged"] == 1


def test_a_tombstone_holds_when_the_row_key_becomes_another_column(api: Api) -> None:
    assert api.ingest("moves", "a,b\n1,10\n2,20\n", "m.csv", row_key="a").status_code == 201
    path = "/catalog/datasets/by-name/moves/tombstone"
    assert api.admin.post(path, json={"row_key_column": "a", "row_key_values": [1]}).json()["tombstoned"] == 1
    again = api.ingest("moves", "a,b\n1,10\n2,20\n3,30\n", "m2.csv", row_key="b", disposition="replace")
    assert again.status_code in (201, 409), again.text
    shown = api.admin.post("/query/sql", json={"sql": "select a from moves order by a"}).json()["rows"]
    assert [1] not in shown
    problem(api.admin.post(path, json={"row_key_column": "nothing", "row_key_values": [1]}), 409, "conflict")
