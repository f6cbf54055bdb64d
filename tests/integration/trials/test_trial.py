"""Trials measure arms on a copy of the live vectors, against exact truth, and leave nothing but the journal."""

import asyncio
import time
from typing import Any

import psycopg
import pytest

from app.db.database import open_database
from app.trials import bench, truth
from app.trials.bench import sweep_copies
from tests.integration.api.conftest import Api, serving, settings_for
from tests.integration.trials.conftest import copies, defer, journal, prepare

SMALL = {"m": 4, "ef_construction": 8, "ef_search": [10]}


def run(api: Api, *arms: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return api.wait(defer(api, *arms, **fields))


def test_a_trial_measures_every_beam_of_every_arm(measured: Api) -> None:
    job = run(
        measured,
        {**SMALL, "ef_search": [10, 200]},
        {**SMALL, "type": "vector"},
        {**SMALL, "ef_search": [10, 400], "type": "binary"},
    )
    assert job["state"] == "succeeded" and job["result"]["measurements"] == 5, job
    assert job["progress"]["done"] == job["progress"]["total"] == 8
    rows = journal(measured, job["id"])
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
    assert by_arm["binary", 10]["bytes"] < by_arm["halfvec", 10]["bytes"] < by_arm["vector", 10]["bytes"]
    assert copies(measured) == []


def test_each_graph_is_searched_and_not_the_one_beside_it(measured: Api) -> None:
    weak, strong = {**SMALL, "m": 2, "ef_construction": 4}, {**SMALL, "m": 32, "ef_construction": 200}
    for arms in ((weak, strong), (strong, weak)):
        recalls = {row["arm"]["m"]: row["recall"] for row in journal(measured, run(measured, *arms)["id"])}
        assert recalls[2] < 0.6 < 0.8 < recalls[32], recalls


def test_three_arms_at_a_time_are_measured_in_turns(measured: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    together: list[list[tuple[int, int]]] = []
    time_beams = bench.Bench.time

    async def record(self: Any, beams: Any, *more: Any) -> Any:
        together.append([(beam.built.build.m, beam.ef_search) for beam in beams])
        return await time_beams(self, beams, *more)

    monkeypatch.setattr(bench.Bench, "time", record)
    arms = [{**SMALL, "m": m, "ef_construction": 2 * m, "ef_search": [10, 20]} for m in (2, 4, 8, 16)]
    rows = journal(measured, run(measured, *arms)["id"])
    beams = [[(m, beam) for m in group for beam in (10, 20)] for group in ((2, 4, 8), (16,))]
    assert together == beams and len(rows) == 8
    recalls = {row["arm"]["m"]: row["recall"] for row in rows if row["arm"]["ef_search"] == 20}
    assert recalls[2] < recalls[4] < min(recalls[8], recalls[16]), recalls


def test_truth_is_what_an_exact_search_finds(measured: Api) -> None:
    """Asked for itself a chunk is nearest, and what follows is what Postgres finds."""
    with measured.deployed.connect("owner") as owner:
        [(chunk_id, vector)] = owner.execute(
            "select chunk_id, (embedding::ext.vector)::real[] from vec.notes_v1 where row_key = 7"
        ).fetchall()
        made = {"name": "itself", "index": "notes_v1", "queries": [{"vector": vector}]}
        assert measured.admin.post("/vectors/hnsw/evals", json=made).status_code == 201
        run(measured, SMALL, eval="itself")
        [(ids, distances)] = owner.execute(
            "select t.chunk_ids, t.distances from lakeward.eval_truth t "
            "join lakeward.eval_query q on q.id = t.query_id where q.vector is not null"
        ).fetchall()
        exact = owner.execute(
            "select c.embedding operator(ext.<=>) s.embedding from vec.notes_v1 c, vec.notes_v1 s "
            "where s.chunk_id = %s order by 1 limit 100",
            [chunk_id],
        ).fetchall()
    assert ids[0] == chunk_id and len(set(ids)) == 100
    assert distances == pytest.approx([row[0] for row in exact], abs=1e-5)


def test_truth_is_computed_once_and_again_when_the_chunks_change(
    measured: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed, search = [], truth._search

    async def counted(*arguments: Any) -> Any:
        computed.append(1)
        return await search(*arguments)

    monkeypatch.setattr(truth, "_search", counted)
    run(measured, SMALL)
    computed.clear()
    first = run(measured, SMALL)
    assert computed == []
    with measured.deployed.connect("owner") as owner:
        owner.execute("delete from lake.notes where id >= 395")
    second = run(measured, SMALL)
    assert computed == [1]
    vectors = [journal(measured, job["id"])[0]["vectors"] for job in (first, second)]
    assert vectors == [400, 395]


def test_questions_of_rows_that_are_gone_are_not_asked(measured: Api) -> None:
    with measured.deployed.connect("owner") as owner:
        before = owner.execute("select count(*) from vec.notes_v1").fetchone()
        owner.execute(
            "delete from lake.notes n using vec.notes_v1 c, lakeward.eval_query q "
            "where c.row_key = n.id and q.chunk_id = c.chunk_id and c.chunk_id % 2 = 0"
        )
        [left] = owner.execute(
            "select count(*) from lakeward.eval_query q join vec.notes_v1 c on c.chunk_id = q.chunk_id"
        ).fetchone()
    row = journal(measured, run(measured, SMALL)["id"])[0]
    assert 0 < left < 60 and row["queries"] == left and row["vectors"] < before[0]


def test_a_cancelled_trial_ends_in_the_middle_of_a_build(
    measured: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "app.trials.statements.create_graph", lambda *_: psycopg.sql.SQL("select pg_sleep(60)")
    )
    job_id = defer(measured, SMALL)
    deadline = time.monotonic() + 20
    while not copies(measured):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    measured.admin.delete(f"/vectors/jobs/{job_id}")
    started = time.monotonic()
    assert measured.wait(job_id)["state"] == "cancelled" and time.monotonic() - started < 10
    assert copies(measured) == [] and journal(measured, job_id) == []


def test_a_trial_that_fails_leaves_no_copy(measured: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.trials.statements.create_graph", lambda *_: psycopg.sql.SQL("select 1/0"))
    job = run(measured, SMALL)
    assert job["state"] == "failed" and copies(measured) == []


def test_what_a_killed_worker_left_is_swept_and_what_is_used_is_not(measured: Api) -> None:
    used, left = (f"_trial_{letter * 32}" for letter in "ab")

    async def sweep() -> int:
        database = await open_database(measured.deployed.service_dsn, measured.settings)
        try:
            return await sweep_copies(database)
        finally:
            await database.close()

    with measured.deployed.connect("owner") as owner:
        for name in (used, left):
            owner.execute(
                psycopg.sql.SQL("create unlogged table vec.{} (x int)").format(psycopg.sql.Identifier(name))
            )
        owner.execute("create table vec._trial_of_mine (x int)")
        owner.execute("select pg_advisory_lock(hashtext(%s))", [f"lakeward.{used}"])
        assert asyncio.run(sweep()) == 1
        assert sorted(copies(measured)) == [(used,), ("_trial_of_mine",)]
        owner.execute("drop table vec._trial_of_mine")
    assert asyncio.run(sweep()) == 1 and copies(measured) == []


def test_what_was_measured_cannot_be_changed(measured: Api) -> None:
    run(measured, SMALL)
    with measured.deployed.connect("owner") as owner:
        for statement in (
            "update lakeward.trial set recall = 1",
            "delete from lakeward.trial",
            "truncate lakeward.trial",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
                owner.execute(statement)


def test_an_index_that_is_deleted_during_its_trial(clone: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    build = bench.Bench.build

    async def slow(self: bench.Bench, *arguments: Any) -> Any:
        await asyncio.sleep(1.5)
        return await build(self, *arguments)

    monkeypatch.setattr(bench.Bench, "build", slow)
    with clone() as deployed, serving(deployed, settings_for(deployed)) as api:
        prepare(api)
        job_id = defer(api, SMALL)
        deadline = time.monotonic() + 20
        while not copies(api):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert api.admin.delete("/vectors/indexes/notes_v1").status_code == 200
        job = api.wait(job_id)
        assert job["state"] == "failed" and job["error"]["code"] == "not_found", job
        assert "notes_v1" in job["error"]["message"] and copies(api) == []
        assert api.admin.get("/vectors/hnsw/evals").json()["items"] == []
