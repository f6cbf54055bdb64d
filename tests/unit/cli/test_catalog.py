import pytest

DATASET = {
    "name": "notes",
    "home": "table",
    "row_key": "id",
    "row_count": 1234,
    "columns": [{"name": "id", "type": "bigint", "pii": None, "sensitivity": "internal"}],
    "description": "",
    "owner": "",
    "sensitivity": "internal",
    "tags": ["a", "b"],
    "lineage": [{"at": "2026-01-02T03:04:05Z", "filename": "x\x1b.csv", "rows": 1234, "rejected": 0}],
    "freshness": {"loaded_at": "2026-01-02T03:04:05Z", "embedding": "none"},
    "version": 1,
    "last_embedded_at": None,
}
INGESTED = {
    "dataset": "notes",
    "home": "table",
    "rows": 2,
    "rejected": 1,
    "content_sha256": "x",
    "duplicate": False,
    "columns": DATASET["columns"],
    "job_id": None,
}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "notes.csv"
    path.write_text("id\n1\n2\n")
    return path


def test_ingest_sends_the_file_and_shows_what_became_of_it(fake, run, file):
    fake.answer("POST", "/ingest/file", INGESTED, 201)
    outcome = run("ingest", str(file), "--dataset", "notes", "--row-key", "id", "--home", "table")
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith("notes.csv: 2 rows, 1 rejected in notes\n")
    assert "bigint" in outcome.out
    body = fake.last.body
    assert b"id\n1\n2\n" in body
    assert b'name="home"\r\n\r\ntable' in body
    assert b'name="row_key"\r\n\r\nid' in body


def test_the_same_file_again_says_so(fake, run, file):
    fake.answer("POST", "/ingest/file", {**INGESTED, "duplicate": True})
    outcome = run("ingest", str(file), "--dataset", "notes")
    assert "in notes already, nothing loaded" in outcome.out


def test_a_load_by_a_job_is_waited_for(fake, run, file, job):
    fake.answer("POST", "/ingest/file", {"dataset": "notes", "job_id": "j1", "content_sha256": "x"}, 202)
    fake.answer("GET", "/vectors/jobs/j1", job("succeeded", result=INGESTED))
    outcome = run("ingest", str(file), "--dataset", "notes", "--json")
    assert outcome.document == {**INGESTED, "job_id": "j1"}


def test_async_answers_with_the_job(fake, run, file):
    fake.answer("POST", "/ingest/file", {"dataset": "notes", "job_id": "j1", "content_sha256": "x"}, 202)
    outcome = run("ingest", str(file), "--dataset", "notes", "--async")
    assert "lakeward job show j1 --wait" in outcome.out
    assert [request.path for request in fake.requests] == ["/ingest/file?async=true"]


def test_a_refusal_names_the_reason(fake, run, file):
    fake.problem("POST", "/ingest/file", 409, "duplicate_row_key", "row key 'id' is not unique")
    outcome = run("ingest", str(file), "--dataset", "notes")
    assert (outcome.code, outcome.err) == (1, "lakeward: row key 'id' is not unique\n")


@pytest.mark.parametrize(
    "arguments", [[], ["none.csv", "--dataset", "d"], ["notes.csv"], [".", "--dataset", "d"]]
)
def test_usage(run, file, arguments):
    outcome = run("ingest", *arguments)
    assert outcome.code == 2
    assert len(outcome.err.splitlines()) == 1


def test_datasets_are_listed_and_shown(fake, run):
    fake.answer("GET", "/catalog/datasets", {"items": [DATASET], "next_cursor": None})
    fake.answer("GET", "/catalog/datasets/by-name/notes", DATASET)
    assert "1,234" in run("dataset", "list").out
    shown = run("dataset", "show", "notes").out
    assert "a, b" in shown
    assert "\x1b" not in shown
    assert run("dataset", "show", "notes", "--json").document == DATASET


def test_no_datasets_says_how_to_load_one(fake, run):
    fake.answer("GET", "/catalog/datasets", {"items": [], "next_cursor": None})
    assert "lakeward ingest FILE --dataset NAME" in run("dataset", "list").out


def test_delete(fake, run):
    deleted = {"name": "notes", "row_count": 1234, "unbound_profiles": ["p"]}
    fake.answer("DELETE", "/catalog/datasets/by-name/notes", deleted)
    outcome = run("dataset", "delete", "notes", "--yes")
    assert outcome.out == "deleted notes with 1,234 rows\nit was taken from the profiles p\n"


CLOSED = {"name": "iban", "type": "text", "pii": None, "sensitivity": "unclassified"}


def test_classify_sends_levels_and_says_what_is_still_closed(fake, run):
    fake.answer(
        "PATCH",
        "/catalog/datasets/by-name/notes/metadata",
        {**DATASET, "columns": [{**CLOSED, "name": "a=b", "sensitivity": "restricted"}, CLOSED]},
    )
    outcome = run("dataset", "classify", "notes", "a=b=restricted")
    assert outcome.code == 0, outcome.err
    assert fake.last.document == {"columns": {"a=b": {"sensitivity": "restricted"}}}
    assert "nobody but an admin sees it: iban" in outcome.out
    assert "lakeward dataset classify notes iban=internal" in outcome.out


@pytest.mark.parametrize("levels", [[], ["iban"], ["=public"], ["iban="], ["a=public", "a=internal"]])
def test_what_is_not_a_level_is_a_usage_error(fake, run, levels):
    assert run("dataset", "classify", "notes", *levels).code == 2
    assert fake.requests == []


def test_show_names_the_columns_that_are_not_classified(fake, run):
    fake.answer("GET", "/catalog/datasets/by-name/notes", {**DATASET, "columns": [CLOSED]})
    assert "nobody but an admin sees it: iban" in run("dataset", "show", "notes").out
