"""`lakeward trial eval`."""

EVAL = {
    "name": "mine", "index": "ix", "queries": 2, "generated": 0, "judged": 1, "created_by": "k",
    "created_at": "2026-01-01T00:00:00Z",
}  # fmt: skip


def test_questions_of_a_file(fake, run, tmp_path):
    file = tmp_path / "questions.txt"
    file.write_text('what is a moth\n\n{"text": "a relay", "relevant": ["7"]}\n')
    fake.answer("POST", "/vectors/hnsw/evals", EVAL, 201)
    outcome = run("trial", "eval", "create", "mine", "ix", str(file))
    assert outcome.code == 0 and "mine" in outcome.out, outcome.err
    assert fake.last.document == {
        "name": "mine", "index": "ix", "queries": [{"text": "what is a moth"}, {"text": "a relay", "relevant": ["7"]}],
    }  # fmt: skip
    file.write_text("what is a moth\n\n{broken\n")
    outcome = run("trial", "eval", "create", "mine", "ix", str(file))
    assert (
        outcome.code == 1 and "neither" in outcome.err and "questions.txt, line 3: '{broken'" in outcome.err
    )


def test_made_of_rows_listed_and_deleted(fake, run):
    fake.answer("POST", "/vectors/hnsw/evals/mine/autogen", EVAL)
    assert run("trial", "eval", "autogen", "mine", "ix", "--queries", "9", "--json").document == EVAL
    assert fake.last.document == {"index": "ix", "queries": 9, "source": "rows"}
    run("trial", "eval", "autogen", "mine", "ix", "--from", "log")
    assert fake.last.document == {"index": "ix", "queries": 500, "source": "log"}
    run("trial", "eval", "autogen", "mine", "ix", "--replace")
    assert fake.last.document == {"index": "ix", "queries": 500, "source": "rows", "replace": True}
    fake.answer("GET", "/vectors/hnsw/evals", {"items": [EVAL], "next_cursor": None})
    assert "mine" in run("trial", "eval", "list").out
    fake.answer("DELETE", "/vectors/hnsw/evals/mine", EVAL)
    assert run("trial", "eval", "delete", "mine", "--yes").code == 0
