"""A reader's SQL can end its own process, and nothing else."""

import time

import pytest

from tests.integration.api.conftest import Api, problem


@pytest.mark.parametrize(
    "sql",
    [
        "select 1" + "+1" * 40_000,
        "select t" + "||t" * 3_000 + " from deep",
        "select array_repeat(1, 1000000000)",
        "select lpad('x', 1900000000, 'y')",
        "with c0 as (select 1 as x), "
        + ", ".join(f"c{n} as (select p.x from c{n - 1} p, c{n - 1} q)" for n in range(1, 24))
        + " select count(*) from c23",
    ],
    ids=["deep", "concatenated", "array", "text", "doubling"],
)
def test_sql_that_would_take_the_server_along(api: Api, sql: str) -> None:
    api.ingest("deep", "id,t\n1,a\n", row_key="id")
    started = time.monotonic()
    answer = api.admin.post("/query/sql", json={"sql": sql, "timeout_ms": 3000})
    assert answer.status_code in (400, 504), answer.text[:300]
    problem(answer, answer.status_code, "invalid_query" if answer.status_code == 400 else "timeout")
    assert time.monotonic() - started < 15
    assert api.admin.post("/query/sql", json={"sql": "select id from deep"}).json()["rows"] == [[1]]


def test_nothing_of_a_query_goes_on_after_its_time(api: Api) -> None:
    import psutil

    sql = "select count(*) from generate_series(1, 1000000000) a, generate_series(1, 1000000000) b"
    problem(api.admin.post("/query/sql", json={"sql": sql, "timeout_ms": 300}), 504, "timeout")
    busy = [p for p in psutil.Process().children(recursive=True) if p.cpu_percent(interval=0.3) > 50]
    assert busy == []
