"""A row filter as a value, and the tree that both compilers read.

A node of the tree is one of

    {"column": name, "type": type}
    {"literal": text, "type": type}        the text is spelled as `filter_literals` spells that type
    {"op": name, "type": type, "args": [node, …]}

and holds nothing but strings, so that it is kept as JSON as it is.
"""

from typing import Any, TypeAlias

import msgspec

Node: TypeAlias = dict[str, Any]

MAX_CHARACTERS = 10_000
#: The parser takes up to 24 Python frames for a level, of the 1,000 that there are.
MAX_DEPTH = 30
MAX_NODES = 500
#: Levels of the tree itself; the analytic engine reads SQL with 50 levels, and takes up to two for each of these.
MAX_TREE_DEPTH = 16

#: Types whose values can be compared, with the words a message uses for them; for the others there is IS NULL.
COMPARED = {
    "boolean": "true or false",
    "bigint": "a whole number such as 42",
    "double precision": "a number such as 1.5",
    "numeric": "a number such as 1.5",
    "date": "a date such as '2020-01-31'",
    "time": "a time such as '23:59:00'",
    "timestamp": "a timestamp such as '2020-01-31 23:59:00'",
    "timestamptz": "a timestamp such as '2020-01-31 23:59:00+00'",
    "text": "text in single quotes",
}
#: What each function takes and gives.
FUNCTIONS = {"lower": "text", "upper": "text", "trim": "text", "length": "bigint", "coalesce": ""}


class Filter(msgspec.Struct, frozen=True):
    """A row filter that was checked: its text, its tree, and the columns it reads."""

    text: str
    tree: Node
    columns: tuple[str, ...]


def make_column(name: str, column_type: str) -> Node:
    """A node that is the row's value in a column."""
    return {"column": name, "type": column_type}


def make_literal(text: str, column_type: str) -> Node:
    """A node that is a constant."""
    return {"literal": text, "type": column_type}


def make_call(op: str, args: list[Node], column_type: str = "boolean") -> Node:
    """A node that computes something of other nodes."""
    return {"op": op, "type": column_type, "args": args}


def make_chain(op: str, terms: list[Node]) -> Node:
    """`and` or `or` of the terms; those that are such a chain themselves are taken into it."""
    args = [arg for term in terms for arg in (term["args"] if term.get("op") == op else [term])]
    return make_call(op, args)


def make_not(condition: Node) -> Node:
    """The opposite of a condition; of an opposite, what it is the opposite of."""
    if condition.get("op") == "not":
        inner: Node = condition["args"][0]
        return inner
    return make_call("not", [condition])


def measure_depth(tree: Node) -> int:
    """Levels of the tree; a column alone has one."""
    depth, level = 0, [tree]
    while level:
        depth, level = depth + 1, [arg for node in level for arg in node.get("args", [])]
    return depth


def list_nodes(tree: Node) -> list[Node]:
    """The tree's nodes, each before its arguments, from left to right."""
    found, waiting = [], [tree]
    while waiting:
        node = waiting.pop()
        found.append(node)
        waiting.extend(reversed(node.get("args", [])))
    return found
