"""SQL that cannot be answered, over every home of rows: its status, its words, and a server that goes on."""

import re
import time
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.integration.api.conftest import Api, api, problem

__all__ = ["api"]

CSV = "id,name,born,price,at\n" + "".join(
    f"{n},person {n},{1950 + n % 50}-01-02,{n}.25,10:00:{n % 60:02}\n" for n in range(1, 201)
)
TABLES = ["in_table", "in_bucket", "in_files", "in_view"]
#: What no message may say: how Lakeward and the engine call what the user calls otherwise.
INTERNAL = re.compile(
    r"lakeward\.|\?table\?|__\w|arrow_cast|p_reader|lw_|datafusion\.|Error during planning|Arrow error|Schema error|"
    r"Execution error|Internal error|information_schema is|Identifier\(|/home\d|\.parquet|file://|a key that has a"
)
ALLOWED = re.compile(r"'/etc/passwd'|'nosuch\.parquet'")


@pytest.fixture(scope="module")
def world(api: Api) -> Api:
    """One set of rows in Postgres, in a bucket, in attached files, and behind a view with masks and tombstones."""
    for name, home in (("in_table", "table"), ("in_bucket", "bucket")):
        assert api.ingest(name, CSV, row_key="id", home=home).status_code == 201
    folder = api.settings.home / "buckets" / "local" / "there"
    folder.mkdir(parents=True)
    ids = list(range(1, 201))
    columns = {
        "id": pa.array(ids, pa.int32()),
        "name": pa.array([f"person {n}" for n in ids]).dictionary_encode(),
        "born": pa.array([10_000 + n for n in ids], pa.date32()),
        "price": pa.array(ids).cast(pa.decimal128(38, 2)),
        "at": pa.array(ids, pa.time64("ns")),
    }
    pq.write_table(pa.table(columns), folder / "a.parquet")
    attach = {"name": "in_files", "path": "there", "row_key": "id"}
    assert api.admin.post("/catalog/datasets/attach", json=attach).status_code == 201
    view = {
        "name": "in_view",
        "base_dataset": "in_bucket",
        "columns": ["id", "name", "born", "price", "at"],
        "row_filter": "price < 150",
        "redactions": {"name": {"action": "mask", "keep_prefix": 1}, "born": {"action": "truncate_to_year"}},
    }
    assert api.admin.post("/catalog/views", json=view).status_code == 201
    gone = {"row_key_column": "id", "row_key_values": [7]}
    assert api.admin.post("/catalog/datasets/by-name/in_bucket/tombstone", json=gone).status_code == 200
    api.profile("reader", *TABLES)
    return api


def refused(client: Any, sql: str, says: str, status: int = 400, code: str = "invalid_query") -> None:
    detail = problem(client.post("/query/sql", json={"sql": sql}), status, code)["detail"]
    assert re.search(says, detail), f"{sql}: {detail}"
    assert not INTERNAL.search(ALLOWED.sub("", detail)), f"{sql}: {detail}"


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("select * from read_parquet('/etc/passwd')", "read_parquet.* not found"),
        ("select * from read_csv('/etc/passwd')", "read_csv.* not found"),
        ("select * from '/etc/passwd'", "'/etc/passwd' not found"),
        ("select * from 'nosuch.parquet'", "not found"),
        ("copy (select 1) to '/tmp/lakeward-x.parquet'", "only one SELECT"),
        ("create external table x stored as csv location '/etc/passwd'", "only one SELECT"),
        ("create view v as select 1", "only one SELECT"),
        ("set datafusion.execution.batch_size = 1", "only one SELECT"),
        ("set datafusion.catalog.information_schema = true", "only one SELECT"),
        ("prepare p as select 1", "only one SELECT"),
        ("begin", "only one SELECT"),
        ("use lakeward", "only one SELECT"),
        ("show tables", "SHOW TABLES is not supported"),
        ("show all", "SHOW .* is not supported"),
        ("select 1; select 2", "only one SELECT can be run, not several"),
        ("select * from nosuch", "table 'nosuch' not found"),
        ("select * from lakeward.profile.nosuch", "table 'nosuch' not found"),
        ("select * from information_schema.tables", "'information_schema.tables' not found"),
        ("selec 1", "found: selec at Line: 1"),
        ("select '", "Unterminated string"),
        ("select $1", r"'\$1' was not provided"),
        ("select pg_sleep(1)", "Invalid function 'pg_sleep'"),
    ],
)
def test_what_is_no_query(world: Api, sql: str, says: str) -> None:
    refused(world.reader("reader"), sql, says)


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("copy {t} to '/tmp/lakeward-x.parquet'", "only one SELECT"),
        ("insert into {t} select * from {t}", "only one SELECT"),
        ("delete from {t}", "only one SELECT"),
        ("drop table {t}", "only one SELECT"),
        ("select nosuch(id) from {t}", "Invalid function 'nosuch'"),
        ("select nosuch from {t}", "No field named nosuch"),
        ("select {t}.nosuch from {t}", "No field named {t}.nosuch"),
        ("select x.id from {t}", "No field named x.id. Did you mean '{t}.id'"),
        ("select id from {t} a, {t} b", "Ambiguous reference to unqualified field id"),
        ("select id, count(*) from {t}", '"{t}.id" must appear in the GROUP BY'),
        (
            "select id from {t} where id in (select id, name from {t})",
            "only return one column: {t}.id, {t}.name",
        ),
        ("select id as x, name as x from {t}", '"{t}.id AS x".*"{t}.name AS x".*same name'),
        ("select sum(name) from {t}", "'sum' failed to match"),
        ("select name + 1 from {t}", "Cannot coerce arithmetic expression"),
        ("select id / 0 from {t}", "Divide by zero"),
        ("select id % 0 from {t} where id > 3", "Divide by zero"),
        ("select cast(id * 100000 as smallint) from {t}", "Can't cast value 100000 to type Int16"),
        ("select cast(price * 1e30 as decimal(38, 10)) from {t}", "(?i)overflow"),
        ("select cast(name as int) from {t}", r"Cannot cast string 'p\S*"),
        ("select id from {t} where born > 'abc'", "Cannot cast string 'abc'"),
        ("select (select id from {t}) from {t}", "more than one row"),
        ("select id from {t} where name ~ '('", "regex parse error"),
        ("select * from {t} limit 'a'", "LIMIT to be an integer"),
        ("select struct(id).nosuch from {t}", "Dot access not supported"),
        ("select repeat(name, 1000000000) from {t}", "overflow|more memory"),
    ],
)
@pytest.mark.parametrize("table", TABLES)
def test_what_cannot_be_computed(world: Api, table: str, sql: str, says: str) -> None:
    refused(world.reader("reader"), sql.format(t=table), says.format(t=table))


@pytest.mark.parametrize(
    "sql",
    [
        "select sum(a.id * b.id) from {t} a, {t} b, {t} c, {t} d, {t} e",
        "select * from {t} a, generate_series(1, 100000000) s order by s.value desc, a.name",
        "select s.value, count(*) from {t} a, generate_series(1, 100000000) s group by s.value order by 2",
        "select array_agg(s.value) from {t} a, generate_series(1, 10000000) s",
        "with recursive r as (select id from {t} union all select id + 1 from r) select count(*) from r",
    ],
    ids=["multiply", "sort", "group", "collect", "recurse"],
)
def test_what_would_never_end_or_fit_ends_and_gives_its_memory_back(world: Api, sql: str) -> None:
    before = _used()
    answer = world.reader("reader").post(
        "/query/sql", json={"sql": sql.format(t="in_view"), "timeout_ms": 2000}
    )
    assert answer.status_code in (400, 504), answer.text[:300]
    detail = problem(answer, answer.status_code, {400: "invalid_query", 504: "timeout"}[answer.status_code])[
        "detail"
    ]
    assert "memory" in detail or "did not end within" in detail
    deadline = time.monotonic() + 10
    while (now := _used()) > before + 200 * 1024**2:
        assert time.monotonic() < deadline, (before, now)
        time.sleep(0.2)
    healthy = world.admin.post("/query/sql", json={"sql": "select count(*) from in_view"})
    assert healthy.json()["rows"] == [[148]]


def _used() -> int:
    """Bytes of memory of the server and all its processes."""
    server = psutil.Process()
    total = 0
    for process in [server, *server.children(recursive=True)]:
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def test_nothing_was_written(world: Api) -> None:
    assert not Path("/tmp/lakeward-x.parquet").exists()
    counts = [
        world.admin.post("/query/sql", json={"sql": f"select count(*) from {table}"}).json()["rows"][0][0]
        for table in TABLES
    ]
    assert counts == [200, 199, 200, 148]
