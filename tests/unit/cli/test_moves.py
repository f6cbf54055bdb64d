import pytest

MOVED = {"dataset": "notes_parquet", "source": "notes", "rows": 1234, "tombstoned": 2}
PATH = "/catalog/datasets/by-name/notes/"


@pytest.mark.parametrize(
    ("verb", "words", "body"),
    [
        ("export", ["--target", "t", "--bucket", "lake"], {"target": "t", "bucket": "lake"}),
        ("export", [], {}),
        ("materialize", ["--target", "t"], {"target": "t"}),
    ],
)
def test_a_copy_is_a_job_that_can_be_waited_for(fake, run, job, verb, words, body):
    fake.answer("POST", PATH + verb, {"dataset": "notes", "target": "t", "job_id": "j1"}, 202)
    outcome = run("dataset", verb, "notes", *words)
    assert outcome.code == 0, outcome.err
    assert "lakeward job show j1 --wait" in outcome.out
    assert fake.last.document == body
    assert run("dataset", verb, "notes", *words, "--json").document["job_id"] == "j1"
    fake.answer("GET", "/vectors/jobs/j1", job("succeeded", result=MOVED))
    outcome = run("dataset", verb, "notes", *words, "--wait")
    assert "notes_parquet: 1,234 rows of notes; 2 were tombstoned meanwhile" in outcome.out
    assert run("dataset", verb, "notes", *words, "--wait", "--json").document["result"] == MOVED


def test_a_job_that_fails_says_why(fake, run, job):
    fake.answer("POST", PATH + "export", {"dataset": "notes", "target": "t", "job_id": "j1"}, 202)
    fake.answer(
        "GET", "/vectors/jobs/j1", job("failed", error={"code": "unavailable", "message": "no bucket"})
    )
    outcome = run("dataset", "export", "notes", "--wait")
    assert outcome.code == 1 and "no bucket" in outcome.err


def test_attach(fake, run):
    found = {"name": "logs", "row_count": 10, "columns": [1, 2]}
    fake.answer("POST", "/catalog/datasets/attach", found, 201)
    outcome = run("dataset", "attach", "logs", "raw/logs", "--bucket", "lake", "--row-key", "id")
    assert "logs: 10 rows, 2 columns" in outcome.out
    expected = {"name": "logs", "path": "raw/logs", "bucket": "lake", "row_key": "id"}
    assert fake.last.document == expected


def test_compact(fake, run, job):
    fake.answer("POST", "/query/compact", {"dataset": "notes", "job_id": "j1"}, 202)
    result = {"files_before": 12, "files": 1, "purged": 3}
    fake.answer("GET", "/vectors/jobs/j1", job("succeeded", result=result))
    outcome = run("dataset", "compact", "notes", "--wait")
    assert "12 files became 1, 3 tombstoned rows left them" in outcome.out


def test_resync(fake, run, job):
    fake.answer("POST", "/catalog/resync-missing", {"job_id": "j1"}, 202)
    result = {
        "checked": 3,
        "changed": [{"dataset": "notes", "field": "row_count", "before": 0, "after": 7}],
        "failed": [{"dataset": "gone", "reason": "no bucket"}],
        "removed_folders": 2,
    }
    fake.answer("GET", "/vectors/jobs/j1", job("succeeded", result=result))
    outcome = run("dataset", "resync", "--wait")
    assert "row_count" in outcome.out and "2 folders" in outcome.out and "gone: no bucket" in outcome.out


def test_a_file_goes_into_the_bucket_that_is_named(fake, run, tmp_path):
    (tmp_path / "a.csv").write_text("id\n1\n")
    fake.answer("POST", "/ingest/file", {"dataset": "a", "job_id": "j1"}, 202)
    outcome = run("ingest", str(tmp_path / "a.csv"), "--dataset", "a", "--bucket", "lake", "--async")
    assert outcome.code == 0, outcome.err
    assert fake.last.headers["x-lakehouse-bucket"] == "lake"
