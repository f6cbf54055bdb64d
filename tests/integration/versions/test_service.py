"""What a change of the model refuses, and what a change that fails leaves."""

import asyncio
import time
from typing import Any

import pytest

from app.db.database import open_database
from app.versions.shadow import sweep_abandoned
from tests.integration.api.conftest import Api, problem
from tests.integration.trials.conftest import notes
from tests.integration.versions.conftest import ROWS, Ollama
from tests.integration.versions.test_swap import TEXTS, change, index

URL = "/vectors/indexes/notes_v1"


def versions(api: Api) -> list[tuple[int, str, str]]:
    """Number, state and model of each, newest first."""
    return [(v["version"], v["state"], v["model_name"]) for v in index(api)["versions"]]


def judge(api: Api, name: str, reverse: bool = False) -> None:
    """An eval set whose questions are rows' texts, with the row itself (or another) as the relevant one."""
    queries = [{"text": TEXTS[n], "relevant": [str(n)]} for n in range(20)]
    answer = api.admin.post(
        "/vectors/hnsw/evals", json={"name": name, "index": "notes_v1", "queries": queries}
    )
    assert answer.status_code == 201, answer.text


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"model": "nobody"}, 404, "not_found"),
        ({"model": "other", "version": "0"}, 404, "not_found"),
        ({}, 400, "invalid_input"),
        ({"model": "fake"}, 409, "conflict"),
        ({"model": "other", "eval": "nothing"}, 404, "not_found"),
        ({"model": "other", "min_recall": 2}, 400, "invalid_input"),
        ({"model": "other", "what": 1}, 400, "invalid_input"),
    ],
)
def test_a_swap_that_cannot_be_is_refused(swapping: Api, body: Any, status: int, code: str) -> None:
    problem(swapping.admin.post(f"{URL}/swap", json=body), status, code)


def test_what_is_not_there_is_not_changed(swapping: Api) -> None:
    problem(swapping.admin.post("/vectors/indexes/nothing/swap", json={"model": "other"}), 404, "not_found")
    problem(swapping.admin.post("/vectors/indexes/nothing/rollback"), 404, "not_found")
    problem(swapping.admin.post(f"{URL}/rollback"), 409, "conflict")


def test_readers_change_nothing(swapping: Api) -> None:
    with swapping.reader("reader") as reader:
        problem(reader.post(f"{URL}/swap", json={"model": "other"}), 403, "forbidden")
        problem(reader.post(f"{URL}/rollback"), 403, "forbidden")


def wait_for_shadow(api: Api) -> None:
    """A swap has begun its version."""
    deadline = time.monotonic() + 30
    while (2, "shadow", "other") not in versions(api):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def tables(api: Api) -> list[str]:
    """Of versions that are not the first."""
    with api.deployed.connect("owner") as owner:
        found = owner.execute("select relname from pg_class where relname ~ '^notes_v1~'").fetchall()
    return [name for (name,) in found]


def sweep(api: Api) -> list[str]:
    """What the worker does each minute."""

    async def run() -> list[str]:
        database = await open_database(api.deployed.service_dsn, api.settings)
        try:
            return await sweep_abandoned(database)
        finally:
            await database.close()

    return asyncio.run(run())


def test_an_index_is_made_with_any_configured_model(swapping: Api, ollama: Ollama) -> None:
    calls = ollama.calls
    name = swapping.index("notes", "t", name="others", model="other", provider="ollama")
    made = swapping.admin.get(f"/vectors/indexes/{name}").json()
    assert (made["model_name"], made["provider"], made["chunks"]) == ("other", "ollama", ROWS)
    assert ollama.calls > calls
    # searches and refreshes ask the index's own model
    found = swapping.admin.post("/vectors/search", json={"index": name, "query": TEXTS[7]}).json()
    assert found["model"] == "other" and found["hits"][0]["doc_key"] == "7"
    changed = notes(ROWS).replace(f"7,{TEXTS[7]}", "7,other words")
    assert swapping.ingest("notes", changed, row_key="id", disposition="merge").status_code == 201
    assert swapping.admin.post("/vectors/refresh/notes").json()["embedded"] == 2
    found = swapping.admin.post("/vectors/search", json={"index": name, "query": "other words"}).json()
    assert found["hits"][0]["doc_key"] == "7" and found["hits"][0]["distance"] < 0.01
    assert swapping.ingest("notes", notes(ROWS), row_key="id", disposition="merge").status_code == 201
    assert swapping.admin.post("/vectors/refresh/notes").status_code == 200
    assert swapping.index("notes", "t", name="usual", model="fake") == "usual"
    for gone in (name, "usual"):
        assert swapping.admin.delete(f"/vectors/indexes/{gone}").status_code == 200


@pytest.mark.parametrize(
    "named", [{"model": "nobody"}, {"model": "other", "version": "0"}, {"provider": "ollama"}]
)
def test_an_index_of_a_model_that_is_not_configured_is_refused(swapping: Api, named: Any) -> None:
    body = {"source": "notes", "text_columns": ["t"], "name": "others", **named}
    said = problem(swapping.admin.post("/vectors/index", json=body), 400, "invalid_input")["detail"]
    assert "other (bbbbbbbbbbbb, ollama)" in said or "name the model" in said


def test_a_swap_that_is_cancelled_leaves_no_version(swapping: Api, ollama: Ollama) -> None:
    ollama.open.clear()
    try:
        job_id = swapping.admin.post(f"{URL}/swap", json={"model": "other"}).json()["job_id"]
        wait_for_shadow(swapping)
        assert tables(swapping)
        assert swapping.admin.delete(f"/vectors/jobs/{job_id}").json()["state"] == "running"
        assert swapping.wait(job_id)["state"] == "cancelled"
    finally:
        ollama.open.set()
    assert versions(swapping) == [(1, "live", "fake")] and tables(swapping) == []


def test_a_swap_that_is_cancelled_between_two_attempts_leaves_no_version(
    swapping: Api, ollama: Ollama, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.vectors.refresh_embedding.PATIENCE_S", 0.1)
    ollama.fails = 1_000
    try:
        job_id = swapping.admin.post(f"{URL}/swap", json={"model": "other"}).json()["job_id"]
        deadline = time.monotonic() + 30
        while (job := swapping.admin.get(f"/vectors/jobs/{job_id}").json())["state"] != "queued" or not job[
            "attempts"
        ]:
            assert time.monotonic() < deadline, job
            time.sleep(0.02)
        assert swapping.admin.delete(f"/vectors/jobs/{job_id}").json()["state"] == "cancelled"
    finally:
        ollama.fails = 0
    assert versions(swapping) == [(2, "shadow", "other"), (1, "live", "fake")]

    assert sweep(swapping) == ["notes_v1"]
    assert versions(swapping) == [(1, "live", "fake")] and tables(swapping) == []


def test_a_version_that_loses_is_not_swapped_and_says_by_how_much(swapping: Api, ollama: Ollama) -> None:
    judge(swapping, "judged")
    ollama.lie = True
    try:
        job = change(swapping, "swap", model="other", eval="judged")
        assert job["state"] == "failed" and job["error"]["code"] == "conflict", job
        assert "nDCG@10 of 20 judged questions falls from 1.0000 to 0." in job["error"]["message"]
        assert versions(swapping) == [(1, "live", "fake")]
        job = change(swapping, "swap", model="other", eval="judged", keep=True)
        assert job["state"] == "failed" and "is kept" in job["error"]["message"]
        assert versions(swapping) == [(2, "shadow", "other"), (1, "live", "fake")]
    finally:
        ollama.lie = False
    # nor does a swap after it that was cancelled take it away
    with swapping.deployed.connect("owner") as owner:
        owner.execute("update lakeward.job set state = 'cancelled' where id = %s", [job["id"]])
    sweep(swapping)
    assert versions(swapping) == [(2, "shadow", "other"), (1, "live", "fake")]
    assert swapping.admin.delete(f"{URL}~2").status_code == 200
    assert versions(swapping) == [(1, "live", "fake")]


def test_a_model_that_dies_changes_nothing_and_is_gone_on_with(
    swapping: Api, ollama: Ollama, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.vectors.refresh_embedding.PATIENCE_S", 0.5)
    ollama.spare, ollama.fails = 2, 1_000
    try:
        job = change(swapping, "swap", model="other")
    finally:
        ollama.spare = ollama.fails = 0
    assert job["state"] == "failed" and job["error"]["code"] == "provider_failed", job
    assert versions(swapping) == [(2, "shadow", "other"), (1, "live", "fake")]
    calls = ollama.calls
    job = change(swapping, "swap", model="other")
    assert job["state"] == "succeeded", job
    assert versions(swapping) == [(2, "live", "other"), (1, "retired", "fake")]
    # what was embedded before is not embedded again: 300 rows are five calls, and 200 questions four
    assert ollama.calls - calls <= 8


def test_eval_sets_follow_and_rows_that_changed_are_there_after_a_rollback(swapping: Api) -> None:
    answer = swapping.admin.post(
        "/vectors/hnsw/evals/rows/autogen", json={"index": "notes_v1", "queries": 30}
    )
    assert answer.status_code == 200 and answer.json()["generated"] == 30
    changed = notes(ROWS).replace(f"5,{TEXTS[5]}", "5,quite another text")
    assert swapping.ingest("notes", changed, row_key="id", disposition="merge").status_code == 201
    assert index(swapping)["versions"][1]["stale_rows"] == 1
    assert change(swapping, "rollback")["state"] == "succeeded"
    sets = {e["name"]: e for e in swapping.admin.get("/vectors/hnsw/evals").json()["items"]}
    assert {e["index"] for e in sets.values()} == {"notes_v1"}
    assert sets["judged"]["queries"] == 20 and sets["rows"]["queries"] >= 29
    hits = swapping.admin.post("/vectors/search", json={"index": "notes_v1", "query": "quite another text"})
    assert hits.json()["hits"][0]["doc_key"] == "5" and hits.json()["model"] == "fake"


def test_readers_see_one_index_with_one_version(swapping: Api) -> None:
    with swapping.reader("reader") as reader:
        items = reader.get("/vectors/indexes").json()["items"]
        assert [item["name"] for item in items] == ["notes_v1"]
        assert [version["state"] for version in items[0]["versions"]] == ["live"]
        assert len(swapping.admin.get("/vectors/indexes").json()["items"]) == 1
        problem(reader.get(f"{URL}~2"), 404, "not_found")
        body = {"index": "notes_v1~2", "query": "w1"}
        problem(reader.post("/vectors/profile/reader/search", json=body), 404, "not_found")


def test_what_was_done_is_on_record(swapping: Api) -> None:
    with swapping.deployed.connect("owner") as owner:
        rows = owner.execute(
            "select count(*) from lakeward.journal where entity like 'index:notes_v1%' and field = 'state'"
        ).fetchone()
    assert rows[0] >= 4


def test_an_index_goes_with_its_versions(swapping: Api) -> None:
    assert swapping.admin.delete(URL).status_code == 200
    with swapping.deployed.connect("owner") as owner:
        left = owner.execute("select relname from pg_class where relname like 'notes_v1%'").fetchall()
    assert left == []
