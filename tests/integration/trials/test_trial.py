"""Trials measure arms on a copy of the live vectors, against exact truth, and leave nothing but the journal."""

import random
from typing import Any

import pytest

from tests.integration.api.conftest import Api, api

__all__ = ["api"]


def notes(count: int) -> str:
    """Texts of a hundred words at random, so that near and far mean something."""
    chosen = random.Random(7)
    rows = [f"{n},{' '.join(f'w{chosen.randrange(100)}' for _ in range(12))}" for n in range(count)]
    return "id,t\n" + "\n".join(rows) + "\n"


@pytest.fixture(scope="module")
def measured(api: Api) -> Api:
    """Four hundred notes, an index of them and an eval set of its rows."""
    assert api.ingest("notes", notes(400), row_key="id").status_code == 201
    api.index("notes", "t", name="notes_v1")
    answer = api.admin.post("/vectors/hnsw/evals/rows/autogen", json={"index": "notes_v1", "queries": 60})
    assert answer.status_code == 200, answer.text
    assert answer.json()["generated"] == 60
    return api


def copies(api: Api) -> list[Any]:
    with api.deployed.connect("owner") as owner:
        return owner.execute(
            "select relname from pg_class where relname like '\\_trial\\_%' and relkind = 'r'"
        ).fetchall()


def trial(api: Api, *arms: dict[str, Any], **fields: Any) -> dict[str, Any]:
    body = {"index": "notes_v1", "eval": "rows", "arms": list(arms), **fields}
    answer = api.admin.post("/vectors/hnsw/trial", json=body)
    assert answer.status_code == 202, answer.text
    return api.wait(answer.json()["job_id"])


def test_a_trial_measures_every_beam_of_every_arm(measured: Api) -> None:
    job = trial(
        measured,
        {"m": 4, "ef_construction": 8, "ef_search": [10, 200]},
        {"m": 4, "ef_construction": 8, "ef_search": [10], "type": "vector"},
        {"m": 4, "ef_construction": 8, "ef_search": [10, 400], "type": "binary"},
    )
    assert job["state"] == "succeeded", job
    rows = measured.admin.get("/vectors/hnsw/trials/notes_v1", params={"job": job["id"]}).json()["items"]
    assert [(row["arm"]["type"], row["arm"]["ef_search"]) for row in rows] == [
        ("binary", 400), ("binary", 10), ("vector", 10), ("halfvec", 200), ("halfvec", 10),
    ]  # fmt: skip
    by_arm = {(row["arm"]["type"], row["arm"]["ef_search"]): row for row in rows}
    for row in rows:
        assert 0 <= row["recall_low"] <= row["recall"] <= row["recall_high"] <= 1
        assert 0 < row["p50_us"] <= row["p95_us"] <= row["p99_us"] and row["build_s"] > 0 and row["bytes"] > 0
        assert row["queries"] == 60 and row["vectors"] == 400 and row["k"] == 10
    assert by_arm["halfvec", 200]["recall"] > 0.97
    assert by_arm["halfvec", 10]["recall"] < by_arm["halfvec", 200]["recall"]
    # a beam over all rows sorts all of them by their real distance
    assert by_arm["binary", 400]["recall"] >= 0.99 > by_arm["binary", 10]["recall"]
    assert copies(measured) == []
