"""Tables of what was measured: what its rows have in common stands above them, and they fit 80 columns."""

import pytest

from app.cli.measured import show_best, show_cache, show_jobs
from tests.unit.cli.test_trials import ROW

WIDE = {
    **ROW,
    "arm": {"m": 100, "ef_construction": 1000, "type": "binary", "ef_search": 1000},
    "p50_us": 12345.67,
    "p95_us": 65432.1,
    "build_s": 3599.0,
    "bytes": 34_567_890_123,
}


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def rows(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip().startswith("m1")]


def test_each_job_says_what_it_measured(capsys: pytest.CaptureFixture[str]) -> None:
    second = {**ROW, "job_id": "j2", "kind": "autotune", "k": 20, "queries": 1000, "eval": "users"}
    show_jobs([second, second, ROW])
    out = capsys.readouterr().out
    assert "autotune j2, 202" in out and "trial j1, 202" in out
    assert "recall@20 of 1,000 questions (eval set users) among 400 vectors of minilm (1)" in out
    assert "recall@10 of 60 questions (eval set rows)" in out
    assert out.count("ef_search") == 2 and len(rows(out)) == 3


def test_a_set_that_changed_between_two_attempts_is_another_table(capsys: pytest.CaptureFixture[str]) -> None:
    show_jobs([{**ROW, "eval_version": "2"}, {**ROW, "eval_version": "1"}])
    assert capsys.readouterr().out.count("ef_search") == 2


def test_the_widest_fits(capsys: pytest.CaptureFixture[str]) -> None:
    show_jobs([WIDE])
    out = capsys.readouterr().out
    [line] = rows(out)
    assert len(line.rstrip()) <= 80 and "m100/1000" in line and "binary" in out
    for figure in ("1,000", "0.9877", "0.9810", "12.35", "65.43", "3,599.0", "32,967"):
        assert figure in line, out


def test_the_best_says_what_it_is_best_of(capsys: pytest.CaptureFixture[str]) -> None:
    later = {**ROW, "vectors": 500, "measured_at": "2026-02-01T00:00:00Z"}
    found = {"items": [ROW, later], "eval": "rows", "metric": "pareto", "k": 10, "min_recall": 0.0}
    show_best(found)
    out = capsys.readouterr().out
    assert "recall@10 of 60 questions (eval set rows) among 400 to 500 vectors of minilm (1)" in out
    assert "measured 202" in out and " to 2026-0" in out
    show_best({**found, "items": []})
    assert "nothing measured yet with eval set rows as it is now" in capsys.readouterr().out
    show_best({**found, "items": [], "metric": "latency", "min_recall": 0.9})
    assert "that reaches a recall of 0.9" in capsys.readouterr().out


def test_what_is_warm_breaks_no_names(capsys: pytest.CaptureFixture[str]) -> None:
    item = {
        "index": "a_rather_long_name_of_an_index_of_people_v1", "profile": "an-analyst-of-security-with-a-name-of-40",
        "backend": "pgvector", "state": "building", "chunk_bytes": 10**12, "text_bytes": 10**12,
        "variant_bytes": 10**12, "hit_ratio": 1.0, "last_used_at": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    other = {**item, "profile": "p", "variant_bytes": 5000, "hit_ratio": None}
    show_cache({"items": [item, other], "shared_buffers_bytes": None})
    out = capsys.readouterr().out
    assert out.count(item["index"]) == 1 and out.count(item["profile"]) == 1
    assert "953,674" in out and "< 0.1" in out and "100.0%" in out and "building" in out
