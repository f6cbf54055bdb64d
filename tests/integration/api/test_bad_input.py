"""Bad input gets an error that names the thing and the way out, and nothing is lost."""

import os
from pathlib import Path

import msgspec
import pytest

from tests.integration.api.conftest import Api, problem

DATA = Path(os.environ.get("LAKEWARD_TEST_DATA", Path(__file__).resolve().parents[4] / "shared" / "data"))
HOSTILE = [
    "People",
    "1st",
    "a b",
    "drop table x; --",
    "'; drop schema lake cascade; --",
    'a"b',
    "ünïcode",
    "../../etc/passwd",
    "_load_1",
    "a" * 49,
    "a" * 200,
    "",
    "\u202e",
    "a\x00b",
]


@pytest.fixture(scope="module")
def searchable(api: Api) -> Api:
    api.ingest("rows", "id,t\n1,alpha\n2,beta\n3,gamma\n", row_key="id")
    api.index("rows", "t")
    api.profile("reader", "rows")
    return api


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_dataset_names_are_refused(api: Api, name: str) -> None:
    if name:
        problem(api.ingest(name, "id\n1\n"), 400, "invalid_name")
    problem(api.admin.post("/catalog/datasets", json={"name": name}), 400, "invalid_name")


@pytest.mark.parametrize("name", ["select", "user", "table", "order"])
def test_reserved_words_are_usable_names(api: Api, name: str) -> None:
    assert api.ingest(name, "id,select\n1,x\n", row_key="id").status_code == 201
    rows = api.admin.post("/query/sql", json={"sql": f'select "select" from "{name}"'}).json()["rows"]
    assert rows == [["x"]]


def test_hostile_column_names_are_only_names(api: Api) -> None:
    names = [
        "id",
        "a%s",
        "%(x)s",
        '"quoted"',
        "'; drop table x; --",
        "a b",
        "{brace}",
        "\\",
        "select",
        "x" * 200,
    ]
    header = ",".join('"' + name.replace('"', '""') + '"' for name in names)
    answer = api.ingest(
        "hostile", f"{header}\n" + ",".join(["1"] + ["v"] * (len(names) - 1)) + "\n", row_key="id"
    )
    assert answer.status_code == 201, answer.text
    columns = [column["name"] for column in answer.json()["columns"]]
    assert columns[:9] == names[:9] and len(columns[9].encode()) <= 63
    api.index("hostile", "a%s", "%(x)s", "'; drop table x; --", '"quoted"')
    api.profile("odd", "hostile")
    hits = (
        api.reader("odd")
        .post("/vectors/profile/odd/search", json={"index": "hostile_v1", "query": "v"})
        .json()["hits"]
    )
    assert hits[0]["metadata"]["{brace}"] == "v"
    rows = (
        api.reader("odd").post("/query/sql", json={"sql": 'select "a%s", "\\" from hostile'}).json()["rows"]
    )
    assert rows == [["v", "v"]]


@pytest.mark.parametrize("slug", ["", "A", "-a", "a" * 41, "a b", "ü", "p;drop", "../x"])
def test_a_bad_slug_is_refused(api: Api, slug: str) -> None:
    problem(api.admin.post("/catalog/profiles", json={"id": slug}), 400, "invalid_name")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"query": "x", "k": 0}, "k must be between 1 and 1000"),
        ({"query": "x", "k": -1}, "k must be between 1 and 1000"),
        ({"query": "x", "k": 10**9}, "k must be between 1 and 1000"),
        ({"query": "x", "k": 10**30}, ""),
        ({"query": "x", "k": "ten"}, "k"),
        ({"query": ""}, "empty"),
        ({"query": "   \n"}, "empty"),
        ({"query": "x" * 20_000}, "longer"),
        ({}, "either query"),
        ({"query": "x", "vector": [1.0]}, "either query"),
        ({"vector": [0.0] * 384}, "zero"),
        ({"vector": [1e30] * 384}, "every component"),
        ({"query": "x", "qyery": "y"}, "there is no field 'qyery'; did you mean 'query'?"),
        (
            {"query": "x", "mode": "psychic"},
            "mode: Invalid enum value 'psychic'; it is one of 'hybrid', 'text', 'vector'",
        ),
    ],
)
def test_bad_searches(searchable: Api, body: dict[str, object], words: str) -> None:
    answer = searchable.admin.post("/vectors/profile/reader/search", json={"index": "rows_v1", **body})
    assert words in problem(answer, 400, "invalid_input")["detail"]


def test_a_choice_in_the_address_is_named(searchable: Api) -> None:
    answer = searchable.admin.get("/vectors/jobs", params={"state": "slow"})
    assert "it is one of" in problem(answer, 400, "invalid_input")["detail"]


def test_vectors_that_do_not_fit(searchable: Api) -> None:
    path = "/vectors/profile/reader/search"
    short = searchable.admin.post(path, json={"index": "rows_v1", "vector": [1.0, 2.0]})
    assert "384" in problem(short, 400, "dimension_mismatch")["detail"]
    problem(searchable.admin.post(path, json={"index": "rows_v1", "vector": []}), 400, "dimension_mismatch")
    for literal in ("NaN", "Infinity", "-Infinity", "1e999"):
        body = '{"index": "rows_v1", "vector": [' + ", ".join([literal] * 384) + "]}"
        answer = searchable.admin.post(path, content=body, headers={"Content-Type": "application/json"})
        problem(answer, 400, "invalid_input")


def test_texts_that_postgres_cannot_hold_are_refused(searchable: Api) -> None:
    for body in ({"source": "a\0b", "text_columns": ["t"]}, {"source": "rows", "text_columns": ["a\0b"]}):
        answer = searchable.admin.post("/vectors/index", json=body)
        assert answer.status_code in (400, 404), answer.text
    problem(searchable.admin.get("/catalog/datasets/by-name/a%00b"), 400, "invalid_input")
    key = {"name": "a\0b", "kind": "admin"}
    problem(searchable.admin.post("/access/keys", json=key), 400, "invalid_input")


def test_unknown_things_are_named(searchable: Api) -> None:
    admin = searchable.admin
    search = {"index": "nope_v1", "query": "x"}
    assert (
        "nope_v1"
        in problem(admin.post("/vectors/profile/reader/search", json=search), 404, "not_found")["detail"]
    )
    problem(admin.post("/vectors/profile/nobody/search", json=search), 404, "not_found")
    problem(admin.post("/vectors/profile/nobody/activate"), 404, "not_found")
    problem(admin.post("/vectors/index", json={"source": "nope", "text_columns": ["t"]}), 404, "not_found")
    missing = admin.post("/vectors/index", json={"source": "rows", "text_columns": ["nope"]})
    assert "it has id, t" in problem(missing, 404, "not_found")["detail"]
    model = admin.post("/vectors/index", json={"source": "rows", "text_columns": ["t"], "model": "gpt"})
    assert "fake" in problem(model, 400, "invalid_input")["detail"]
    problem(admin.get("/vectors/jobs/nope"), 404, "not_found")
    problem(admin.get("/catalog/profiles/nope"), 404, "not_found")
    problem(admin.delete("/access/keys/nope"), 404, "not_found")
    problem(admin.get("/nowhere"), 404, "not_found")
    problem(admin.patch("/whoami"), 405, "method_not_allowed")
    problem(admin.get("/whoami", headers={"X-Lakehouse-Profile": "nobody"}), 404, "not_found")


@pytest.mark.parametrize(
    "body",
    [
        {"source": "rows", "text_columns": []},
        {"source": "rows", "text_columns": ["t", "t"]},
        {"source": "rows", "text_columns": ["t"], "chunk": {"size": 10}},
        {"source": "rows", "text_columns": ["t"], "chunk": {"size": 100, "overlap": 100}},
        {"source": "rows", "text_columns": ["t"], "chunk": {"sise": 100}},
        {"source": "rows", "text_columns": ["t"], "colour": 1},
        {"source": "rows"},
    ],
)
def test_bad_indexes(searchable: Api, body: dict[str, object]) -> None:
    problem(searchable.admin.post("/vectors/index", json=body), 400, "invalid_input")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"X-API-Key": "nonsense"}, 401),
        ({"X-API-Key": "lw_abcdef123456_" + "x" * 43}, 401),
        ({"Authorization": "Bearer"}, 401),
        ({"Authorization": "Basic Zm9v"}, 401),
        ({"X-API-Key": "lw_" + "a" * 10_000}, 401),
    ],
)
def test_keys_that_are_none(api: Api, headers: dict[str, str], status: int) -> None:
    with api.client(None) as nobody:
        answer = nobody.get("/whoami", headers=headers)
        problem(answer, status, "unauthenticated")
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_bearer_key_works_and_a_wrong_secret_does_not(api: Api) -> None:
    key = api.settings.admin_key_file.read_text().strip()
    with api.client(None) as nobody:
        assert nobody.get("/whoami", headers={"Authorization": f"Bearer {key}"}).status_code == 200
        wrong = key[:-1] + ("a" if key[-1] != "a" else "b")
        problem(nobody.get("/whoami", headers={"X-API-Key": wrong}), 401, "unauthenticated")


def test_a_body_too_large_is_refused(api: Api) -> None:
    problem(api.ingest("large", b"x" * (9 * 1024 * 1024)), 413, "payload_too_large")


@pytest.mark.parametrize(
    "sql",
    [
        "",
        " ",
        "drop table rows",
        "create table x as select 1",
        "create external table x stored as csv location '/etc/passwd'",
        "copy rows to '/tmp/x.csv'",
        "insert into rows values (1)",
        "set datafusion.execution.batch_size = 1",
        "explain select * from rows",
        "explain analyze select * from rows",
        "select * from '/etc/passwd'",
        "select * from information_schema.tables",
        "select * from lake.rows",
        "select * from pg_catalog.pg_roles",
        "select pg_read_file('/etc/passwd')",
        "select 1; select 2",
        "select set_config('role', 'none', true)",
        "select * from rows where",
        "select t + 1 from rows",
        "select cast(t as int) from rows",
        "select id / 0 from rows",
        "(" * 5000 + "select 1" + ")" * 5000,
        "\x00",
    ],
)
def test_sql_that_is_refused(searchable: Api, sql: str) -> None:
    answer = searchable.admin.post("/query/sql", json={"sql": sql})
    document = answer.json()
    assert answer.status_code == 400, answer.text
    assert document["code"] in ("invalid_query", "invalid_input")
    assert "lakeward.profile" not in document["detail"]


def test_a_query_that_never_ends_is_ended(searchable: Api) -> None:
    sql = "select count(*) from generate_series(1, 1000000000) a, generate_series(1, 1000000000) b"
    answer = searchable.admin.post("/query/sql", json={"sql": sql, "timeout_ms": 500})
    assert answer.status_code in (400, 504), answer.text
    assert searchable.admin.get("/health").status_code == 200


def test_rows_beyond_the_limit_are_cut_and_said_to_be(searchable: Api) -> None:
    body = {"sql": "select * from generate_series(1, 5000)", "max_rows": 10}
    answer = searchable.admin.post("/query/sql", json=body).json()
    assert (answer["row_count"], answer["truncated"]) == (10, True)


@pytest.mark.parametrize(
    ("content", "form", "status", "code"),
    [
        ("", {}, 400, "invalid_file"),
        ("id,t\n1,a\n1,b\n", {"row_key": "id"}, 409, "duplicate_row_key"),
        ("id,t\n1,a\n,b\n", {"row_key": "id"}, 409, "duplicate_row_key"),
        ("id,t\n1,a\n", {"row_key": "nope"}, 400, "invalid_input"),
        ("id,t\n1,a\n", {"disposition": "sideways"}, 400, "invalid_input"),
        ("id,t\n1,a\n", {"home": "shed"}, 400, "invalid_input"),
        ("id,t\n1,a\n", {"format": "xlsx"}, 400, "invalid_input"),
        ("[1, 2, 3]", {"format": "json"}, 400, "invalid_file"),
        ('{"a": [{"x": 1}', {"format": "json"}, 400, "invalid_file"),
        ("not parquet", {"format": "parquet"}, 400, "invalid_file"),
    ],
)
def test_files_that_are_refused_leave_nothing(
    api: Api, content: str, form: dict[str, str], status: int, code: str
) -> None:
    problem(api.ingest("refused", content, **form), status, code)
    problem(api.admin.get("/catalog/datasets/by-name/refused"), 404, "not_found")
    with api.deployed.connect("owner") as owner:
        left = owner.execute("select relname from pg_class where relname ~ '^(_load_|refused)'").fetchall()
    assert left == []


def test_a_number_that_overflows_keeps_its_digits(api: Api) -> None:
    digits = "123456789012345678901234567890"
    assert api.ingest("wide", f"id,n\n1,{digits}\n2,1\n", row_key="id").status_code == 201
    rows = api.admin.post("/query/sql", json={"sql": "select n from wide order by id"}).json()["rows"]
    assert str(rows[0][0]).startswith(digits)


def test_rejected_rows_are_kept_with_line_and_reason(api: Api) -> None:
    lines = "\n".join(f"{n},{n * 2},x" for n in range(50))
    answer = api.ingest("ragged", f"a,b,c\n{lines}\n1,2,3,4,5,6\n51,52,y\n").json()
    assert answer["rejected"] == 1 and answer["rows"] == 51
    with api.deployed.connect("owner") as owner:
        kept = owner.execute("select line, reason, raw from lakeward.rejected_row").fetchall()
    assert kept[0][0] == 52 and kept[0][1] and "1,2,3,4,5,6" in kept[0][2]


@pytest.mark.skipif(not (DATA / "hostile").is_dir(), reason="the shared data is not here")
def test_naughty_strings_as_values_and_queries_change_nothing(api: Api) -> None:
    strings = msgspec.json.decode((DATA / "hostile" / "blns.json").read_bytes(), type=list[str])
    strings = [text for text in strings if "\x00" not in text][:200]
    lines = b"\n".join(msgspec.json.encode({"id": n, "t": text}) for n, text in enumerate(strings))
    assert api.ingest("naughty", lines, "naughty.ndjson", row_key="id").json()["rows"] == len(strings)
    api.index("naughty", "t")
    api.profile("naughty", "naughty")
    reader = api.reader("naughty")
    rows = reader.post("/query/sql", json={"sql": "select t from naughty order by id"}).json()["rows"]
    assert [row[0] for row in rows] == strings
    for text in strings[:60]:
        answer = reader.post("/vectors/profile/naughty/search", json={"index": "naughty_v1", "query": text})
        assert answer.status_code in (200, 400), answer.text
    assert api.admin.get("/ready").status_code == 200


@pytest.mark.parametrize("name", ["database", "principal", "data", "request", "indx"])
def test_what_the_application_gives_its_handlers_is_no_query_parameter(api: Api, name: str) -> None:
    answer = problem(api.admin.get("/vectors/stale", params={name: "1"}), 400, "invalid_input")
    assert f"unknown query parameter '{name}'" in answer["detail"]
    assert "database" not in answer["detail"].replace(f"'{name}'", "")


def test_a_body_that_is_missing_or_too_large_is_said_so(api: Api) -> None:
    missing = problem(api.admin.post("/catalog/profiles"), 400, "invalid_input")
    assert missing["detail"] == "there is no body: send a JSON object"
    large = {"id": "large", "description": "x" * 3_000_000, "bound_datasets": []}
    answer = problem(api.admin.post("/catalog/profiles", json=large), 413, "payload_too_large")
    assert "2 MiB" in answer["detail"]
