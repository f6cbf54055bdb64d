"""`lakeward erase`: asks first, waits for the job, prints the receipt."""

SCAN = {
    "files": 587,
    "bytes": 31_774_938,
    "found": {"text": 3},
    "places": [{"place": "lake.people", "files": 1, "found": {"text": 3, "fp16": 1}}],
    "patterns": {"text": 13, "fp16": 4},
    "unreadable": [],
    "duration_ms": 1200,
    "data_directory": "scanned",
}
RECEIPT = {
    "sha256": "d47d",
    "receipt": {
        "erasure": "e1",
        "dataset": "people",
        "keys": 2,
        "reason": "asked for",
        "requested_by": "k1",
        "requested_at": "2026-01-02T03:04:05Z",
        "finished_at": "2026-01-02T03:04:15Z",
        "removed": {
            "rows": 2,
            "row_images": 2,
            "chunks": {"people_v1": 4},
            "journal_payloads": 3,
            "rejected_rows": 0,
            "jobs": 1,
            "eval_queries": 5,
            "unknown_keys": 0,
        },
        "rewritten": [{"relation": "lake.people", "before": 1, "after": 2}],
        "verified_by_scan": True,
        "scan_before": SCAN,
        "scan_after": SCAN | {"places": []},
        "not_searched": {"also_in_other_rows": {"text": 2}},
        "not_reached": ["backups"],
    },
}
PATH = "/catalog/erasures"


def accept(fake, job):
    fake.answer("POST", PATH, {"id": "e1", "job_id": "j1", "state": "queued"}, 202)
    fake.answer("GET", "/vectors/jobs/j1", job("succeeded", 8))


def test_the_receipt_is_printed_for_people(fake, run, job):
    accept(fake, job)
    fake.answer("GET", f"{PATH}/e1/receipt", RECEIPT)
    outcome = run("erase", "people", "p1", "p2", "--reason", "asked for", "--yes")
    assert outcome.code == 0, outcome.err
    assert fake.requests[0].document == {
        "dataset": "people",
        "row_key_values": ["p1", "p2"],
        "reason": "asked for",
        "dry_run": False,
    }
    for words in (
        "2 of people",
        "chunks in people_v1",
        "13 text, 4 fp16",
        "587 files, 31.8 MB",
        "d47d",
        "backups",
    ):
        assert words in outcome.out
    lines = [line.split() for line in outcome.out.splitlines()]
    assert ["lake.people", "4", "0"] in lines and ["questions", "5"] in lines


def test_as_json_it_is_the_api_s_own(fake, run, job):
    accept(fake, job)
    fake.answer("GET", f"{PATH}/e1/receipt", RECEIPT)
    assert run("erase", "people", "p1", "--reason", "x", "--yes", "--json").document == RECEIPT


def test_a_dry_run_asks_nothing_and_changes_nothing(fake, run, job):
    accept(fake, job)
    collected = {
        "rows": 1,
        "images": 0,
        "chunks": {"people_v1": 4},
        "journal_entries": 3,
        "rejected_rows": 0,
        "shared": {"text": 2},
    }
    found = {"collected": collected, "scan_before": SCAN}
    fake.answer("GET", f"{PATH}/e1", {"dataset": "people", "keys": 1, "found": found})
    outcome = run("erase", "people", "p1", "--reason", "x", "--dry-run")
    assert outcome.code == 0 and "nothing was changed in people" in outcome.out
    assert ["lake.people", "4"] in [line.split() for line in outcome.out.splitlines()]


def test_without_yes_or_a_terminal_nothing_is_sent(fake, run):
    outcome = run("erase", "people", "p1", "--reason", "x")
    assert outcome.code == 2 and "--yes" in outcome.err and fake.requests == []
    assert run("erase", "people", "--reason", "x", "--yes").code == 1


def test_a_failed_erasure_says_why(fake, run, job):
    fake.answer("POST", PATH, {"id": "e1", "job_id": "j1", "state": "queued"}, 202)
    failed = job("failed", 6) | {"error": {"code": "unavailable", "message": "still there: pg_wal (2)"}}
    fake.answer("GET", "/vectors/jobs/j1", failed)
    outcome = run("erase", "people", "p1", "--reason", "x", "--yes")
    assert outcome.code == 1 and "still there: pg_wal (2)" in outcome.err
