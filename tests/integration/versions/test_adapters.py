"""Adapters: learnt from judged questions, registered, an index moved to one, and kept while it has it."""

from typing import Any

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


def test_what_cannot_be_learnt_is_refused(swapping: Api) -> None:
    judged(swapping, "few", 5)
    problem(swapping.admin.post(URL, json={"name": "x", "eval": "few"}), 400, "invalid_input")
    problem(swapping.admin.post(URL, json={"name": "x", "eval": "none"}), 404, "not_found")
    problem(swapping.admin.post(URL, json={"name": "X y", "eval": "asked"}), 400, "invalid_name")
    with swapping.reader("reader") as reader:
        problem(reader.post(URL, json={"name": "x", "eval": "asked"}), 403, "forbidden")
        problem(reader.get(URL), 403, "forbidden")
