"""Refreshing from the command line: at once or by jobs, and what still waits."""

DONE = {"embedded": 34, "reused": 2, "removed": 0, "rejected": 0, "rejected_in": [], "duration_ms": 12.0}
REJECTED = {**DONE, "rejected": 3, "rejected_in": ["notes_v1", "open_v1"]}


def test_what_is_little_is_done_at_once(fake, run):
    fake.answer("POST", "/vectors/refresh/notes", DONE)
    outcome = run("index", "refresh", "notes")
    assert outcome.out == "notes is fresh: 34 embedded, 2 reused, 0 removed\n"
    assert run("index", "refresh", "notes", "--json").document == DONE


def test_what_was_refused_is_not_called_fresh_and_says_where_it_waits(fake, run):
    fake.answer("POST", "/vectors/refresh/notes", REJECTED)
    outcome = run("index", "refresh", "notes")
    assert outcome.out == "notes: 34 embedded, 2 reused, 0 removed, 3 refused by the model\n"
    # each is an index, which `notes` need not be
    assert "lakeward index rejected notes_v1" in outcome.err
    assert "lakeward index rejected open_v1" in outcome.err


def test_rows_that_were_refused_are_listed_page_by_page(fake, run):
    path = "/vectors/indexes/notes_v1/rejected"
    first, second = ({"row_key": key, "reason": "too long", "since": "2026-01-01T00:00:00Z"} for key in "ab")
    fake.answer("GET", path, {"items": [first], "next_cursor": "c1"})
    fake.answer("GET", path, {"items": [second], "next_cursor": None})
    listed = run("index", "rejected", "notes_v1", "--json").document
    assert listed == {"items": [first, second], "next_cursor": None}
    outcome = run("index", "rejected", "notes_v1")
    assert "too long" in outcome.out and "row" in outcome.out and "reason" in outcome.out
    fake.answers.clear()
    fake.answer("GET", path, {"items": [], "next_cursor": None})
    assert "no row was refused" in run("index", "rejected", "notes_v1").out


def test_what_takes_longer_is_waited_for(fake, run):
    jobs = [{"index": "a", "job_id": "j1"}, {"index": "b", "job_id": "j2"}]
    fake.answer("POST", "/vectors/refresh/notes", {"job_id": "j2", "jobs": jobs}, status=202)
    job = {
        "kind": "index",
        "subject": "a",
        "state": "succeeded",
        "progress": {"done": 1, "total": 1, "unit": "rows", "rate": None, "eta_s": None},
        "error": None,
        "attempts": 1,
        "created_at": "2026-01-01T00:00:00Z",
        "finished_at": "2026-01-01T00:00:01Z",
        "result": {"embedded": 20, "reused": 0, "removed": 0, "rejected": 0},
    }
    fake.answer("GET", "/vectors/jobs/j1", {"id": "j1", **job})
    job["result"] = {**job["result"], "rejected": 1}
    fake.answer("GET", "/vectors/jobs/j2", {"id": "j2", **job})
    outcome = run("index", "refresh", "notes")
    assert "40 embedded" in outcome.out and "is fresh" not in outcome.out
    assert "index rejected b" in outcome.err and "index rejected a" not in outcome.err
    done = run("index", "refresh", "notes", "--json").document
    assert done == {"embedded": 40, "reused": 0, "removed": 0, "rejected": 1, "rejected_in": ["b"]}


def test_who_does_not_wait_is_told_every_job(fake, run):
    jobs = [{"index": "a", "job_id": "j1"}, {"index": "b", "job_id": "j2"}]
    fake.answer("POST", "/vectors/refresh/notes", {"job_id": "j2", "jobs": jobs}, status=202)
    outcome = run("index", "refresh", "notes", "--no-wait")
    assert "a: job j1 embeds it" in outcome.out and "b: job j2 embeds it" in outcome.out
    assert "job show j1 --wait" in outcome.out and "job show j2 --wait" in outcome.out


def test_what_waits_is_listed(fake, run):
    item = {
        "index": "notes_v1",
        "source": "notes",
        "stale_rows": 34,
        "rejected_rows": 0,
        "stale_since": "2026-01-01T00:00:00Z",
        "last_embedded_at": None,
        "refresh_policy": "on_append",
        "refresh_s": None,
    }
    fake.answer("GET", "/vectors/stale", {"items": [item], "next_cursor": None})
    outcome = run("index", "stale")
    assert "notes_v1" in outcome.out and "34" in outcome.out and "on_append" in outcome.out


def test_all_jobs_are_waited_for_also_when_the_first_fails(fake, run, job):
    jobs = [{"index": "a", "job_id": "j1"}, {"index": "b", "job_id": "j2"}]
    fake.answer("POST", "/vectors/refresh/notes", {"job_id": "j2", "jobs": jobs}, status=202)
    fake.answer("GET", "/vectors/jobs/j1", job("failed", id="j1", error={"message": "the model is away"}))
    fake.answer("GET", "/vectors/jobs/j2", job("running", id="j2"))
    fake.answer("GET", "/vectors/jobs/j2", job("succeeded", id="j2"))
    outcome = run("index", "refresh", "notes")
    assert outcome.code == 1 and "the model is away" in outcome.err
    assert fake.last.path == "/vectors/jobs/j2" and not fake.answers["GET", "/vectors/jobs/j2"][1:]
