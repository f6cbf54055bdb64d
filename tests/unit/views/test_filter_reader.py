"""The tree that a filter becomes, operator by operator, and what each of them refuses."""

from typing import Any

import pytest

from app.errors import InvalidInputError
from app.views.filter import plan_filter


def show(node: dict[str, Any]) -> str:
    """A tree as one line, to compare it with."""
    if "column" in node:
        return str(node["column"])
    if "literal" in node:
        return f"'{node['literal']}'"
    return f"{node['op']}({', '.join(show(arg) for arg in node['args'])})"


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("active", "active"),
        ("true", "'true'"),
        ("not not active", "active"),
        ("not (age not in (1))", "in(age, '1')"),
        ("not active and active or active", "or(and(not(active), active), active)"),
        ("active or active and not active", "or(active, and(active, not(active)))"),
        ("active and (active and active)", "and(active, active, active)"),
        ("not age = 1", "not(eq(age, '1'))"),
        ("not age in (1) and active", "and(not(in(age, '1')), active)"),
        ("1 < age", "lt('1', age)"),
        ("age = -1", "eq(age, '-1')"),
        ("age <> 1 and age != 2", "and(ne(age, '1'), ne(age, '2'))"),
        ("age between 1 and 2 and active", "and(between(age, '1', '2'), active)"),
        ("age not between -1 and 2", "not(between(age, '-1', '2'))"),
        ("age is distinct from 1 or age is not distinct from 2", "or(distinct(age, '1'), not_distinct(age, '2'))"),
        ("name is null and name is not null", "and(is_null(name), not(is_null(name)))"),
        ("extra is null or tags is null or photo is null", "or(is_null(extra), is_null(tags), is_null(photo))"),
        ("active is true or active is not false", "or(is_true(active), not(is_false(active)))"),
        ("name = 'a' is true", "is_true(eq(name, 'a'))"),
        ("name like 'a%' and name not ilike 'b_'", "and(like(name, 'a%'), not(ilike(name, 'b_')))"),
        ("not name like 'a'", "not(like(name, 'a'))"),
        ("lower(trim(name)) = upper(city)", "eq(lower(trim(name)), upper(city))"),
        ("length(name) in (1, 2)", "in(length(name), '1', '2')"),
        ("coalesce(name, city, 'x') < 'é'", "lt(coalesce(name, city, 'x'), 'é')"),
        ("coalesce(active, false)", "coalesce(active, 'false')"),
        ("NAME = \"Full Name\" and É = Type", "and(eq(name, Full Name), eq(É, type))"),
        ("date > date '2020-01-01'", "gt(date, '2020-01-01')"),
        ("ts < date '2020-01-01'", "lt(ts, '2020-01-01 00:00:00.000000')"),
        ("at < timestamptz '2020-01-01 00:00+01'", "lt(at, '2019-12-31 23:00:00.000000+00')"),
        ("((age)) = ((1))", "eq(age, '1')"),
        ("\"case\" = 'x'", "eq(case, 'x')"),
        ("score >= 1 and price < 1", "and(ge(score, '1.0'), lt(price, '1'))"),
    ],
)  # fmt: skip
def test_tree(columns, text, tree):
    assert show(plan_filter(text, columns).tree) == tree


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nam = 'x'", "nearest is name"),
        ("full_name = 'x'", "no column full_name"),
        ("\"Name\" = 'x'", "no column Name"),
        ("é = 'x'", "no column é"),
        ("age = name", "one type"),
        ("age = price", "one type"),
        ("born < ts", "one type"),
        ("tags = tags", "IS NULL"),
        ("extra = '{}'", "IS NULL"),
        ("coalesce(extra, extra) is null", "IS NULL"),
        ("coalesce(name) = 'x'", "two values"),
        ("coalesce('x', 'y') = name", "literals"),
        ("active < true", "no order"),
        ("active between false and true", "no order"),
        ("name = null", "IS NULL"),
        ("name in ('a', null)", "IS NULL"),
        ("name in ()", "empty"),
        ("name in (city)", "literals"),
        ("name in 'a'", "row filter"),
        ("'a' in ('a')", "literals"),
        ("coalesce(name, lower(coalesce(city, 'x'))) = 'x'", "within coalesce"),
        ("age like 'x'", "LIKE"),
        ("name like city", "pattern"),
        ("name like 1", "pattern"),
        ("name ilike 'é%'", "ASCII"),
        ("lower(name) = 'é'", "ASCII"),
        ("upper(name) in ('a', 'É')", "ASCII"),
        ("lower(name) like 'é%'", "ASCII"),
        ("coalesce(lower(name), 'É') = city", "ASCII"),
        ("lower(age) = 'x'", "for text"),
        ("length('abc') = 3", "literal"),
        ("trim(both 'x' from name) = 'x'", "row filter"),
        ("trim(name, 'x') = 'x'", "row filter"),
        ("lower(name, city) = 'x'", "row filter"),
        ("age = 1 = active", "row filter"),
        ("(age, name) = (1, 'x')", "row filter"),
        ("age = - -1", "minus"),
        ("age = -name", "minus"),
        ("name = -'x'", "minus"),
        ("age is 1", "row filter"),
        ("int '5' = age", "casts"),
        ("born = date name", "row filter"),
        ("length(name)", "true or false"),
        ("lower(distinct name) = 'x'", "row filter"),
        ("name between 'a' and 1", "does not fit"),
        ("born > '2020-13-01'", "does not fit"),
    ],
)  # fmt: skip
def test_refusal(columns, text, says):
    with pytest.raises(InvalidInputError, match=says):
        plan_filter(text, columns)
