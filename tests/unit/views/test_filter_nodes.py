"""What is asked of one of the parser's nodes."""

import pytest
import sqlglot

from app.errors import InvalidInputError
from app.views.filter_literals import Literal
from app.views.filter_nodes import find_literal, require_args, unknown_node


def parse(text: str) -> sqlglot.exp.Expr:
    return sqlglot.parse_one(text, read="postgres")


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        ("42", Literal("integer", "42")),
        ("-1.5", Literal("decimal", "-1.5")),
        ("1e5", Literal("decimal", "1e5")),
        ("'-1'", Literal("string", "-1")),
        ("(('x'))", Literal("string", "x")),
        ("true", Literal("boolean", "true")),
        ("date '2020-01-01'", Literal("date", "2020-01-01")),
        ("name", None),
        ("lower('x')", None),
    ],
)
def test_literals(text, literal):
    assert find_literal(parse(text)) == literal


def test_a_part_that_nobody_asked_for_is_refused():
    node = parse("a between symmetric 1 and 2")
    with pytest.raises(InvalidInputError, match="between"):
        require_args(node, "this", "low", "high")
    require_args(node, "this", "low", "high", "symmetric")


def test_an_unknown_node_is_named():
    assert "add is not available" in unknown_node(parse("1 + 1")).message
