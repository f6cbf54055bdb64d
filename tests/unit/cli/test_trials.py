"""`lakeward trial`: arms as words, tables of what was measured, a picture as a file, and what autotune found."""

import shlex

import pytest

from app.cli.trials import parse_arm
from app.errors import InvalidInputError

ROW = {
    "id": 3, "job_id": "j1", "kind": "trial", "eval": "rows",
    "arm": {"m": 16, "ef_construction": 80, "type": "halfvec", "ef_search": 60},
    "model_name": "minilm", "model_version": "1",
    "k": 10, "queries": 60, "vectors": 400, "recall": 0.98765, "recall_low": 0.981, "recall_high": 0.992,
    "p50_us": 1234.0, "p95_us": 2345.0, "p99_us": 3456.0, "build_s": 26.2, "bytes": 1234567,
    "measured_at": "2026-01-01T00:00:00Z",
}  # fmt: skip
ACCEPTED = {"job_id": "j1", "index": "ix", "eval": "rows"}
ARM = "m=16,ef_construction=80,ef_search=30/60"
TRIALS = "/vectors/hnsw/trials/ix"
PROFILE = {
    "id": "p", "description": "who's asked: $5 or less", "ollama_name": "reader:p", "bound_datasets": ["a", "b"],
    "hnsw_config": {"m": 16, "ef_construction": 80, "ef_search": 60}, "embed_model": "minilm", "access_role": "hr",
    "vector_backend": "lance",
}  # fmt: skip
TUNED = {
    "index": "ix", "eval": "rows", "target_recall": 0.95, "reached": True,
    "config": {"m": 16, "ef_construction": 80, "ef_search": 60}, "best": ROW, "evidence": [ROW],
    "plot": f"{TRIALS}/plot?job=j1",
    "offer": {"method": "POST", "path": "/catalog/profiles", "body": PROFILE},
}  # fmt: skip


def test_an_arm_as_words():
    assert parse_arm(ARM) == {"m": 16, "ef_construction": 80, "ef_search": [30, 60]}
    assert parse_arm(ARM + ",type=binary")["type"] == "binary"


@pytest.mark.parametrize(
    "text", ["", "m=16", "m=x,ef_construction=80,ef_search=30", ARM + ",x=1", ARM + "/", "16/80/30"]
)
def test_words_that_are_no_arm(text):
    with pytest.raises(InvalidInputError, match="arm"):
        parse_arm(text)


def test_a_trial_is_waited_for_and_shown(fake, run, job):
    fake.answer("POST", "/vectors/hnsw/trial", ACCEPTED, 202)
    fake.answer("GET", "/vectors/jobs/j1", job("succeeded", result={"measurements": 1}, id="j1"))
    fake.answer("GET", TRIALS, {"items": [ROW], "next_cursor": None})
    outcome = run("trial", "run", "ix", "--eval", "rows", "--arm", ARM)
    assert outcome.code == 0, outcome.err
    assert "0.9877" in outcome.out and "1.23" in outcome.out and "26.2" in outcome.out
    assert run("trial", "run", "ix", "--eval", "rows", "--arm", ARM, "--json").document["items"] == [ROW]
    outcome = run("trial", "run", "ix", "--eval", "rows", "--arm", ARM, "--no-wait")
    assert "job show j1 --wait" in outcome.out
    assert fake.last.document == {
        "index": "ix", "eval": "rows", "arms": [{"m": 16, "ef_construction": 80, "ef_search": [30, 60]}], "k": 10,
    }  # fmt: skip


def test_without_waiting_the_picture_is_drawn_later(fake, run, tmp_path):
    picture = str(tmp_path / "x.svg")
    for what, words in (
        ("trial", ("run", "ix", "--eval", "rows", "--arm", ARM)),
        ("autotune", ("autotune", "ix")),
    ):
        fake.answer("POST", f"/vectors/hnsw/{what}", ACCEPTED, 202)
        outcome = run("trial", *words, "--no-wait", "--out", picture)
        assert outcome.code == 0 and "no picture yet" in outcome.err
        assert f"trial plot ix --job j1 --out {picture}" in outcome.err
        outcome = run("trial", *words, "--no-wait", "--out", picture, "--json")
        assert outcome.document == ACCEPTED and "no picture yet" in outcome.err
        assert "no picture" not in run("trial", *words, "--no-wait").err


def test_what_was_measured_is_listed_and_the_best_shown(fake, run):
    fake.answer("GET", TRIALS, {"items": [ROW], "next_cursor": None})
    assert "0.9877" in run("trial", "list", "ix").out
    fake.answer("GET", f"{TRIALS}/best", {"items": [ROW], "eval": "rows", "k": 10, "metric": "recall"})
    outcome = run("trial", "best", "ix", "--metric", "recall")
    assert "0.9877" in outcome.out and "eval set rows" in outcome.out
    run("trial", "best", "ix", "-k", "20", "--eval", "rows")
    assert fake.last.path.endswith("best?metric=pareto&eval=rows&k=20&min_recall=0.9")


def test_what_was_measured_under_several_models_says_which(fake, run):
    fake.answer("GET", TRIALS, {"items": [{**ROW, "model_name": "other"}, ROW], "next_cursor": None})
    outcome = run("trial", "list", "ix")
    assert "vectors of other (1)" in outcome.out and "vectors of minilm (1)" in outcome.out


def test_nothing_measured_yet(fake, run):
    fake.answer("GET", f"{TRIALS}/best", {"items": [], "eval": None, "k": 10, "metric": "recall"})
    assert "nothing measured" in run("trial", "best", "ix").out
    fake.answer("GET", TRIALS, {"items": [], "next_cursor": None})
    assert "nothing measured yet with eval set typo" in run("trial", "list", "ix", "--eval", "typo").out


def test_the_picture_is_written_where_it_is_wanted(fake, run, tmp_path):
    fake.answer("GET", f"{TRIALS}/plot", b"<svg/>")
    outcome = run("trial", "plot", "ix", "--eval", "rows", "--out", str(tmp_path / "plot.svg"))
    assert outcome.code == 0 and (tmp_path / "plot.svg").read_bytes() == b"<svg/>"
    assert fake.last.path.endswith("plot?eval=rows")
    assert run("trial", "plot", "ix", "--job", "j1", "--out", str(tmp_path / "job.SVG")).code == 0
    assert fake.last.path.endswith("plot?job=j1")
    assert run("trial", "plot", "ix", "-k", "5", "--out", str(tmp_path / "job.SVG")).code == 0
    assert fake.last.path.endswith("plot?k=5")


def test_a_picture_of_nothing_is_not_written(fake, run, tmp_path):
    fake.problem("GET", f"{TRIALS}/plot", 404, "not_found", "no eval set 'typo'")
    outcome = run("trial", "plot", "ix", "--eval", "typo", "--out", str(tmp_path / "plot.svg"))
    assert outcome.code == 1 and "no eval set 'typo'" in outcome.err and not (tmp_path / "plot.svg").exists()


@pytest.mark.parametrize(
    "words",
    [("plot", "ix"), ("autotune", "ix"), ("run", "ix", "--eval", "rows", "--arm", ARM)],
)
def test_a_picture_of_another_kind_is_refused_before_the_work(fake, run, tmp_path, words):
    for name in ("kev.png", "kev", ".png"):
        outcome = run("trial", *words, "--out", str(tmp_path / name))
        assert outcome.code == 2 and ".svg" in outcome.err and fake.requests == [], outcome.err
    assert "kev.svg" in run("trial", *words, "--out", str(tmp_path / "kev.png")).err
    outcome = run("trial", *words, "--out", str(tmp_path / "nowhere" / "kev.svg"))
    assert outcome.code == 2 and "no folder" in outcome.err and fake.requests == []


def test_autotune_says_the_config_and_what_makes_it_the_profiles(fake, run, job):
    fake.answer("POST", "/vectors/hnsw/autotune", ACCEPTED, 202)
    fake.answer("GET", "/vectors/jobs/j1", job("succeeded", result=TUNED))
    outcome = run("trial", "autotune", "ix", "--target", "0.95", "--profile", "p")
    assert "m 16, ef_construction 80, ef_search 60: recall@10 0.9877" in outcome.out
    assert "POST" not in outcome.out and "exact" in outcome.out
    assert "lakeward profile activate p" in outcome.out
    assert next(r for r in fake.requests if r.method == "POST").document == {
        "index": "ix",
        "target_recall": 0.95,
        "profile": "p",
        "k": 10,
    }
    assert run("trial", "autotune", "ix", "--json").document == TUNED


def test_the_command_that_autotune_prints_makes_the_profile_and_resets_nothing(fake, run, job):
    fake.answer("POST", "/vectors/hnsw/autotune", ACCEPTED, 202)
    fake.answer("GET", "/vectors/jobs/j1", job("succeeded", result=TUNED))
    printed = run("trial", "autotune", "ix", "--profile", "p").out.splitlines()
    [line] = [line.strip() for line in printed if "lakeward profile create" in line]
    fake.answer(
        "POST", "/catalog/profiles", {**PROFILE, "role_name": "r", "schema_name": "s", "created_at": None}
    )
    outcome = run(*shlex.split(line)[1:])
    assert outcome.code == 0, outcome.err
    assert fake.last.document == PROFILE


def test_a_target_that_nothing_reached_is_said(fake, run, job):
    fake.answer("POST", "/vectors/hnsw/autotune", ACCEPTED, 202)
    result = {**TUNED, "reached": False, "offer": None}
    fake.answer("GET", "/vectors/jobs/j1", job("succeeded", result=result))
    outcome = run("trial", "autotune", "ix")
    assert "no config is shown to reach 0.95" in outcome.err


def test_what_is_warm(fake, run):
    item = {
        "index": "ix", "profile": "p", "backend": "pgvector", "state": None, "chunk_bytes": 900000,
        "text_bytes": 2000000, "variant_bytes": 0, "hit_ratio": 0.875, "last_used_at": None,
    }  # fmt: skip
    lance = {**item, "profile": "q", "backend": "lance", "variant_bytes": None}
    # both pages
    stats = {"items": [item], "shared_buffers_bytes": 4096, "next_cursor": "more"}
    rest = {"items": [lance], "shared_buffers_bytes": 4096, "next_cursor": None}
    for page in (stats, rest, stats, rest):
        fake.answer("GET", "/vectors/hnsw/cache/stats", page)
    outcome = run("trial", "cache")
    assert "87.5%" in outcome.out and "exact" in outcome.out and "lance" in outcome.out
    assert "4,096 bytes" in outcome.out and "chunks 0.9 MB, texts 1.9 MB" in outcome.out
    assert fake.last.path.endswith("limit=500&cursor=more")
    assert run("trial", "cache", "--json").document == {**rest, "items": [item, lance]}
