"""Metadata filters: what they become, and what is refused with a way out."""

from typing import Any

import pytest

from app.errors import InvalidInputError
from app.vectors.filter import Field, plan_filter

FIELDS = [
    Field("topic", "text", "f1"),
    Field("year", "bigint", "f2"),
    Field("price", "numeric", "f3"),
    Field("at", "timestamptz", "f4"),
    Field("tags", "text[]", "f5"),
    Field("more", "jsonb", "f6"),
    Field("open", "boolean", "f7"),
]


@pytest.mark.parametrize(
    ("wanted", "shape"),
    [
        ({"topic": "x"}, "(h.f1 = %(f0)s::text)"),
        ({"topic": None}, "(h.f1 is null)"),
        ({"topic": {"$ne": None}}, "(h.f1 is not null)"),
        ({"year": {"$gte": 1, "$lt": 3}}, "((h.f2 >= %(f0)s::bigint) and (h.f2 < %(f1)s::bigint))"),
        ({"topic": {"$gt": "a"}}, '((h.f1 collate "C") > %(f0)s::text)'),
        ({"year": {"$in": [1, 2]}}, "(h.f2 = any(%(f0)s::bigint[]))"),
        ({"topic": {"$prefix": "a%"}}, "(h.f1 operator(pg_catalog.^@) %(f0)s::text)"),
        ({"tags": {"$contains": "a"}}, "(%(f0)s::text = any(h.f5))"),
        ({"$or": [{"year": 1}, {"open": True}]}, "((h.f2 = %(f0)s::bigint) or (h.f7 = %(f1)s::boolean))"),
        ({"$not": {"year": 1}}, "(not (h.f2 = %(f0)s::bigint))"),
    ],
)
def test_what_a_filter_becomes(wanted: dict[str, Any], shape: str) -> None:
    plan = plan_filter(wanted, FIELDS)
    assert plan is not None
    assert plan.shape == shape


def test_nothing_wanted_is_no_filter() -> None:
    assert plan_filter(None, FIELDS) is None
    assert plan_filter({}, FIELDS) is None


@pytest.mark.parametrize(
    ("wanted", "named"),
    [
        ({"salary": 1}, "no field 'salary'; there are at, more"),
        ({"$where": "1"}, "unknown '$where'"),
        ({"topic": 1}, "'topic' is text and needs a text, not 1"),
        ({"year": "1"}, "needs a whole number"),
        ({"year": True}, "needs a whole number"),
        ({"year": 2**63}, "64 bits"),
        ({"year": 1.5}, "needs a whole number"),
        ({"price": "many"}, "needs a number"),
        ({"price": "NaN"}, "needs a number"),
        ({"at": "2026-01-01T00:00:00"}, "with an offset"),
        ({"at": "tomorrow"}, "a time such as"),
        ({"open": 1}, "true or false"),
        ({"more": {"a": 1}}, "'a' is not for 'more'"),
        ({"more": "x"}, "which cannot be compared"),
        ({"open": {"$lt": True}}, "no order"),
        ({"year": {"$in": []}}, "1 to 1000 values"),
        ({"year": {"$in": 1}}, "1 to 1000 values"),
        ({"year": {}}, "asks for nothing"),
        ({"year": {"$prefix": "1"}}, "'$prefix' is not for 'year'"),
        ({"$and": {}}, "needs a list"),
        ({"$and": [1]}, "must be an object"),
        ({"topic": "a\0b"}, "NUL"),
        ({"topic": "\ud800"}, "not Unicode"),
        ({"$or": [{"year": n} for n in range(101)]}, "more than 100 conditions"),
    ],
)
def test_bad_filters_name_the_thing(wanted: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        plan_filter(wanted, FIELDS)
    assert named in caught.value.message


def test_deep_filters_are_refused() -> None:
    wanted: dict[str, Any] = {"year": 1}
    for _ in range(30):
        wanted = {"$not": wanted}
    with pytest.raises(InvalidInputError, match="deeper"):
        plan_filter(wanted, FIELDS)


def test_the_shape_holds_nothing_of_the_request() -> None:
    plan = plan_filter({"topic": {"$in": ["'; drop table x; --", "%s"]}}, FIELDS)
    assert plan is not None
    assert "drop" not in plan.shape
    assert plan.parameters == {"f0": ["'; drop table x; --", "%s"]}


SAMPLES: dict[str, Any] = {
    "text": "a",
    "bigint": 1,
    "numeric": "1.5",
    "timestamptz": "2026-01-31T12:00:00Z",
    "text[]": "a",
    "jsonb": "a",
    "boolean": True,
}
OPERATORS = ["$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$prefix", "$contains"]


@pytest.mark.parametrize("field", FIELDS, ids=[field.type for field in FIELDS])
def test_a_refused_operator_is_answered_with_those_that_the_type_takes(field: Field) -> None:
    value = SAMPLES[field.type]
    with pytest.raises(InvalidInputError) as caught:
        plan_filter({field.name: {"$near": value}}, FIELDS)
    offered = caught.value.message.partition("there are ")[2].split(", ")
    for operator in OPERATORS:
        wanted = {field.name: {operator: [value] if operator == "$in" else value}}
        if operator in offered:
            assert plan_filter(wanted, FIELDS) is not None
            continue
        with pytest.raises(InvalidInputError):
            plan_filter(wanted, FIELDS)
        if f"{operator} null" in offered:
            assert plan_filter({field.name: {operator: None}}, FIELDS) is not None


def test_the_operator_that_was_refused_is_not_offered() -> None:
    for name, operator in (("topic", "$contains"), ("year", "$prefix"), ("tags", "$prefix")):
        with pytest.raises(InvalidInputError) as caught:
            plan_filter({name: {operator: "a"}}, FIELDS)
        assert operator not in caught.value.message.partition("there are ")[2]
    with pytest.raises(InvalidInputError, match=r"use one of \$contains, \$eq null, \$ne null$"):
        plan_filter({"tags": {}}, FIELDS)
