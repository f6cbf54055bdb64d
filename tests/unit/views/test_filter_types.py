"""The tree's own shape."""

from app.views.filter_types import (
    list_nodes,
    make_call,
    make_chain,
    make_column,
    make_literal,
    make_not,
    measure_depth,
)


def test_nodes_are_listed_from_left_to_right():
    age, one = make_column("age", "bigint"), make_literal("1", "bigint")
    equal = make_call("eq", [age, one])
    both = make_call("and", [equal, make_column("active", "boolean")])
    assert list_nodes(both) == [both, equal, age, one, both["args"][1]]
    assert [measure_depth(node) for node in (age, equal, both)] == [1, 2, 3]


def test_what_means_the_same_is_one_tree():
    a, b, c = (make_column(name, "boolean") for name in "abc")
    assert make_chain("and", [make_chain("and", [a, b]), c]) == make_call("and", [a, b, c])
    assert make_chain("or", [make_chain("and", [a, b]), c])["args"][0] == make_call("and", [a, b])
    assert make_not(make_not(a)) == a
