"""Adapters: learnt from judged questions, registered, an index moved to one, and kept while it has it."""

from typing import Any

import psycopg
import pytest

from tests.integration.api.conftest import Api, problem
from tests.integration.versions.conftest import ROWS
from tests.integration.versions.test_swap import TEXTS, change

URL = "/vectors/adapters"


def judged(api: Api, name: str, count: int) -> None:
    """Questions of words of a row, half of them, and noise that says nothing; the row is relevant."""
    queries: list[dict[str, Any]] = [
        {"text": " ".join(TEXTS[n].split()[:4] + ["please", "find", "thanks"] * 4), "relevant": [str(n)]}
        for n in range(count)
    ]
    body = {"name": name, "index": "notes_v1", "queries": queries}
    assert api.admin.post("/vectors/hnsw/evals", json=body).status_code == 201


@pytest.fixture(scope="module")
def polite(swapping: Api) -> Api:
    """The API with the adapter `polite`, learnt from 120 judged questions."""
    judged(swapping, "asked", 120)
    answer = swapping.admin.post(URL, json={"name": "polite", "eval": "asked"})
    assert answer.status_code == 202 and answer.json()["model"] == "fake+polite", answer.text
    job = swapping.wait(answer.json()["job_id"])
    assert job["state"] == "succeeded", job
    return swapping


def test_an_index_moves_to_an_adapter_which_stays_while_it_is_used(polite: Api) -> None:
    swapping = polite
    [adapter] = swapping.admin.get(URL).json()["items"]
    assert (adapter["trained_on"], adapter["held_out"]["pairs"]) == (96, 24)
    assert adapter["held_out"]["after"] >= adapter["held_out"]["before"] and adapter["used_by"] == []
    job = change(swapping, "swap", adapter="polite", eval="asked")
    assert job["state"] == "succeeded", job
    assert job["result"]["model"] == "fake+polite"
    quality = job["result"]["gate"]["quality"]
    assert quality["judged"] == 120 and quality["ndcg_after"] >= quality["ndcg_before"] - 0.01
    hits = swapping.admin.post("/vectors/search", json={"index": "notes_v1", "query": TEXTS[3]}).json()
    assert hits["model"] == "fake+polite" and hits["hits"][0]["distance"] < 0.01
    assert swapping.admin.get("/vectors/indexes/notes_v1").json()["chunks"] == ROWS
    document = problem(swapping.admin.delete(f"{URL}/polite"), 409, "in_use")
    assert "notes_v1" in document["detail"]
    assert change(swapping, "rollback")["state"] == "succeeded"
    problem(swapping.admin.delete(f"{URL}/polite"), 409, "in_use")
    assert swapping.admin.delete("/vectors/indexes/notes_v1~2").status_code == 200
    assert swapping.admin.delete(f"{URL}/polite").status_code == 200
    problem(swapping.admin.delete(f"{URL}/polite"), 404, "not_found")
    problem(
        swapping.admin.post("/vectors/indexes/notes_v1/swap", json={"adapter": "polite"}), 404, "not_found"
    )


def pairs(count: int, answers: int = 1) -> list[dict[str, str]]:
    return [
        {"query": " ".join(TEXTS[n].split()[:4] + ["please"] * 8), "text": TEXTS[n] + " ." * k}
        for n in range(count)
        for k in range(answers)
    ]


def test_learnt_from_pairs_of_which_nothing_is_kept(swapping: Api) -> None:
    secret = [{"query": "wozu zwiebelfisch", "text": "ein zwiebelfisch"}]
    body = {"name": "paired", "index": "notes_v1", "pairs": pairs(60, 2) + secret + pairs(1)}
    answer = swapping.admin.post(URL, json=body)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    # 121 different pairs of 61 questions, a fifth of which is held out with all its pairs
    assert made["trained_on"] + made["held_out"]["pairs"] == 121 and made["held_out"]["pairs"] in (23, 24)
    assert swapping.admin.get(URL).json()["items"] == [made]
    problem(swapping.admin.post(URL, json=body), 409, "conflict")
    job = change(swapping, "swap", adapter="paired", force=True)
    assert job["state"] == "succeeded" and job["result"]["model"] == "fake+paired", job
    assert change(swapping, "rollback")["state"] == "succeeded"
    assert swapping.admin.delete("/vectors/indexes/notes_v1~2").status_code in (200, 404)
    tables = (
        "select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace "
        "where c.relkind = 'r' and n.nspname in ('lakeward', 'jobs', 'vec')"
    )
    with psycopg.connect(swapping.deployed.dsn) as admin:
        names = [name for (name,) in admin.execute(tables).fetchall()]
        holds = "select 1 from {} t where t::text like '%zwiebelfisch%' limit 1"
        kept = [name for name in names if admin.execute(holds.format(name)).fetchone()]
    assert len(names) > 20 and kept == []


def test_pairs_that_cannot_be_learnt_from_are_refused(swapping: Api) -> None:
    good = pairs(60)
    for body, code in (
        ({"index": "notes_v1", "pairs": good[:5]}, "invalid_input"),
        ({"index": "notes_v1", "pairs": good[:1] * 60}, "invalid_input"),
        ({"index": "notes_v1", "pairs": []}, "invalid_input"),
        ({"index": "notes_v1", "pairs": [*good, {"query": " ", "text": "x"}]}, "invalid_input"),
        ({"index": "notes_v1", "pairs": [*good, {"query": "x"}]}, "invalid_input"),
        ({"index": "notes_v1", "pairs": good * 40}, "invalid_input"),
        ({"pairs": good}, "invalid_input"),
        ({"eval": "asked", "index": "notes_v1", "pairs": good}, "invalid_input"),
        ({"eval": "asked", "index": "notes_v1"}, "invalid_input"),
        ({"index": "notes_v1"}, "invalid_input"),
        ({}, "invalid_input"),
    ):
        problem(swapping.admin.post(URL, json={"name": "x", **body}), 400, code)
    problem(swapping.admin.post(URL, json={"name": "x", "index": "none", "pairs": good}), 404, "not_found")
    assert all(found["name"] != "x" for found in swapping.admin.get(URL).json()["items"])


def test_what_cannot_be_learnt_is_refused(swapping: Api) -> None:
    judged(swapping, "few", 5)
    problem(swapping.admin.post(URL, json={"name": "x", "eval": "few"}), 400, "invalid_input")
    problem(swapping.admin.post(URL, json={"name": "x", "eval": "none"}), 404, "not_found")
    problem(swapping.admin.post(URL, json={"name": "X y", "eval": "asked"}), 400, "invalid_name")
    with swapping.reader("reader") as reader:
        problem(reader.post(URL, json={"name": "x", "eval": "asked"}), 403, "forbidden")
        problem(reader.get(URL), 403, "forbidden")
