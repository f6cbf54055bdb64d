import pytest

ANSWER = {
    "columns": [{"name": "vendor", "type": "string"}, {"name": "n", "type": "int64"}],
    "rows": [["Acme\x1b", 1234], [None, 5]],
    "row_count": 2,
    "truncated": False,
    "engine": "datafusion",
    "duration_ms": 12.0,
}


def test_a_table_by_default(fake, run):
    fake.answer("POST", "/query/sql", ANSWER)
    outcome = run("query", "select 1", "--as", "p", "--max-rows", "10")
    assert "1,234" in outcome.out
    assert "\x1b" not in outcome.out
    assert outcome.out.splitlines()[-1] == "2 rows; 12 ms"
    assert fake.last.headers["x-lakehouse-profile"] == "p"
    assert fake.last.document == {"sql": "select 1", "max_rows": 10}


def test_many_columns_are_shown_row_by_row(fake, run):
    columns = [{"name": f"column_{i}", "type": "string"} for i in range(20)]
    wide = {**ANSWER, "columns": columns, "rows": [[f"value {i}" for i in range(20)]], "row_count": 1}
    fake.answer("POST", "/query/sql", wide)
    out = run("query", "select 1").out
    assert "row 1\n" in out
    assert [line.split() for line in out.splitlines() if "column_19" in line] == [
        ["column_19", "value", "19"]
    ]


@pytest.mark.parametrize(
    ("name", "accept"),
    [
        ("json", "application/json"),
        ("ndjson", "application/x-ndjson"),
        ("csv", "text/csv"),
        ("arrow", "application/vnd.apache.arrow.stream"),
        ("parquet", "application/vnd.apache.parquet"),
    ],
)
def test_formats_come_as_they_are(fake, run, tmp_path, name, accept):
    fake.answer(
        "POST", "/query/sql", b"bytes as \xc3\xa9 they are", headers={"X-Lakehouse-Truncated": "true"}
    )
    out = tmp_path / f"answer.{name}"
    outcome = run("query", "select 1", "--out", str(out))
    assert outcome.code == 0, outcome.err
    assert fake.last.headers["accept"] == accept
    assert out.read_bytes().rstrip(b"\n") == b"bytes as \xc3\xa9 they are"
    assert "there are more rows" in outcome.err
    assert run("query", "select 1", "--format", name).out.rstrip("\n") == "bytes as é they are"


def test_json_is_the_answer_as_it_came(fake, run):
    fake.answer("POST", "/query/sql", ANSWER)
    assert run("query", "select 1", "--json").document == ANSWER


def test_a_query_that_fails_leaves_the_file_that_was_there(fake, run, tmp_path):
    out = tmp_path / "answer.csv"
    out.write_text("old")
    fake.problem("POST", "/query/sql", 400, "invalid_query", "table 'x' not found")
    outcome = run("query", "select 1", "--out", str(out))
    assert (outcome.code, outcome.err) == (1, "lakeward: table 'x' not found\n")
    assert out.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["answer.csv"]


def test_a_folder_that_is_not_there_is_said(fake, run):
    fake.answer("POST", "/query/sql", b"x")
    outcome = run("query", "select 1", "--out", "none/answer.csv")
    assert outcome.code == 1
    assert "cannot write none/answer.csv" in outcome.err


@pytest.mark.parametrize(
    "arguments", [["--out", "x.xlsx"], ["--json", "--format", "csv"], ["--format", "pdf"]]
)
def test_usage(fake, run, arguments):
    assert run("query", "select 1", *arguments).code == 2
    assert fake.requests == []
