"""`lakeward index swap`, `rollback`, `versions`, `export`."""

import json

SWAP = "/vectors/indexes/ix/swap"
ACCEPTED = {"job_id": "j1", "index": "ix", "model": "new", "model_version": "2"}
GATE = {
    "graphs": [{"m": 16, "ef_construction": 80, "ef_search": 30, "recall": 0.98}],
    "quality": {
        "questions": 60, "judged": 20, "agreement": 0.75, "ndcg_before": 0.5, "ndcg_after": 0.625,
        "recall_before": 0.5, "recall_after": 0.5,
    },
    "missed": [],
}  # fmt: skip
RESULT = {"index": "ix", "model": "new", "model_version": "2", "before": "old", "gate": GATE}


def test_a_swap_is_waited_for_and_says_what_the_gate_found(fake, run, job):
    fake.answer("POST", SWAP, ACCEPTED, 202)
    fake.answer("GET", "/vectors/jobs/j1", job("succeeded", result=RESULT, id="j1"))
    outcome = run("index", "swap", "ix", "--model", "new", "--eval", "e", "--max-loss", "0.05")
    assert outcome.code == 0, outcome.err
    assert "ix answers by new (2)" in outcome.out and "recall 0.9800" in outcome.out
    assert "0.5000 before, 0.6250 now" in outcome.out and "index rollback ix" in outcome.out
    sent = next(seen for seen in fake.requests if seen.path == SWAP).document
    assert sent == {"model": "new", "eval": "e", "max_loss": 0.05, "keep": False, "force": False}
    outcome = run("index", "swap", "ix", "--model", "new", "--no-wait")
    assert "job show j1 --wait" in outcome.out


def test_a_swap_that_nothing_vouches_for_says_so(fake, run, job):
    why = "not judged: the index has texts of 3 rows"
    gate = {**GATE, "verdict": "not judged", "missed": [why]}
    fake.answer("POST", SWAP, ACCEPTED, 202)
    fake.answer("GET", "/vectors/jobs/j1", job("succeeded", result={**RESULT, "gate": gate}, id="j1"))
    assert why in run("index", "swap", "ix", "--model", "new").out


def test_a_rollback_and_the_versions(fake, run, job):
    fake.answer("POST", "/vectors/indexes/ix/rollback", ACCEPTED, 202)
    fake.answer("GET", "/vectors/jobs/j1", job("succeeded", result={**RESULT, "gate": None}, id="j1"))
    assert "ix answers by new (2)" in run("index", "rollback", "ix").out
    version = {
        "version": 2, "state": "live", "provider": "p", "model_name": "new", "model_version": "2", "dimensions": 3,
        "created_at": "2026-01-01T00:00:00Z", "gate": GATE, "chunks": 7, "stale_rows": 0,
    }  # fmt: skip
    fake.answer("GET", "/vectors/indexes/ix", {"versions": [version]})
    outcome = run("index", "versions", "ix")
    assert "live" in outcome.out and "passed" in outcome.out
    assert json.loads(run("index", "versions", "ix", "--json").out)[0]["version"] == 2


def test_an_export_is_a_file_or_nothing(fake, run, tmp_path):
    out = tmp_path / "ix.parquet"
    fake.problem("POST", "/vectors/indexes/ix/export", 404, "not_found", "no index 'ix'")
    outcome = run("index", "export", "ix", "--out", str(out))
    assert outcome.code == 1 and not out.exists()
    fake.answers.clear()
    fake.answer("POST", "/vectors/indexes/ix/export", b"PAR1..PAR1")
    assert run("index", "export", "ix", "--out", str(out), "--texts").code == 0
    assert out.read_bytes() == b"PAR1..PAR1" and fake.last.document == {"texts": True}
