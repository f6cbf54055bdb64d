"""The Postgres compiler of row filters: what it makes, and that it believes nothing that a tree says."""

import json
from collections.abc import Iterator

import psycopg
import pytest

from app.views.filter import plan_filter

COLUMNS = {"age": "bigint", "name": "text", "Odd \"Name'": "text", "born": "date", "active": "boolean"}


@pytest.fixture(scope="module")
def steward(clone) -> Iterator[psycopg.Connection]:
    with clone() as deployed, deployed.connect("steward") as connection:
        yield connection


def compile_tree(connection: psycopg.Connection, tree: object) -> str:
    row = connection.execute("select lakeward.filter_sql(%s::jsonb)", [json.dumps(tree)]).fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize(
    ("text", "sql"),
    [
        ("age >= 18", "(d.age >= '18'::bigint)"),
        ("name = 'it''s'", "(d.name = 'it''s'::text)"),
        ("name < 'b'", "((d.name collate \"C\") < 'b'::text)"),
        ("'b' < name", "(('b'::text collate \"C\") < d.name)"),
        ("name between 'a' and 'b'", "((d.name collate \"C\") between 'a'::text and 'b'::text)"),
        ("not active or age is null", "((not d.active) or (d.age is null))"),
        ("name in ('a', 'b')", "(d.name in ('a'::text, 'b'::text))"),
        ("name like 'a\\%'", "(d.name like E'a\\\\%'::text)"),
        ('"Odd ""Name\'" = \'\'', '(d."Odd ""Name\'" = \'\'::text)'),
        ("born is distinct from '2020-01-31'", "(d.born is distinct from '2020-01-31'::date)"),
        ("false", "'false'::boolean"),
    ],
)
def test_what_it_makes(steward, text, sql):
    assert compile_tree(steward, plan_filter(text, COLUMNS).tree) == sql


COLUMN = {"column": "age", "type": "bigint"}


@pytest.mark.parametrize(
    "tree",
    [
        None,
        [],
        "age",
        {},
        {"op": "eq"},
        {"op": "eq", "args": "x"},
        {"op": "eq", "args": [COLUMN]},
        {"op": "eq", "args": [COLUMN, COLUMN, COLUMN]},
        {"op": "and", "args": []},
        {"op": "pg_sleep", "args": [COLUMN]},
        {"op": "= 1); drop table x; --", "args": [COLUMN, COLUMN]},
        {"op": None, "args": [COLUMN, COLUMN]},
        {"column": "age", "type": "bigint); drop table x"},
        {"column": "age"},
        {"column": None, "type": "bigint"},
        {"literal": "1", "type": "regclass"},
        {"literal": "1"},
        {"literal": None, "type": "text"},
        {"literal": "1; drop table x", "type": "bigint"},
        {"literal": "today", "type": "date"},
        {"literal": "infinity", "type": "timestamp"},
        {"literal": "2020-01-01\n", "type": "date"},
        {"literal": "NaN", "type": "double precision"},
        {"literal": "{}", "type": "jsonb"},
    ],
)
def test_a_tree_that_is_none_is_refused(steward, tree):
    with pytest.raises((psycopg.errors.InvalidParameterValue, psycopg.errors.NullValueNotAllowed)):
        compile_tree(steward, tree)


def test_names_and_literals_are_quoted(steward):
    hostile = "'\"; drop table lakeward.dataset; --\\"
    tree = {"op": "eq", "args": [{"column": hostile, "type": "text"}, {"literal": hostile, "type": "text"}]}
    sql = compile_tree(steward, tree)
    quoted = steward.execute("select quote_ident(%s), quote_literal(%s)", [hostile, hostile]).fetchone()
    assert sql == f"(d.{quoted[0]} = {quoted[1]}::text)"


def test_depth_is_an_error_and_no_crash(steward):
    tree = '{"op": "not", "args": [' * 5_000 + json.dumps(COLUMN) + "]}" * 5_000
    with pytest.raises(psycopg.errors.StatementTooComplex):
        steward.execute("select lakeward.filter_sql(%s::jsonb)", [tree])
    assert steward.execute("select 1").fetchone() == (1,)
