"""What a row filter is, and what it is not, from its text to its tree."""

import json
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import psycopg
import pyarrow as pa
import pytest
from datafusion import SessionContext

from app.errors import InvalidInputError
from app.views.datafusion import filter_expression
from app.views.filter import plan_filter
from app.views.filter_types import Filter


def test_a_filter_is_a_plain_frozen_value(columns):
    found = plan_filter(" age >= 18 and NAME <> 'x'  ", columns)
    assert found == Filter(
        text="age >= 18 and NAME <> 'x'",
        tree={
            "op": "and",
            "type": "boolean",
            "args": [
                {
                    "op": "ge",
                    "type": "boolean",
                    "args": [{"column": "age", "type": "bigint"}, {"literal": "18", "type": "bigint"}],
                },
                {
                    "op": "ne",
                    "type": "boolean",
                    "args": [{"column": "name", "type": "text"}, {"literal": "x", "type": "text"}],
                },
            ],
        },
        columns=("age", "name"),
    )
    assert json.loads(json.dumps(found.tree)) == found.tree
    with pytest.raises(AttributeError):
        found.text = "true"  # type: ignore[misc]
    assert msgspec.json.decode(msgspec.json.encode(found), type=Filter) == found


@pytest.mark.parametrize(
    "text",
    [
        "age in (select age from people)",
        "exists (select 1)",
        "pg_sleep(10) is null",
        "set_config('role', 'x', true) = 'x'",
        "people.age = 1",
        "pg_catalog.lower(name) = 'x'",
        "nobody = 1",
        "age = 'x'",
        "age = 1 -- all",
        "age = 1 /* all */",
        "age = 1; drop table people",
        "age = 1;",
        "age::text = '1'",
        "cast(age as text) = '1'",
        "age = $1",
        "age = :one",
        "age = ?",
        "*",
        "count(*) over () = 1",
        "case when active then true end",
        "age + 1 = 2",
        "age",
        "name",
        "null",
        "1 = 1",
        "",
        "   ",
        "-- nothing",
        "'",
        '"',
        "(",
        ")",
        "age =",
        "active active",
        "active as x",
        "active, active",
        "(active, active)",
        "active limit 1",
        "row(1) = row(1)",
    ],
)
def test_what_is_no_filter_is_refused_with_a_reason(columns, text):
    with pytest.raises(InvalidInputError) as refused:
        plan_filter(text, columns)
    assert 10 < len(refused.value.message) < 400


@pytest.mark.parametrize(
    "text",
    [
        "x" * 1_000_000,
        "name = '" + "x" * 1_000_000 + "'",
        "(" * 10_000 + "active" + ")" * 10_000,
        "(" * 4_900 + "active" + ")" * 4_900,
        "(" * 9_000,
        "not " * 2_400 + "active",
        "age = " + "- " * 4_900 + "1",
        "lower(" * 1_000 + "name" + ")" * 1_000 + " = 'x'",
        "coalesce(" * 900 + "name" + ",'x')" * 900 + " = 'x'",
        "not (" * 1_900 + "active" + ")" * 1_900,
        "age in (" * 1_200,
        "case when " * 990,
        "active and " * 900 + "active",
        "active or not " * 700 + "active",
        "age in (" + ",".join(["1"] * 4_900) + ")",
        "date " * 1_900,
        "array" * 1_900,
        "[" * 9_999,
        "{" * 9_999,
        "interval " * 1_000,
        "is not " * 1_400,
        "between " * 1_200,
        "like " * 1_900,
        "age = 1e" + "9" * 5_000,
        "age = " + "9" * 9_000,
        "price = 1e999999999",
    ],
    ids=lambda text: text[:12],
)
def test_what_is_too_large_is_refused_at_once(columns, text):
    began = time.process_time()
    with pytest.raises(InvalidInputError):
        plan_filter(text, columns)
    assert time.process_time() - began < 5  # a bound for what would take minutes; it takes milliseconds


#: As deep and as wide as the limits let it be; both engines must take what is taken here.
LARGEST = [
    "(" * 30 + "active" + ")" * 30,
    "not " * 30 + "active",
    "not (" * 15 + "active" + ")" * 15,
    "active or not (" * 6 + "active or not (age > 1)" + ")" * 6,
    "active and (" * 30 + "active" + ")" * 30,
    "active or active and (" * 6 + "active or lower(name) = upper(name)" + ")" * 6,
    "lower(" * 14 + "name" + ")" * 14 + " = 'x'",
    "length(" + "trim(" * 13 + "name" + ")" * 14 + " > 1",
    "active or not (active and (" * 3
    + "active or length(trim(lower(coalesce(name, 'x')))) in (1, 2)"
    + "))" * 3,
    "active or not (" * 6 + "active or score in (1, 2.5)" + ")" * 6,
    "age in (" + ", ".join(str(n) for n in range(498)) + ")",
    " and ".join(["active"] * 499),
    " or ".join(f"name like '%{n}'" for n in range(166)),
    " or ".join(f"(active and score < {n})" for n in range(99)),
]


@pytest.mark.parametrize("text", LARGEST, ids=range(len(LARGEST)))
def test_what_is_as_large_as_may_be_is_taken_by_both(columns, text, connection):
    tree = plan_filter(text, columns).tree
    (compiled,) = connection.execute("select lakeward.filter_sql(%s::jsonb)", [json.dumps(tree)]).fetchone()
    row = "(values (true, 1::bigint, 2.5::double precision, 'x')) d (active, age, score, name)"
    shown = connection.execute(f"select {compiled} from {row}".encode()).fetchone()
    context = SessionContext()
    table = pa.table({"active": [True], "age": [1], "score": [2.5], "name": ["x"]})
    context.register_record_batches("t", [table.to_batches()])
    outer = f"select x from (select {filter_expression(tree)} as x from (select * from t) as base) as v"
    assert (context.sql(outer).collect()[0].column(0).to_pylist()[0],) == shown


@pytest.mark.parametrize(
    "text",
    [
        "active or active and (" * 8 + "age > 1" + ")" * 8,
        "lower(" * 15 + "name" + ")" * 15 + " = 'x'",
        " and ".join(["active"] * 500),
        "age in (" + ", ".join(str(n) for n in range(499)) + ")",
        "coalesce(name, coalesce(name, 'x')) = 'x'",
        "coalesce(lower(coalesce(name, 'x')), 'x') = 'x'",
    ],
)
def test_what_is_larger_is_refused(columns, text):
    with pytest.raises(InvalidInputError, match=r"at most|coalesce"):
        plan_filter(text, columns)


@pytest.fixture(scope="module")
def connection(clone) -> Iterator[psycopg.Connection[Any]]:
    with clone() as deployed, deployed.connect("steward") as connection:
        yield connection
