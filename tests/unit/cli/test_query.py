import pytest

from app.analytics.endings import plan_failure
from app.cli.received import MEDIA_TYPES
from app.errors import InvalidQueryError
from tests.unit.cli.test_received import body

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


@pytest.mark.parametrize("name", MEDIA_TYPES)
def test_a_file_has_the_answer_as_it_came(fake, run, tmp_path, name):
    content = body(name, truncated=True)
    fake.answer("POST", "/query/sql", content, headers={"X-Lakehouse-Truncated": "true"})
    outcome = run("query", "select 1", "--out", f"answer.{name}")
    assert outcome.code == 0, outcome.err
    assert fake.last.headers["accept"] == MEDIA_TYPES[name]
    written = (tmp_path / f"answer.{name}").read_bytes()
    assert written == content + b"\n" * (name == "json")
    assert outcome.out == f"answer.{name}: 500 rows, {len(written):,} bytes\n"
    assert "there are more rows" in outcome.err
    told = run("query", "select 1", "--out", f"answer.{name}", "--json")
    assert told.document == {
        "file": f"answer.{name}",
        "format": name,
        "rows": 500,
        "bytes": len(written),
        "truncated": True,
    }


@pytest.mark.parametrize("name", ["json", "ndjson", "csv"])
def test_standard_output_has_the_answer_as_it_came(fake, run, name):
    fake.answer("POST", "/query/sql", body(name), headers={"X-Lakehouse-Truncated": "false"})
    outcome = run("query", "select 1", "--format", name)
    assert outcome.out.rstrip("\n") == body(name).decode().rstrip("\n")
    assert (outcome.code, outcome.err) == (0, "")


@pytest.mark.parametrize("name", ["json", "ndjson"])
def test_an_answer_with_an_error_at_its_end_leaves_the_file_that_was_there(fake, run, tmp_path, name):
    kind = MEDIA_TYPES[name]
    failure = plan_failure(kind, InvalidQueryError("Divide by zero"), rows=500, duration_ms=1)
    whole = body(name)
    rows = whole[: whole.rfind(b'],"row_count":500')] if name == "json" else whole
    fake.answer("POST", "/query/sql", rows + failure)
    out = tmp_path / f"answer.{name}"
    out.write_text("old")
    outcome = run("query", "select 1", "--out", str(out))
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == "lakeward: the query failed after its first rows: Divide by zero\n"
    assert out.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [out.name]
    assert run("query", "select 1", "--format", name).code == 1


def test_a_table_of_half_an_answer_is_not_shown(fake, run):
    problem = {"code": "timeout", "detail": "the time is over"}
    fake.answer("POST", "/query/sql", {**ANSWER, "error": problem, "truncated": True})
    outcome = run("query", "select 1")
    assert (outcome.code, outcome.out) == (1, "")
    assert "after its first rows: the time is over" in outcome.err


def test_a_chart(fake, run):
    fake.answer("POST", "/query/sql", {**ANSWER, "rows": [["Acme\x1b", 1234], [None, 5]]})
    outcome = run("query", "select 1", "--chart")
    lines = outcome.out.splitlines()
    assert lines[0] == "n by vendor" and lines[1].startswith("Acme\\x1b ██") and lines[1].endswith(" 1,234")
    assert "\x1b" not in outcome.out and max(map(len, lines)) <= 80
    assert lines[-1] == "2 rows; 12 ms"


def test_columns_that_are_no_chart_are_said(fake, run):
    fake.answer("POST", "/query/sql", {**ANSWER, "columns": [{"name": "v", "type": "string"}] * 2})
    outcome = run("query", "select 1", "--chart")
    assert outcome.code == 1 and "a chart needs a number column" in outcome.err


def test_json_is_the_answer_as_it_came(fake, run):
    fake.answer("POST", "/query/sql", body("json"))
    document = run("query", "select 1", "--json").document
    assert document["row_count"] == 500 == len(document["rows"])


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
    ("arguments", "message"),
    [
        (["--out", "x.xlsx"], "none of the endings .json, .ndjson, .csv, .arrow, .parquet"),
        (["--out", "x"], "none of the endings"),
        (["--json", "--format", "csv"], "two answers"),
        (["--format", "pdf"], "pdf"),
        (["--chart", "--json"], "--chart"),
        (["--chart", "--out", "x.csv"], "--chart"),
        (["--max-rows", "0"], "--max-rows"),
    ],
)
def test_usage(fake, run, arguments, message):
    outcome = run("query", "select 1", *arguments)
    assert outcome.code == 2 and message in outcome.err
    assert fake.requests == []
