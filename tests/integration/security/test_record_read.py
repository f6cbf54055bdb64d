"""What a person reads in psql is on record, or is not read; the app's own reads are recorded by the app."""

import hashlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from app.db.scope import Actor

Entries = Callable[[], list[tuple[Any, ...]]]


@pytest.fixture(autouse=True)
def recording(world: Any) -> None:
    """There is a chunk to read."""
    with world.deployed.connect("owner") as owner:
        owner.execute(
            "insert into vec.people_note overriding system value values (1, 1, 0, '[1,0,0]'::ext.halfvec)"
        )
        owner.execute("insert into vec.people_note_text values (1, 'first', 0, 5)")


@pytest.fixture
def recorded(world: Any) -> Iterator[Entries]:
    """What the audit holds, oldest first."""
    with world.deployed.connect("owner") as owner:

        def fetch() -> list[tuple[Any, ...]]:
            return owner.execute(
                "select door, operation, relations, profile, arguments_sha256 from lakeward.audit_entry order by id"
            ).fetchall()

        yield fetch


def entry(statement: str, operation: str = "select") -> tuple[Any, ...]:
    return ("psql", operation, ["people"], "alpha", hashlib.sha256(statement.encode()).hexdigest())


STATEMENTS = [
    "select * from people",
    "select count(*) from people",
    "select count(*) from people p, people q",
    "select 1 from people limit 1",
    "table people",
    "copy (select * from people) to stdout",
    "explain (analyze) select * from people",
    "do $$ begin perform * from people; end $$",
    "select (select name from people where id = 1 + g * 0) from generate_series(1, 50) g",
    "select p.name from generate_series(1, 50) g cross join lateral (select name from people where id = g) p",
    "select * from vec.hits_1_1",
]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_statement_is_recorded_with_its_hash(logged_in: Any, recorded: Entries, statement: str) -> None:
    with logged_in("alpha") as connection, connection.cursor() as cursor:
        if statement.startswith("copy"):
            with cursor.copy(statement.encode()) as rows:
                assert b"Ada" in b"".join(rows)
        else:
            cursor.execute(statement.encode())
    assert recorded() == [entry(statement)] * (2 if "people q" in statement else 1)


def test_an_indexs_texts_are_too(logged_in: Any, recorded: Entries) -> None:
    statement = "select content from vec.people_note_text"
    with logged_in("alpha") as connection:
        assert connection.execute(statement).fetchall() == [("first",)]
    assert recorded() == [entry(statement, "select_text")]


def test_a_cursor_and_a_prepared_statement_are_recorded_when_they_run(
    logged_in: Any, recorded: Entries
) -> None:
    with logged_in("alpha") as connection:
        connection.execute("prepare p as select * from people")
        connection.execute("begin")
        connection.execute("declare c cursor with hold for select * from people")
        assert recorded() == []
        connection.execute("fetch 1 from c")
        connection.execute("commit")
        assert len(recorded()) == 1
        connection.execute("execute p")
        connection.execute("execute p")
    assert len(recorded()) == 3


FAILS = [
    ("set transaction_read_only = on", psycopg.errors.ReadOnlySqlTransaction),
    (
        "set max_parallel_workers_per_gather = 2; set debug_parallel_query = on",
        psycopg.errors.InvalidTransactionState,
    ),
]


@pytest.mark.parametrize(("settings", "error"), FAILS)
def test_what_cannot_be_recorded_is_not_read(logged_in: Any, settings: str, error: type[Exception]) -> None:
    with logged_in("alpha") as connection:
        connection.execute("begin")
        connection.execute(settings.encode())
        with pytest.raises(error):
            connection.execute("select count(*) from people").fetchall()


def test_without_the_audit_there_is_no_row(world: Any, logged_in: Any) -> None:
    with world.deployed.connect("owner") as owner, logged_in("alpha") as connection:
        owner.execute(
            "alter table lakeward.audit_entry add constraint full_up check (door <> 'psql') not valid"
        )
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute("select * from people")


def test_a_rollback_leaves_the_line_in_the_log(world: Any, logged_in: Any, recorded: Entries) -> None:
    """In a subtransaction too, whose rows get out by a notice. What the log gets, a session can ask to see."""
    notices: list[str] = []
    with logged_in("alpha") as connection:
        connection.add_notice_handler(lambda diagnostic: notices.append(str(diagnostic.message_primary)))
        connection.execute("set client_min_messages = log")
        statement = (
            "do $$ declare n text; begin select name into n from people where id = 1; raise exception '%', n;"
            " exception when others then raise notice 'got %', sqlerrm; end $$"
        )
        connection.execute(statement.encode())
        login = connection.info.user
    assert recorded() == []
    assert "got Ada" in notices
    sha = hashlib.sha256(statement.encode()).hexdigest()
    assert f"lakeward audit: {login} reads {{people}}, statement {sha}" in notices


async def test_the_app_is_not_recorded_by_it(database: Any, world: Any, recorded: Entries) -> None:
    reader = database.reader(world.alpha, Actor(principal="k", profile="alpha", source="api"))
    assert await reader.fetch_value("select count(*) from p_alpha.people") == 2
    assert await reader.fetch_value("select count(*) from vec.people_note_text") == 1
    assert await database.steward().fetch_value("select count(*) from lake.people") == 2
    assert recorded() == []


async def test_the_apps_plans_stay_as_they_are(database: Any, world: Any) -> None:
    """Parallel, by index, and with the reader's condition where it was: the policy's one constant says it all."""
    with world.deployed.connect("owner") as owner:
        owner.execute("insert into lake.people select g, 'n' || g, '' from generate_series(10, 20000) g")
        owner.execute("analyze lake.people")
    with world.deployed.connect("service") as service:
        service.execute(sql.SQL("set role {}").format(sql.Identifier(world.alpha)))
        service.execute(
            "set min_parallel_table_scan_size = 0; set parallel_setup_cost = 0; set parallel_tuple_cost = 0"
        )

        def plan(query: str) -> str:
            return "\n".join(line for (line,) in service.execute(f"explain (costs off) {query}".encode()))

        assert "Parallel" in plan("select count(*) from p_alpha.people where note = 'x'")
        by_key = plan("select * from p_alpha.people where id = 700")
        assert "Index Cond: (id = 700)" in by_key and "One-Time Filter" not in by_key
        filtered = plan("select * from p_alpha.people where name = 'n700'")
        assert re.search(r"Filter: \((\(InitPlan \d+\)\.col1|\$\d+) AND \(name = 'n700'::text\)\)", filtered)
