"""The trial journal outlives what was measured: it is read by the index's name, across models and deletion."""

import re
from typing import Any

import pytest

from tests.integration.api.conftest import Api, problem
from tests.integration.trials.conftest import defer, journal
from tests.integration.versions import conftest as versions
from tests.integration.versions.test_swap import change, swapped

#: `swapping` is an API with two models, `ollama` the other of them.
ollama, swapping = versions.ollama, versions.swapping
ARM = {"m": 4, "ef_construction": 8, "ef_search": [10, 60]}
TRIALS = "/vectors/hnsw/trials/notes_v1"


def measure(api: Api) -> dict[str, Any]:
    """A trial's job, with questions made of the rows anew."""
    answer = api.admin.post("/vectors/hnsw/evals/rows/autogen", json={"index": "notes_v1", "queries": 20})
    assert answer.status_code == 200, answer.text
    job = api.wait(defer(api, ARM))
    assert job["state"] == "succeeded", job
    return job


def best_ids(api: Api) -> set[int]:
    """What `best` compares: whatever is best in any way."""
    found = [
        api.admin.get(f"{TRIALS}/best", params={"metric": metric, "min_recall": 0}).json()["items"]
        for metric in ("pareto", "recall", "latency")
    ]
    return {row["id"] for items in found for row in items}


def points(api: Api, job_id: str | None = None) -> int:
    """Measurements in the picture."""
    answer = api.admin.get(f"{TRIALS}/plot", params={"job": job_id} if job_id else {})
    assert answer.status_code == 200, answer.text
    return answer.text.count("<circle")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_was_measured_is_read_across_models_and_when_the_index_is_gone(swapping: Api) -> None:
    first = measure(swapping)
    swapped(swapping, model="other")

    listed = swapping.admin.get(TRIALS).json()["items"]
    assert [(row["job_id"], row["model_name"]) for row in listed] == [(first["id"], "fake")] * 2
    assert listed[0]["model_version"] and points(swapping, first["id"]) == 2
    assert best_ids(swapping) == set() and points(swapping) == 0, "nothing is measured under this model"

    second = measure(swapping)
    listed = swapping.admin.get(TRIALS).json()["items"]
    assert [row["model_name"] for row in listed] == ["other", "other", "fake", "fake"]
    assert best_ids(swapping) <= {row["id"] for row in listed[:2]} and points(swapping) == 2

    assert change(swapping, "rollback")["state"] == "succeeded"
    assert best_ids(swapping) <= {row["id"] for row in listed[2:]} != set() and points(swapping) == 2
    assert points(swapping, second["id"]) == 2

    # there again, by a version of another id
    swapped(swapping, model="other", force=True)
    swapped(swapping, model="fake", force=True)
    assert best_ids(swapping) <= {row["id"] for row in listed[2:]} and best_ids(swapping)

    assert swapping.admin.delete("/vectors/indexes/notes_v1").status_code == 200
    assert swapping.admin.get(TRIALS).json()["items"] == listed
    assert swapping.admin.get(TRIALS, params={"eval": "nothing"}).json()["items"] == []
    assert [len(journal(swapping, job["id"])) for job in (first, second)] == [2, 2]
    assert points(swapping, first["id"]) == points(swapping, second["id"]) == 2
    for path in (f"{TRIALS}/best", f"{TRIALS}/plot", "/vectors/hnsw/trials/nothing"):
        problem(swapping.admin.get(path), 404, "not_found")

    swapping.index("notes", "t", name="notes_v1")
    assert best_ids(swapping) == set() and points(swapping) == 0, "it is another index than that was"
    assert swapping.admin.get(TRIALS).json()["items"] == listed


def test_the_name_of_a_version_is_nobodys_index(measured: Api) -> None:
    with measured.deployed.connect("owner") as owner:
        owner.execute(
            "insert into lakeward.vector_index (name, relation_id, text_columns, chunk_size, chunk_overlap, provider, "
            "model_name, model_version, dimensions, row_key, state, version) select name || '~2', relation_id, "
            "text_columns, chunk_size, chunk_overlap, provider, model_name, '2', dimensions, row_key, 'shadow', 2 "
            "from lakeward.vector_index where name = 'notes_v1'"
        )
    assert len(measured.admin.get("/vectors/indexes/notes_v1").json()["versions"]) == 2
    named = {"index": "notes_v1~2"}
    hnsw = "/vectors/hnsw"
    for method, path, sent in (
        ("POST", "/evals", {"json": {**named, "name": "mine", "queries": [{"text": "w1"}]}}),
        ("POST", "/evals/mine/autogen", {"json": named}),
        ("GET", "/evals", {"params": named}),
        ("POST", "/trial", {"json": {**named, "eval": "rows", "arms": [ARM]}}),
        ("POST", "/autotune", {"json": {**named, "target_recall": 0.9}}),
        ("GET", "/trials/notes_v1~2", {}),
        ("GET", "/trials/notes_v1~2/best", {}),
        ("GET", "/trials/notes_v1~2/plot", {}),
    ):
        refused = problem(measured.admin.request(method, hnsw + path, **sent), 404, "not_found")
        assert "notes_v1~2" in refused["detail"]


def test_the_picture_of_an_autotune_shows_its_target(measured: Api) -> None:
    body = {"index": "notes_v1", "target_recall": 0.85}
    accepted = measured.admin.post("/vectors/hnsw/autotune", json=body).json()
    job = measured.wait(accepted["job_id"])
    assert job["state"] == "succeeded", job
    picture = measured.admin.get(job["result"]["plot"]).text
    assert re.search(r">target 0\.85<", picture)
    assert f">chosen: ef_search {job['result']['config']['ef_search']}<" in picture
    trial = measured.wait(defer(measured, ARM))
    for params in ({"job": trial["id"]}, {}):
        picture = measured.admin.get(TRIALS + "/plot", params=params).text
        assert "<circle" in picture and ">target" not in picture


def test_what_is_warm_of_an_index_that_lance_searches_is_not_told_as_pgvectors(measured: Api) -> None:
    measured.profile("byhand", "notes")
    assert measured.admin.post("/vectors/profile/byhand/activate").json()["failures"] == []
    # the same graph, which this profile does not search
    measured.profile("bylance", "notes", vector_backend="lance")
    items = {i["profile"]: i for i in measured.admin.get("/vectors/hnsw/cache/stats").json()["items"]}
    graph = ("state", "variant_bytes", "blocks_hit", "blocks_read", "hit_ratio", "scans", "last_used_at")
    assert items["byhand"]["backend"] == "pgvector" and items["byhand"]["variant_bytes"] > 0
    assert items["bylance"]["backend"] == "lance" and items["bylance"]["chunk_bytes"] > 0
    assert {items["bylance"][name] for name in graph} == {None}
    assert "resident_bytes" not in items["byhand"]
