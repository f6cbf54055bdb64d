"""Answers are sent while they are computed, to clients that go away, stop reading, or get an error in the middle."""

import io
import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
import psutil
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from app.analytics import processes as processes_module
from tests.integration.api.conftest import Api, problem, serving, settings_for

ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"
NDJSON = "application/x-ndjson"
FOREVER = "select value, value * 2 as twice from generate_series(1, 100000000000)"
#: Fails in the middle: the first rows are long out by then.
LATE = "select 10 / (value - 1000000) as n from generate_series(1, 2000000)"
PATIENCE_S = 0.5


@pytest.fixture(scope="module")
def api(clone: Callable[[], AbstractContextManager[Any]]) -> Iterator[Api]:
    """An API with limits that an answer of some size needs, and little patience."""
    with clone() as deployed:
        settings = settings_for(deployed)
        query = msgspec.structs.replace(
            settings.query, timeout_ms=60_000, max_rows=2**31 - 1, client_timeout_ms=int(PATIENCE_S * 1000)
        )
        with pytest.MonkeyPatch.context() as patched:
            # none waits for another query, so that each that is there is at work
            patched.setattr(processes_module, "IDLE_BYTES", 0)
            with serving(deployed, msgspec.structs.replace(settings, query=query)) as running:
                yield running


def processes() -> list[psutil.Process]:
    """The processes of queries; one of them may be the next query's."""
    servers = [p for p in psutil.Process().children() if any("forkserver" in part for part in p.cmdline())]
    return [child for server in servers for child in server.children()]


def wait_until_idle(within_s: float = 10) -> None:
    deadline = time.monotonic() + within_s
    while len(processes()) > 1:
        assert time.monotonic() < deadline, "a query goes on that nobody waits for"
        time.sleep(0.05)


def audited(api: Api, count: int) -> list[dict[str, Any]]:
    """The last `count` audit entries of queries, oldest first, when the last has got there."""
    with api.deployed.connect() as connection:
        for _ in range(100):
            rows = connection.execute(
                "select outcome, rows from lakeward.audit_entry where operation = 'sql' order by at desc, id desc"
                " limit %s",
                [count],
            ).fetchall()
            if rows and rows[0][0] != "started":
                break
            time.sleep(0.05)
    return [{"outcome": outcome, "rows": rows} for outcome, rows in reversed(rows)]


def ask(api: Api, sql: str, media_type: str = "application/json", **limits: int) -> httpx.Response:
    return api.admin.post("/query/sql", json={"sql": sql, **limits}, headers={"Accept": media_type})


def test_every_format_has_the_same_rows_in_many_pieces(api: Api) -> None:
    sql = "select value, cast(value % 7 as varchar) as t from generate_series(1, 200000) order by value"
    document = ask(api, sql).json()
    assert (document["row_count"], document["truncated"]) == (200_000, False) and "error" not in document
    wanted = [tuple(row) for row in document["rows"]]
    assert wanted[0] == (1, "1") and len(wanted) == 200_000
    lines = [tuple(json.loads(line).values()) for line in ask(api, sql, NDJSON).text.splitlines()]
    tables = {
        "arrow": pa.ipc.open_stream(ask(api, sql, ARROW).content).read_all(),
        "parquet": pyarrow.parquet.read_table(io.BytesIO(ask(api, sql, PARQUET).content)),
        "csv": pyarrow.csv.read_csv(
            io.BytesIO(ask(api, sql, "text/csv").content),
            convert_options=pyarrow.csv.ConvertOptions(column_types={"t": pa.string()}),
        ),
    }
    assert lines == wanted
    for name, table in tables.items():
        assert [tuple(row.values()) for row in table.to_pylist()] == wanted, name


def test_an_answer_says_whether_there_is_more(api: Api) -> None:
    small = ask(api, "select * from generate_series(1, 5)", max_rows=3)
    assert small.headers["X-Lakehouse-Truncated"] == "true" and small.json()["truncated"] is True
    assert len(small.json()["rows"]) == small.json()["row_count"] == 3
    whole = ask(api, "select * from generate_series(1, 3)", "text/csv", max_rows=3)
    assert whole.headers["X-Lakehouse-Truncated"] == "false" and whole.headers["X-Lakehouse-Max-Rows"] == "3"
    large = ask(api, FOREVER, ARROW, max_rows=300_001)
    assert "X-Lakehouse-Truncated" not in large.headers
    with pa.ipc.open_stream(large.content) as reader:
        last: Any = None
        for _ in range(10_000):
            try:
                last = reader.read_next_batch_with_custom_metadata()
            except StopIteration:
                break
    assert dict(last.custom_metadata)[b"lakeward.truncated"] == b"true"
    assert audited(api, 2) == [{"outcome": "started", "rows": None}, {"outcome": "ok", "rows": 300_001}]


@pytest.mark.parametrize("media_type", ["application/json", ARROW, PARQUET])
def test_a_client_that_goes_away_ends_its_query(api: Api, media_type: str) -> None:
    """The first rows of an answer that would never end are there at once."""
    request = api.admin.build_request(
        "POST", "/query/sql", json={"sql": FOREVER}, headers={"Accept": media_type}
    )
    answer = api.admin.send(request, stream=True)
    try:
        assert answer.status_code == 200
        assert len(next(answer.iter_raw())) > 0
        assert len(processes()) >= 1
    finally:
        answer.close()
    wait_until_idle(3)
    begun, ended = audited(api, 2)
    assert begun["outcome"] == "started" and ended["outcome"] == "cancelled" and ended["rows"] >= 0


def test_a_client_that_goes_away_before_the_first_row_ends_its_query(api: Api) -> None:
    with opened(api, "select count(*) from generate_series(1, 10000000000) a", "application/json"):
        deadline = time.monotonic() + 5
        while not any(process.cpu_times().user > 0.5 for process in processes()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    wait_until_idle(3)
    deadline = time.monotonic() + 5
    # until it is there, the newest is another test's
    while audited(api, 1) != [{"outcome": "cancelled", "rows": 0}]:
        assert time.monotonic() < deadline, audited(api, 1)
        time.sleep(0.05)


def opened(api: Api, sql: str, media_type: str) -> socket.socket:
    """A socket on which the question was sent, and nothing read."""
    address = urlsplit(api.url)
    link = socket.create_connection((address.hostname, address.port), timeout=10)
    body = json.dumps({"sql": sql}).encode()
    head = (
        f"POST /query/sql HTTP/1.1\r\nHost: here\r\nX-API-Key: {api.admin.headers['X-API-Key']}\r\n"
        f"Accept: {media_type}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    link.sendall(head.encode() + body)
    return link


def test_a_client_that_stops_reading_ends_its_query(api: Api) -> None:
    with opened(api, FOREVER, NDJSON) as link:
        assert link.recv(100).startswith(b"HTTP/1.1 200")
        time.sleep(PATIENCE_S + 1)
        wait_until_idle(5)
        assert audited(api, 2)[1]["outcome"] == "cancelled"
        assert ask(api, "select 1 as one").json()["rows"] == [[1]]


def test_clients_that_stop_reading_do_not_keep_others_waiting(api: Api) -> None:
    links = [opened(api, FOREVER, NDJSON) for _ in range(6)]
    try:
        assert ask(api, "select 1 as one").json()["rows"] == [[1]]
    finally:
        for link in links:
            link.close()
    wait_until_idle(5)


def test_an_error_in_the_middle_is_seen_in_every_format(api: Api) -> None:
    document = ask(api, LATE).json()
    assert document["error"]["code"] == "invalid_query" and "zero" in document["error"]["detail"].lower()
    assert document["truncated"] is True and len(document["rows"]) == document["row_count"] > 0
    ended = audited(api, 1)[0]
    assert ended == {"outcome": "invalid_query", "rows": document["row_count"]}
    *lines, last = ask(api, LATE, NDJSON).text.splitlines()
    assert "error" in json.loads(last) and "n" in json.loads(lines[-1])
    # a Parquet file of these is so small that nothing of it is out yet when the query fails
    problem(ask(api, LATE, PARQUET), 400, "invalid_query")
    for media_type in (ARROW, "text/csv"):
        with pytest.raises(httpx.RemoteProtocolError, match=r"incomplete|without"):
            ask(api, LATE, media_type)
        assert audited(api, 1)[0]["outcome"] == "invalid_query"
    wait_until_idle()


def test_an_error_before_the_first_row_has_its_status(api: Api) -> None:
    for media_type in (ARROW, PARQUET, NDJSON):
        problem(
            ask(api, "select 1 / (value - value) from generate_series(1, 3)", media_type),
            400,
            "invalid_query",
        )
        assert audited(api, 1) == [{"outcome": "invalid_query", "rows": None}]


def test_the_time_is_over_in_the_middle(api: Api) -> None:
    document = ask(api, FOREVER, timeout_ms=700, max_rows=2**31 - 1).json()
    assert document["error"]["code"] == "timeout" and document["row_count"] == len(document["rows"])


@pytest.mark.parametrize("sql", ["select 1 as one", FOREVER], ids=["small", "streamed"])
def test_rows_that_cannot_be_recorded_are_not_sent(api: Api, sql: str) -> None:
    with api.deployed.connect("owner") as owner:
        body = owner.execute(
            "select pg_get_functiondef(p.oid) from pg_proc p where p.proname = 'append_audit'"
        ).fetchone()
        assert body is not None
        broken = re.sub(
            r"(AS \$\w*\$).*(\$\w*\$)", r"\1 begin raise exception 'full'; end \2", body[0], flags=re.DOTALL
        )
        try:
            owner.execute(broken)
            answer = ask(api, sql, NDJSON)
            assert answer.status_code >= 500 and "one" not in answer.text
        finally:
            owner.execute(body[0])
    wait_until_idle()
