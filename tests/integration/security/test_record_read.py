"""What a person reads in psql is on record, or is not read; the app's own reads are recorded by the app."""

import hashlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from app.db.install import install
from app.db.lint import run_lints
from app.db.scope import Actor
from app.vectors.near import Ground, near_exact, near_hnsw
from app.vectors.statements import IndexNames, search_statement

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


def entry(statement: str) -> tuple[Any, ...]:
    return ("psql", "select", ["people"], "alpha", hashlib.sha256(statement.encode()).hexdigest())


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
    assert recorded() == [entry(statement)]


@pytest.mark.parametrize(
    ("statement", "shown"),
    [
        ("select content from vec.people_note_text", "first"),
        ("select embedding::text from vec.people_note", "[1,0,0]"),
        ("select t.content from vec.people_note c join vec.people_note_text t using (chunk_id)", "first"),
        ("select content from vec.people_note_text, people where id = 1", "first"),
    ],
)
def test_an_indexs_texts_and_vectors_are_too(
    logged_in: Any, recorded: Entries, statement: str, shown: str
) -> None:
    with logged_in("alpha") as connection:
        assert connection.execute(statement.encode()).fetchall() == [(shown,)]
    assert recorded() == [entry(statement)]


def test_each_statement_has_its_own_entry(logged_in: Any, recorded: Entries) -> None:
    """In one transaction, too; and what was taken back stands for nothing."""
    statement = "select embedding::text from vec.people_note"
    caught = (
        "do $$ begin begin perform * from people; raise division_by_zero; exception when division_by_zero then end;"
        " perform * from people; end $$"
    )
    with logged_in("alpha") as connection:
        connection.execute("begin")
        connection.execute(statement.encode())
        connection.execute(statement.encode())
        connection.execute("commit")
        connection.execute(statement.encode())
        connection.execute(caught.encode())
    assert recorded() == [entry(statement)] * 3 + [entry(caught)]


def test_an_entry_that_somebody_made_up_stands_for_none(logged_in: Any, recorded: Entries) -> None:
    """What the caller says of its statement is on record beside what it reads."""
    statement = (
        "do $$ begin perform lakeward.append_audit('psql', 'select', array['people'],"
        " encode(sha256(convert_to(current_query(), 'UTF8')), 'hex'), 0, null, null, 'ok');"
        " perform * from people; end $$"
    )
    with logged_in("alpha") as connection:
        connection.execute(statement.encode())
    assert recorded() == [entry(statement)] * 2


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


@pytest.mark.parametrize("table", ["people", "vec.people_note", "vec.people_note_text"])
@pytest.mark.parametrize(("settings", "error"), FAILS)
def test_what_cannot_be_recorded_is_not_read(
    logged_in: Any, settings: str, error: type[Exception], table: str
) -> None:
    with logged_in("alpha") as connection:
        connection.execute("begin")
        connection.execute(settings.encode())
        with pytest.raises(error):
            connection.execute(f"select count(*) from {table}".encode()).fetchall()


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
    assert await reader.fetch_value("select count(*) from vec.people_note") == 1
    assert await database.steward().fetch_value("select count(*) from vec.people_note") == 1
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


def test_nothing_stands_between_a_search_of_the_app_and_hnsw(world: Any) -> None:
    """Of the policies on vectors and texts nothing is left in its plan."""
    with world.deployed.connect("owner") as owner:
        owner.execute(
            "insert into vec.people_note overriding system value"
            " select g, 1, g, format('[%s,1,0]', g)::ext.halfvec from generate_series(2, 2000) g"
        )
        owner.execute(
            "create index people_note_v7 on vec.people_note using hnsw (embedding ext.halfvec_cosine_ops)"
            " where chunk_id <> -7"
        )
        owner.execute("analyze vec.people_note")
    ground = Ground("ext", "people_note", "vec.hits_1_1")
    parameters = {"vector": "[1,2,0]", "sha256": "", "record_from": 10}

    def plan(session: psycopg.Connection[Any], near: bytes) -> str:
        statement = search_statement(
            IndexNames(1, "people_note", "people_note", "people"), "vec.hits_1_1", near, 0
        )
        explain = b"explain (costs off) " + statement.replace(b"%(vector)s", b"%(vector)s::ext.halfvec")
        return "\n".join(line for (line,) in session.execute(explain, parameters))

    with world.deployed.connect("service") as service:
        service.execute(sql.SQL("set role {}").format(sql.Identifier(world.alpha)))
        by_graph = plan(service, near_hnsw(ground, 7, 10))
        assert re.search(
            r"Limit\n +->  Index Scan using people_note_v7 on people_note c\n +Order By: [^\n]+\n +(?!Filter)",
            by_graph,
        ), by_graph
        for path in ("people_note_text_pkey on people_note_text t", "people_note_pkey on people_note c_1"):
            assert re.search(rf"Index Scan using {path}\n +Index Cond: [^\n]+\n(?! +Filter)", by_graph), (
                by_graph
            )
        exact = plan(service, near_exact(ground, 10))
        assert re.search(r"->  Seq Scan on people_note c\n(?! +Filter)", exact), exact


def test_a_login_that_sorts_by_distance_goes_by_the_graph(
    world: Any, logged_in: Any, recorded: Entries
) -> None:
    with world.deployed.connect("owner") as owner:
        owner.execute("create index on vec.people_note using hnsw (embedding ext.halfvec_cosine_ops)")
    statement = "select chunk_id from vec.people_note order by embedding operator(ext.<=>) '[1,0,0]' limit 1"
    with logged_in("alpha") as connection:
        connection.execute("set enable_seqscan = off; set enable_sort = off")
        lines = connection.execute(f"explain {statement}".encode()).fetchall()
        assert any("Index Scan using people_note_embedding_idx" in line for (line,) in lines), lines
        assert recorded() == []
        assert connection.execute(statement.encode()).fetchall() == [(1,)]
    assert recorded() == [entry(statement)]


async def test_indexes_from_before_get_it_when_sql_is_installed(
    database: Any, world: Any, logged_in: Any, recorded: Entries
) -> None:
    """And until then the governance check says so."""
    with world.deployed.connect("owner") as owner:
        owner.execute("drop policy readers on vec.people_note")
        owner.execute("alter table vec.people_note disable row level security")
        owner.execute("update lakeward.deployment set views_made_by = 'another version'")
        async with database.owner().begin() as transaction:
            found = await run_lints(transaction)
        assert {(finding.rule, finding.object) for finding in found} == {
            ("0030_read_unrecorded", "vec.people_note")
        }
        install(owner)
        async with database.owner().begin() as transaction:
            assert await run_lints(transaction) == []
    statement = "select embedding from vec.people_note"
    with logged_in("alpha") as connection:
        connection.execute(statement.encode())
    assert recorded() == [entry(statement)]
