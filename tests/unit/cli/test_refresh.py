"""Refreshing from the command line: at once or by jobs, and what still waits."""

DONE = {"embedded": 34, "reused": 2, "removed": 0, "rejected": 1, "duration_ms": 12.0}


def test_what_is_little_is_done_at_once(fake, run):
    fake.answer("POST", "/vectors/refresh/notes", DONE)
    outcome = run("index", "refresh", "notes")
    assert "34 embedded, 2 reused, 0 removed" in outcome.out
    assert "1 rows were refused" in outcome.err
    assert run("index", "refresh", "notes", "--json").document == DONE


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
    fake.answer("GET", "/vectors/jobs/j2", {"id": "j2", **job})
    assert "40 embedded" in run("index", "refresh", "notes").out
    assert "job j2 embeds it" in run("index", "refresh", "notes", "--no-wait").out


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
