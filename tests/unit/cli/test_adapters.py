"""`lakeward adapter`."""

URL = "/vectors/adapters"
ADAPTER = {
    "name": "polite", "provider": "minilm", "model_name": "all-MiniLM-L6-v2", "model_version": "1", "dimensions": 384,
    "version": "ab", "trained_on": 96, "held_out": {"pairs": 24, "before": 0.25, "after": 0.5}, "created_by": "k",
    "created_at": "2026-01-01T00:00:00Z", "used_by": ["notes_v1"],
}  # fmt: skip
PAIRS = [{"query": "what is a moth", "text": "an insect"}, {"query": "a, b", "text": 'say "hi"'}]


def test_learnt_from_the_pairs_of_a_file(fake, run, tmp_path):
    fake.answer("POST", URL, ADAPTER, 201)
    lines, table = tmp_path / "pairs.jsonl", tmp_path / "pairs.csv"
    lines.write_text(
        '{"query": "what is a moth", "text": "an insect", "id": 7}\n\n{"query": "a, b", "text": "say \\"hi\\""}\n'
    )
    table.write_text(
        '\ufeffquery,id,text\nwhat is a moth,7,an insect\n"a, b",8,"say ""hi"""\n', encoding="utf-8"
    )
    for file in (lines, table):
        outcome = run("adapter", "train", "polite", "--index", "notes_v1", "--pairs", str(file))
        assert outcome.code == 0, outcome.err
        assert fake.last.document == {"name": "polite", "index": "notes_v1", "pairs": PAIRS}
    assert "1/4.0 before, 1/2.0 now" in outcome.out and "index swap INDEX --adapter polite" in outcome.out


def test_learnt_from_an_eval_set_by_a_job(fake, run):
    fake.answer("POST", URL, {"job_id": "j1", "name": "polite", "model": "m+polite"}, 202)
    job = {"id": "j1", "kind": "adapter", "subject": "polite", "state": "succeeded",
           "progress": {"done": 3, "total": 3, "unit": "steps", "rate": None, "eta_s": None},
           "error": None, "result": ADAPTER | {"held_out": {"pairs": 24, "before": 0.5, "after": 0.5}}}  # fmt: skip
    fake.answer("GET", "/vectors/jobs/j1", job)
    outcome = run("adapter", "train", "polite", "--eval", "asked")
    assert outcome.code == 0 and "it is no gain" in outcome.out, outcome.err
    assert "j1" in run("adapter", "train", "polite", "--eval", "asked", "--no-wait").out


def test_a_file_that_holds_no_pairs_is_refused(fake, run, tmp_path):
    for name, text, said in (
        ("a.csv", "question,answer\n1,2\n", "columns query and text"),
        ("a.jsonl", '{"query": "x", "text": "y"}\n{"query": "x"}\n', "line 2"),
        ("b.jsonl", "[1]\n", "line 1"),
    ):
        (tmp_path / name).write_text(text)
        outcome = run("adapter", "train", "p", "--index", "i", "--pairs", str(tmp_path / name))
        assert outcome.code == 1 and said in outcome.err, outcome.err
    (tmp_path / "c.jsonl").write_bytes(b"\xff\xfe")
    assert "UTF-8" in run("adapter", "train", "p", "--index", "i", "--pairs", str(tmp_path / "c.jsonl")).err
    for options in ((), ("--eval", "e", "--index", "i"), ("--index", "i")):
        outcome = run("adapter", "train", "p", *options)
        assert outcome.code == 2 and "--eval EVAL, or --index INDEX" in outcome.err


def test_listed_and_deleted(fake, run):
    fake.answer("GET", URL, {"items": [ADAPTER], "next_cursor": None})
    outcome = run("adapter", "list")
    assert "polite" in outcome.out and "notes_v1" in outcome.out and "0.250 → 0.500" in outcome.out
    fake.answer("DELETE", f"{URL}/polite", ADAPTER)
    assert "is deleted" in run("adapter", "delete", "polite", "--yes").out
    assert run("adapter", "delete", "polite").code == 2
