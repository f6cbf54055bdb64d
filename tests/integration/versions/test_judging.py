"""What judges a change of the model, what says that nothing does, and eval sets that outlive their models."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

import app
from app.models.fake import FakeEmbedder
from tests.integration.api.conftest import Api, problem
from tests.integration.trials.conftest import defer
from tests.integration.versions.conftest import Ollama
from tests.integration.versions.test_swap import TEXTS, change, index, swapped

URL = "/vectors/indexes/notes_v1"
ARM = {"m": 16, "ef_construction": 80, "ef_search": [30]}


def make(api: Api, name: str, queries: list[dict[str, Any]]) -> None:
    """An eval set of notes_v1."""
    body = {"name": name, "index": "notes_v1", "queries": queries}
    answer = api.admin.post("/vectors/hnsw/evals", json=body)
    assert answer.status_code == 201, answer.text


def questions(api: Api) -> list[Any]:
    """All questions that somebody gave, and the index that they ask."""
    with api.deployed.connect("owner") as owner:
        return owner.execute(
            "select e.name, i.name, q.question, q.vector, q.relevant from lakeward.eval_query q "
            "join lakeward.eval_set e on e.id = q.eval_id join lakeward.vector_index i on i.id = e.index_id "
            "order by q.id"
        ).fetchall()


def asked(api: Api, name: str) -> Any:
    """How many questions of the eval set a trial asks; or what it says."""
    job = api.wait(defer(api, ARM, eval=name))
    if job["state"] == "failed":
        return job["error"]["message"]
    [measured] = api.admin.get("/vectors/hnsw/trials/notes_v1", params={"job": job["id"]}).json()["items"]
    return measured["queries"]


def live(api: Api) -> int:
    """The number of the live version."""
    [number] = [version["version"] for version in index(api)["versions"] if version["state"] == "live"]
    return int(number)


@pytest.fixture
def liar(ollama: Ollama) -> Any:
    """The other model, whose vectors say nothing of the text."""
    ollama.lie = True
    yield ollama
    ollama.lie = False


def test_a_model_of_nonsense_is_refused_though_nobody_named_questions(swapping: Api, liar: Ollama) -> None:
    job = change(swapping, "swap", model="other")
    assert job["state"] == "failed" and job["error"]["code"] == "conflict", job
    said = job["error"]["message"]
    assert (
        "index 'notes_v1' stays with fake: nDCG@10 of 200 searches for parts of the index's own texts falls"
        in said
    )
    assert "force changes the model all the same" in said
    assert [version["model_name"] for version in index(swapping)["versions"]] == ["fake"]


def test_an_eval_set_that_was_generated_judges(swapping: Api, liar: Ollama) -> None:
    body = {"index": "notes_v1", "queries": 30}
    assert swapping.admin.post("/vectors/hnsw/evals/rows/autogen", json=body).status_code == 200
    job = change(swapping, "swap", model="other", eval="rows")
    assert job["state"] == "failed", job
    assert "nDCG@10 of 30 judged questions falls from" in job["error"]["message"]
    swapping.admin.delete("/vectors/hnsw/evals/rows")


def test_relevant_rows_that_are_not_there_judge_nothing(swapping: Api, liar: Ollama) -> None:
    make(swapping, "nowhere", [{"text": TEXTS[n], "relevant": [f"none{n}"]} for n in range(10)])
    said = problem(
        swapping.admin.post(f"{URL}/swap", json={"model": "other", "eval": "nowhere"}), 400, "invalid_input"
    )
    assert "not judged: none of the 10 questions of eval set 'nowhere' has a relevant row" in said["detail"]
    gate = swapped(swapping, model="other", eval="nowhere", force=True)["gate"]
    assert gate["quality"]["judged"] == 0 and gate["verdict"] == "not passed"
    assert gate["missed"][0].startswith("not judged: none of the 10 questions")
    assert change(swapping, "rollback")["state"] == "succeeded"
    assert swapping.admin.delete("/vectors/hnsw/evals/nowhere").status_code == 200


@pytest.mark.parametrize("judged", [1, 9])
def test_a_few_judged_questions_judge_nothing(swapping: Api, ollama: Ollama, judged: int) -> None:
    relevant = [{"text": TEXTS[n], "relevant": [str(n)]} for n in range(judged)]
    make(swapping, "few", [*relevant, *({"text": text} for text in TEXTS[20:50])])
    said = problem(
        swapping.admin.post(f"{URL}/swap", json={"model": "other", "eval": "few"}), 400, "invalid_input"
    )
    assert f"not judged: only {judged} of the {judged + 30} questions" in said["detail"]
    assert "fewer than 10" in said["detail"] and "force changes the model all the same" in said["detail"]
    gate = swapped(swapping, model="other", eval="few", force=True)["gate"]
    assert (gate["quality"]["judged"], gate["verdict"]) == (judged, "not passed")
    assert change(swapping, "rollback")["state"] == "succeeded"
    assert swapping.admin.delete("/vectors/hnsw/evals/few").status_code == 200


def test_what_the_live_model_finds_nothing_of_judges_nothing(swapping: Api, ollama: Ollama) -> None:
    # each asks for a row that has not one of its words
    strange = [{"text": f"strange{n} words{n}", "relevant": [str(n)]} for n in range(200, 212)]
    make(swapping, "strange", strange)
    before, calls = live(swapping), ollama.calls
    job = change(swapping, "swap", model="other", eval="strange")
    assert job["state"] == "failed" and job["error"]["code"] == "invalid_input", job
    assert "live finds no relevant row for any question of eval set 'strange'" in job["error"]["message"]
    assert "force changes the model all the same" in job["error"]["message"]
    # before anything is embedded for it
    assert live(swapping) == before and ollama.calls == calls
    assert all(version["state"] != "shadow" for version in index(swapping)["versions"])
    gate = swapped(swapping, model="other", eval="strange", force=True)["gate"]
    assert gate["quality"]["ndcg_before"] == 0 and gate["verdict"] == "not passed"
    assert "finds no relevant row" in gate["missed"][0]
    assert change(swapping, "rollback")["state"] == "succeeded"
    assert swapping.admin.delete("/vectors/hnsw/evals/strange").status_code == 200


def test_eval_sets_follow_with_all_their_questions_and_vectors_wait_for_their_model(swapping: Api) -> None:
    [vector] = asyncio.run(FakeEmbedder().embed([TEXTS[3]])).tolist()
    make(swapping, "vectors", [{"vector": vector, "relevant": ["3"]}])
    judged = [{"text": TEXTS[n], "relevant": [str(n), "none"]} for n in range(10)]
    unjudged = [{"text": TEXTS[n], "relevant": ["none"]} for n in range(5)]
    make(swapping, "mixed", [{"vector": vector, "relevant": ["3"]}, *judged, *unjudged])
    kept, first = questions(swapping), live(swapping)
    assert len(kept) == 17 and {row[1] for row in kept} == {"notes_v1"}
    assert (asked(swapping, "vectors"), asked(swapping, "mixed")) == (1, 16)

    gate = swapped(swapping, model="other", eval="mixed")["gate"]
    assert (gate["quality"]["judged"], gate["quality"]["questions"], gate["verdict"]) == (10, 15, "passed")
    # other's vectors are as long as fake's, and have nothing to do with them
    assert questions(swapping) == kept
    assert asked(swapping, "mixed") == 15
    said = asked(swapping, "vectors")
    assert (
        "1 are vectors made by fake (1, fake), and the index has other (" in said and "they are kept" in said
    )
    said = problem(
        swapping.admin.post(f"{URL}/swap", json={"model": "fake", "eval": "vectors"}), 400, "invalid_input"
    )
    assert "no question that is a text" in said["detail"]

    # the version that the vectors were made for goes with the second change; not they
    assert swapped(swapping, model="fake")["gate"]["verdict"] == "passed"
    assert first not in [version["version"] for version in index(swapping)["versions"]]
    assert questions(swapping) == kept
    assert (asked(swapping, "vectors"), asked(swapping, "mixed")) == (1, 16)

    assert change(swapping, "rollback")["state"] == "succeeded"
    assert questions(swapping) == kept
    assert asked(swapping, "mixed") == 15
    assert change(swapping, "rollback")["state"] == "succeeded"
    assert questions(swapping) == kept
    assert (asked(swapping, "vectors"), asked(swapping, "mixed")) == (1, 16)


def test_an_eval_set_that_was_left_with_a_version_comes_home_with_the_next_change(swapping: Api) -> None:
    kept = questions(swapping)
    with swapping.deployed.connect("owner") as owner:
        # as when it was made while the name moved on, or before sets with vectors did
        moved = owner.execute(
            "update lakeward.eval_set set index_id = (select id from lakeward.vector_index where state = 'retired')"
        )
        assert moved.rowcount == 2
        owner.commit()
    # which deletes that version
    swapped(swapping, model="other")
    assert questions(swapping) == kept
    assert change(swapping, "rollback")["state"] == "succeeded"
    assert questions(swapping) == kept


@pytest.mark.parametrize("rows", [5, 0])
def test_an_index_of_few_rows_is_changed_and_not_judged(swapping: Api, liar: Ollama, rows: int) -> None:
    name = f"few{rows}"
    texts = "\n".join(f"{n},text number {n}" for n in range(5))
    assert swapping.ingest(name, f"id,t\n{texts}\n", row_key="id").status_code == 201
    with swapping.deployed.connect("owner") as owner:
        owner.execute(f"delete from lake.{name} where id >= %s".encode(), [rows])
        owner.commit()
    swapping.index(name, "t", name=f"{name}_v1")
    accepted = swapping.admin.post(f"/vectors/indexes/{name}_v1/swap", json={"model": "other"})
    job = swapping.wait(accepted.json()["job_id"])
    assert job["state"] == "succeeded", job
    gate = job["result"]["gate"]
    assert gate["verdict"] == "not judged" and gate["quality"]["judged"] == 0
    assert gate["missed"][0].startswith("not judged: the index has texts of fewer than 20 rows")
    [now, _] = swapping.admin.get(f"/vectors/indexes/{name}_v1").json()["versions"]
    assert (now["model_name"], now["chunks"], now["gate"]["verdict"]) == ("other", rows, "not judged")


def test_vectors_that_were_kept_before_are_told_their_model(swapping: Api) -> None:
    with swapping.deployed.connect("owner") as owner:
        known = "select id, model from lakeward.eval_query where vector is not null order by id"
        before = owner.execute(known).fetchall()
        assert {model for _, model in before} == {"fake (1, fake)"}
        owner.execute("alter table lakeward.eval_query drop column model")
        migration = Path(app.__file__).parent.parent / "migrations/versions/0005_judging_1_questions.sql"
        owner.execute(migration.read_bytes())
        assert owner.execute(known).fetchall() == before
        rest = "select count(*) from lakeward.eval_query where vector is null and model is not null"
        assert owner.execute(rest).fetchone() == (0,)
        owner.rollback()
