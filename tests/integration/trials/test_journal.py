"""The trial journal outlives what was measured: it is read by the index's name, across models and deletion."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import app
from tests.integration.api.conftest import Api, problem
from tests.integration.trials.conftest import defer, journal
from tests.integration.versions import conftest as versions
from tests.integration.versions.test_swap import change, swapped

#: `swapping` is an API with two models, `ollama` the other of them.
ollama, swapping = versions.ollama, versions.swapping
ARM = {"m": 4, "ef_construction": 8, "ef_search": [10, 60]}
TRIALS = "/vectors/hnsw/trials/notes_v1"
MIGRATIONS = Path(app.__file__).parent.parent / "migrations/versions"


@pytest.fixture
def mine(measured: Api) -> Iterator[None]:
    """The eval set `mine` is gone afterwards."""
    yield
    measured.admin.delete("/vectors/hnsw/evals/mine")


def measure(api: Api) -> dict[str, Any]:
    """A trial's job, with questions of the rows."""
    if "rows" not in [found["name"] for found in api.admin.get("/vectors/hnsw/evals").json()["items"]]:
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
    if answer.status_code == 404 and job_id is None:
        assert "there is nothing to draw" in answer.text
        return 0
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


def compared(api: Api, **params: Any) -> set[str]:
    """The jobs whose figures `best` compares."""
    best = api.admin.get(f"{TRIALS}/best", params={"eval": "mine", **params})
    assert best.status_code == 200, best.text
    return {row["job_id"] for row in best.json()["items"]}


def keep(api: Api, *texts: str) -> dict[str, Any]:
    """The eval set `mine`, made of these."""
    body = {"name": "mine", "index": "notes_v1", "queries": [{"text": text} for text in texts]}
    answer = api.admin.post("/vectors/hnsw/evals", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


@pytest.mark.usefixtures("mine")
def test_only_what_was_asked_the_same_compares(measured: Api) -> None:
    first = keep(measured, "w1 w2", "w3", "w4")
    before = measured.wait(defer(measured, ARM, eval="mine"))
    assert compared(measured) == {before["id"]}
    assert {row["eval_version"] for row in journal(measured, before["id"])} == {first["version"]}
    assert measured.admin.delete("/vectors/hnsw/evals/mine").status_code == 200
    assert compared(measured) == {before["id"]}, "of a set that is gone what was measured last"

    second = keep(measured, "w5 w6", "w7", "w8")
    assert second["version"] != first["version"] and compared(measured) == set()
    after = measured.wait(defer(measured, {**ARM, "ef_search": [10]}, eval="mine"))
    # the other beam of the set before has a better recall, or is slower: either way it would be on the line
    assert compared(measured) == compared(measured, metric="recall") == {after["id"]}
    assert measured.admin.get(f"{TRIALS}/plot", params={"eval": "mine"}).text.count("<circle") == 1
    assert points(measured, before["id"]) == 2

    # one question less, as an erasure takes it away
    with measured.deployed.connect("owner") as owner:
        owner.execute("delete from lakeward.eval_query where question = 'w7'")
    assert compared(measured) == set()


@pytest.mark.usefixtures("mine")
def test_what_was_measured_before_versions_were_kept_does_not_compare(measured: Api) -> None:
    keep(measured, "w9")
    job = measured.wait(defer(measured, ARM, eval="mine"))
    with measured.deployed.connect("owner") as owner:
        owner.execute("alter table lakeward.trial drop column eval_version")
        for path in sorted(MIGRATIONS.glob("0006_*.sql")):
            owner.execute(path.read_bytes())
    assert [row["eval_version"] for row in journal(measured, job["id"])] == [None, None]
    assert compared(measured) == set() and points(measured, job["id"]) == 2


@pytest.mark.usefixtures("mine")
def test_of_a_set_whose_texts_are_going_what_asked_as_many_compares(measured: Api) -> None:
    body = {"index": "notes_v1", "queries": 10}
    assert measured.admin.post("/vectors/hnsw/evals/mine/autogen", json=body).status_code == 200
    before = measured.wait(defer(measured, ARM, eval="mine"))
    with measured.deployed.connect("owner") as owner:
        owner.execute(
            "delete from lake.notes n using vec.notes_v1 c where c.row_key = n.id and c.chunk_id = ("
            "select min(q.chunk_id) from lakeward.eval_query q join lakeward.eval_set e on e.id = q.eval_id "
            "where e.name = 'mine')"
        )
    assert compared(measured) == {before["id"]}
    after = measured.wait(defer(measured, {**ARM, "ef_search": [10]}, eval="mine"))
    assert [row["queries"] for row in journal(measured, after["id"])] == [9]
    assert compared(measured) == {after["id"]}
