INDEX = {
    "name": "notes_v1",
    "source": "notes",
    "text_columns": ["body"],
    "chunk": {"size": 1000, "overlap": 100},
    "provider": "minilm",
    "model_name": "all-MiniLM-L6-v2",
    "model_version": "1",
    "dimensions": 384,
    "chunks": 12,
    "documents": 10,
    "variants": [{"m": 16, "ef_construction": 80, "state": "ready", "bytes": 8192, "build_ms": 3.0}],
    "freshness": {"stale_rows": 0, "last_embedded_at": None},
    "created_at": "2026-01-02T03:04:05Z",
}
HIT = {
    "doc_key": "k1",
    "chunk_no": 0,
    "score": 0.51234,
    "distance": 0.4,
    "text": "red \x1b[31m\nflag",
    "metadata": {},
}
ANSWER = {
    "profile": "p",
    "index": "notes_v1",
    "method": "hnsw",
    "k": 5,
    "returned": 1,
    "truncated": True,
    "stale_rows": 3,
    "model": "all-MiniLM-L6-v2",
    "duration_ms": 4.2,
    "hits": [HIT],
}


def test_create_waits_for_the_job(fake, run, job):
    fake.answer("POST", "/vectors/index", {"job_id": "j1", "index": "notes_v1"}, 202)
    fake.answer("GET", "/vectors/jobs/j1", job("succeeded", 10))
    outcome = run("index", "create", "notes", "--text", "body", "--text", "title", "--size", "500")
    assert outcome.out == "index notes_v1 is ready: 10 rows, 12 chunks embedded\n"
    assert fake.requests[0].document == {
        "source": "notes",
        "text_columns": ["body", "title"],
        "chunk": {"size": 500},
    }


def test_create_says_when_rows_are_embedded(fake, run):
    fake.answer("POST", "/vectors/index", {"job_id": "j1", "index": "notes_v1"}, 202)
    words = ("index", "create", "notes", "--text", "body", "--no-wait")
    outcome = run(*words, "--refresh-policy", "scheduled", "--refresh-s", "3600")
    assert outcome.code == 0, outcome.err
    assert fake.last.document["refresh_policy"] == "scheduled" and fake.last.document["refresh_s"] == 3600
    run(*words)
    assert not {"refresh_policy", "refresh_s"} & set(fake.last.document)
    assert run(*words, "--refresh-policy", "never").code == 2


def test_create_names_the_model(fake, run):
    fake.answer("POST", "/vectors/index", {"job_id": "j1", "index": "notes_v1"}, 202)
    words = ("index", "create", "notes", "--text", "body", "--no-wait", "--model", "m")
    assert run(*words, "--provider", "minilm", "--version", "int8").code == 0
    sent = fake.last.document
    assert (sent["model"], sent["provider"], sent["version"]) == ("m", "minilm", "int8")


def test_create_need_not_wait(fake, run):
    accepted = {"job_id": "j1", "index": "notes_v1"}
    fake.answer("POST", "/vectors/index", accepted, 202)
    assert run("index", "create", "notes", "--text", "body", "--no-wait", "--json").document == accepted
    assert "chunk" not in fake.last.document


def test_indexes_are_listed_shown_deleted(fake, run):
    fake.answer("GET", "/vectors/indexes", {"items": [INDEX], "next_cursor": None})
    fake.answer("GET", "/vectors/indexes/notes_v1", INDEX)
    fake.answer("DELETE", "/vectors/indexes/notes_v1", {"name": "notes_v1", "source": "notes", "chunks": 12})
    assert "all-MiniLM-L6-v2" in run("index", "list", "--source", "notes").out
    assert fake.last.path == "/vectors/indexes?source=notes"
    assert "8,192" in run("index", "show", "notes_v1").out
    assert run("index", "delete", "notes_v1", "--yes").out == "deleted notes_v1 with 12 chunks; notes stays\n"


def test_search_shows_hits_and_says_how_good_they_are(fake, run):
    fake.answer("POST", "/vectors/profile/p/search", ANSWER)
    outcome = run("search", "p", "notes_v1", "a question", "-k", "5")
    assert fake.last.document == {"index": "notes_v1", "query": "a question", "k": 5}
    assert "0.512   k1    red \\x1b[31m flag" in outcome.out
    assert "\x1b" not in outcome.out
    assert "1 of 5 asked for, hnsw" in outcome.out
    assert "truncated" in outcome.err
    assert "3 rows are not embedded yet" in outcome.err
    assert run("search", "p", "notes_v1", "a question", "--json").document == ANSWER


def test_a_search_may_ask_for_words_and_rows_and_says_what_it_is_worth(fake, run):
    recall = {"recall": 0.93, "low": 0.9, "high": 0.96, "k": 10, "queries": 40, "at": "2026-01-01T00:00:00Z"}
    fake.answer("POST", "/vectors/profile/p/search", {**ANSWER, "recall": recall})
    wanted = '{"year": {"$gte": 2020}}'
    outcome = run("search", "p", "notes_v1", "q", "--mode", "hybrid", "--filter", wanted, "--rerank")
    assert fake.last.document == {
        "index": "notes_v1",
        "query": "q",
        "k": 10,
        "mode": "hybrid",
        "filter": {"year": {"$gte": 2020}},
        "rerank": True,
    }
    assert "recall@10 0.93 (0.90–0.96)" in outcome.out
    outcome = run("search", "p", "notes_v1", "q", "--filter", "year=2020")
    assert outcome.code == 2 and "JSON object" in outcome.err


def test_a_refusal_says_what_is_allowed(fake, run):
    fake.problem(
        "POST", "/vectors/profile/p/search", 403, "profile_not_bound", "not bound", allowed_bindings=["a"]
    )
    outcome = run("search", "p", "x_v1", "q")
    assert (outcome.code, outcome.out, outcome.err) == (1, "", "lakeward: not bound; allowed: a\n")
