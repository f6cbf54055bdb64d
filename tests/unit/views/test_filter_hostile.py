"""Hostile text as a filter, a column's name, a literal and a pattern: refused or harmless in both engines.

The lines of tests/data/hostile (SQL injections, naughty strings) are tried in every place that takes text. Harmless is:
it compiles, it runs, it finds exactly the row that holds the text, and nothing else has happened.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from datafusion import SessionContext
from psycopg import sql

from app.errors import InvalidInputError
from app.views.datafusion import filter_expression, redaction_expression
from app.views.filter import plan_filter

HOSTILE = Path(__file__).parents[2] / "data" / "hostile"
LINES = sorted(
    {
        *json.loads((HOSTILE / "blns.json").read_text()),
        *(
            line
            for path in (HOSTILE / "sqli").iterdir()
            for line in path.read_text(errors="surrogateescape").splitlines()
        ),
    }
)
COLUMNS = {"id": "bigint", "name": "text", "username": "text", "password": "text", "x": "text", "a": "text"}


def is_unicode(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


#: What a text of Postgres can hold.
TEXTS = [line for line in LINES if is_unicode(line)]


@pytest.fixture(scope="module")
def connection(clone) -> Iterator[psycopg.Connection[Any]]:
    with clone() as deployed, deployed.connect("owner") as connection:
        connection.execute("create table lake.hostile (id bigint, name text)")
        connection.cursor().executemany("insert into lake.hostile values (%s, %s)", list(enumerate(TEXTS)))
        before = count_everything(connection)
        yield connection
        assert count_everything(connection) == before


@pytest.fixture(scope="module")
def context() -> SessionContext:
    context = SessionContext()
    table = pa.table({"id": range(len(TEXTS)), "name": TEXTS})
    context.register_record_batches("hostile", [table.to_batches()])
    return context


def count_everything(connection: psycopg.Connection[Any]) -> Any:
    """What an injection would have changed."""
    return connection.execute(
        "select (select count(*) from pg_class), (select count(*) from pg_proc), (select count(*) from pg_roles), "
        "(select count(*) from lake.hostile), (select count(*) from lakeward.dataset)"
    ).fetchall()


def in_postgres(
    connection: psycopg.Connection[Any], tree: dict[str, Any], source: str = "lake.hostile"
) -> list[int]:
    (compiled,) = connection.execute("select lakeward.filter_sql(%s::jsonb)", [json.dumps(tree)]).fetchone()
    statement = f"select d.id from {source} d where {compiled} order by d.id"
    # prepared: a second statement would be an error, not an effect
    return [n for (n,) in connection.execute(statement.encode(), prepare=True).fetchall()]


def in_datafusion(context: SessionContext, tree: dict[str, Any]) -> list[int]:
    batches = context.sql(f"select id from hostile where {filter_expression(tree)}").collect()
    return sorted(n for batch in batches for n in batch.column("id").to_pylist())


def quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def test_there_are_as_many_lines_as_there_should_be():
    assert len(LINES) > 1_000
    assert len(TEXTS) > 0.99 * len(LINES)


def test_as_a_filter(connection, context):
    """Refused with a message, or read as a filter that both engines agree on."""
    accepted = []
    for line in LINES:
        try:
            found = plan_filter(line, COLUMNS)
        except InvalidInputError as refused:
            assert 10 < len(refused.message) < 400
            continue
        accepted.append(line)
        if set(found.columns) <= {"id", "name"}:
            assert in_postgres(connection, found.tree) == in_datafusion(context, found.tree)
    assert {line.lower() for line in accepted} == {"true", "false"}


def test_around_a_filter(connection, context):
    """Glued to a filter that hides every row, as a value that was not quoted would be."""
    for line in TEXTS:
        for text in (f"false {line}", f"name = '{line}", f"name = '{line}'", f"false and name = {line}"):
            try:
                tree = plan_filter(text, {"id": "bigint", "name": "text"}).tree
            except InvalidInputError:
                continue
            found = in_postgres(connection, tree)
            assert found == in_datafusion(context, tree)
            # the row it finds, if any, is one that the filter spells out
            assert all(quote(TEXTS[n]) in text for n in found)


def test_as_a_literal(connection, context):
    for n, line in enumerate(TEXTS):
        tree = plan_filter(f"name = {quote(line)}", COLUMNS).tree
        assert in_postgres(connection, tree) == in_datafusion(context, tree) == [n]


def test_as_a_pattern(connection, context):
    for n, line in enumerate(TEXTS):
        escaped = line.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        tree = plan_filter(f"name like {quote(escaped)}", COLUMNS).tree
        assert in_postgres(connection, tree) == in_datafusion(context, tree) == [n]


def test_as_a_name(connection):
    """A column may be called anything that Postgres takes for a name; nothing of it is read as SQL."""
    tried = 0
    for line in TEXTS:
        if not 0 < len(line.encode()) < 64:
            continue
        tried += 1
        tree = plan_filter('"' + line.replace('"', '""') + "\" = 'x'", {line: "text"}).tree
        source = (
            sql.SQL("(values (7::bigint, 'x')) as d0 (id, {})").format(sql.Identifier(line)).as_string(None)
        )
        if line != "id":
            assert in_postgres(connection, tree, f"(select * from {source})") == [7]
        context = SessionContext()
        context.register_record_batches("hostile", [pa.table({"id": [7], line: ["x"]}).to_batches()])
        assert in_datafusion(context, tree) == [7]
        shown = redaction_expression(line, "text", "mask", 0, 0)
        assert context.sql(f"select {shown} as m from hostile").to_pydict() == {"m": ["*"]}
    assert tried > 800
