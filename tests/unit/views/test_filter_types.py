"""The tree's own shape."""

from app.views.filter_types import list_nodes, make_call, make_column, make_literal


def test_nodes_are_listed_from_left_to_right():
    age, one = make_column("age", "bigint"), make_literal("1", "bigint")
    equal = make_call("eq", [age, one])
    both = make_call("and", [equal, make_column("active", "boolean")])
    assert list_nodes(both) == [both, equal, age, one, both["args"][1]]
