"""Reads what the parser made of a row filter into the checked tree, node by node."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from sqlglot import exp

from app.errors import InvalidInputError
from app.views.filter_literals import plan_literal, plan_pattern, require_ascii_case
from app.views.filter_nodes import find_literal, get_operand, read_boolean, require_args, unknown_node
from app.views.filter_types import (
    COMPARED,
    Node,
    list_nodes,
    make_call,
    make_chain,
    make_column,
    make_literal,
    make_not,
)

_COMPARISONS: dict[type[exp.Expr], str] = {
    exp.EQ: "eq",
    exp.NEQ: "ne",
    exp.LT: "lt",
    exp.LTE: "le",
    exp.GT: "gt",
    exp.GTE: "ge",
    exp.NullSafeEQ: "not_distinct",
    exp.NullSafeNEQ: "distinct",
}
_ORDERED = {"lt", "le", "gt", "ge", "between"}
_PATTERNS: dict[type[exp.Expr], str] = {exp.Like: "like", exp.ILike: "ilike"}
_TEXT_FUNCTIONS: dict[type[exp.Expr], str] = {
    exp.Lower: "lower",
    exp.Upper: "upper",
    exp.Trim: "trim",
    exp.Length: "length",
}


def read_condition(node: exp.Expr, columns: Mapping[str, str]) -> Node:
    """The tree of a filter that the parser has read; see `app.views.filter` for what it may hold.

    Raises:
        InvalidInputError: a node is of a class, or has a part, that is not named here.
    """
    return _Reader(columns).condition(node)


class _Reader:
    """Makes the tree from the parser's nodes; one of a class that is not named here is refused."""

    def __init__(self, columns: Mapping[str, str]) -> None:
        self._columns = columns

    def condition(self, node: exp.Expr) -> Node:
        """A node that is true, false or unknown for a row."""
        if isinstance(node, exp.And | exp.Or):
            chain = "and" if isinstance(node, exp.And) else "or"
            return make_chain(chain, [self.condition(term) for term in _terms(node, type(node))])
        match node:
            case exp.Paren():
                return self.condition(get_operand(node))
            case exp.Not():
                return make_not(self.condition(get_operand(node)))
            case exp.Boolean():
                return make_literal(read_boolean(node), "boolean")
            case exp.Is():
                return self._is(node)
            case exp.In():
                return self._in(node)
            case exp.Between():
                require_args(node, "this", "low", "high")
                return self._compare("between", [node.this, node.args["low"], node.args["high"]])
            case exp.Like() | exp.ILike():
                return self._like(node)
        if (op := _COMPARISONS.get(type(node))) is not None:
            require_args(node, "this", "expression")
            return self._compare(op, [node.this, node.args["expression"]])
        tree = self._typed(node)
        if tree["type"] != "boolean":
            raise InvalidInputError(
                f"{_name(tree)} is of type {tree['type']}, and a row filter is true or false; compare it with something"
            )
        return tree

    def _is(self, node: exp.Expr) -> Node:
        require_args(node, "this", "expression", "negate")
        right = node.args["expression"]
        if isinstance(right, exp.Null):
            tree = make_call("is_null", [self._typed(node.this)])
        elif isinstance(right, exp.Boolean):
            tree = make_call(f"is_{read_boolean(right)}", [self.condition(node.this)])
        else:
            raise unknown_node(right)
        return make_not(tree) if node.args.get("negate") else tree

    def _in(self, node: exp.Expr) -> Node:
        require_args(node, "this", "expressions")
        listed = node.args.get("expressions") or []
        if not listed:
            raise InvalidInputError("IN () is empty; write the values, or false for no row at all")
        if any(find_literal(item) is None for item in listed):
            raise InvalidInputError(
                "IN takes a list of literals; compare with another column by =, joined with OR"
            )
        return self._compare("in", [node.this, *listed])

    def _like(self, node: exp.Expr) -> Node:
        require_args(node, "this", "expression", "negate")
        left, pattern = self._typed(node.this), find_literal(node.args["expression"])
        if left["type"] != "text":
            raise InvalidInputError(f"LIKE and ILIKE are for text; {_name(left)} is of type {left['type']}")
        if pattern is None or pattern.written != "string":
            raise InvalidInputError("LIKE and ILIKE take a pattern in single quotes")
        op = _PATTERNS[type(node)]
        if op == "ilike":
            require_ascii_case(pattern.text, "ILIKE")
        right = make_literal(plan_pattern(pattern.text), "text")
        _require_folded([left, right])
        tree = make_call(op, [left, right])
        return make_not(tree) if node.args.get("negate") else tree

    def _compare(self, op: str, parts: list[exp.Expr]) -> Node:
        args = self._same_type(parts)
        if args[0]["type"] == "boolean" and op in _ORDERED:
            raise InvalidInputError(
                f"{_name(args[0])} is true or false and has no order; write it alone, or NOT"
            )
        return make_call(op, args)

    def _same_type(self, parts: list[exp.Expr]) -> list[Node]:
        """The parts as values of one type: that of the columns and functions among them."""
        args = [find_literal(part) or self._typed(part) for part in parts]
        known = [arg for arg in args if isinstance(arg, dict)]
        if not known:
            raise InvalidInputError("literals are compared with each other; a row filter compares a column")
        column_type = known[0]["type"]
        for node in known:
            if node["type"] != column_type:
                raise InvalidInputError(
                    f"{_name(known[0])} is of type {column_type} and {_name(node)} of type {node['type']}; "
                    "both sides must have one type"
                )
        if column_type not in COMPARED:
            raise InvalidInputError(
                f"{_name(known[0])} is of type {column_type}, which can only be asked for IS NULL"
            )
        nodes = [
            arg if isinstance(arg, dict) else make_literal(plan_literal(arg, column_type), column_type)
            for arg in args
        ]
        _require_folded(nodes)
        return nodes

    def _typed(self, node: exp.Expr) -> Node:
        """A column or a function of one; a literal has no type before it is compared."""
        match node:
            case exp.Paren():
                return self._typed(get_operand(node))
            case exp.Column():
                return self._column(node)
            case exp.Coalesce():
                require_args(node, "this", "expressions")
                args = self._same_type([node.this, *node.args.get("expressions", [])])
                if len(args) < 2:
                    raise InvalidInputError("coalesce takes two values or more")
                if any(part.get("op") == "coalesce" for arg in args for part in list_nodes(arg)):
                    # the analytic engine writes each argument twice, and so a deep one a billion times
                    raise InvalidInputError("coalesce stands within coalesce; write one with all the values")
                return make_call("coalesce", args, args[0]["type"])
            case exp.Lower() | exp.Upper() | exp.Trim() | exp.Length():
                return self._text_function(node)
            case exp.Boolean() | exp.Literal() | exp.Cast() | exp.Neg():
                raise InvalidInputError("a literal stands where a column or a function of one is needed")
        raise unknown_node(node)

    def _text_function(self, node: exp.Expr) -> Node:
        require_args(node, "this")
        op = _TEXT_FUNCTIONS[type(node)]
        argument = self._typed(node.this)
        if argument["type"] != "text":
            raise InvalidInputError(f"{op} is for text; {_name(argument)} is of type {argument['type']}")
        return make_call(op, [argument], "bigint" if op == "length" else "text")

    def _column(self, node: exp.Expr) -> Node:
        require_args(node, "this")
        identifier = node.this
        if not isinstance(identifier, exp.Identifier):
            raise unknown_node(node)
        written = str(identifier.this)
        name = written if identifier.args.get("quoted") else _fold(written)
        if name in self._columns:
            return make_column(name, self._columns[name])
        near = get_close_matches(written[:63], self._columns, n=1)
        quoted = f'; write it as "{written}"' if written in self._columns else ""
        hint = quoted or (f"; the nearest is {near[0]}" if near else "")
        raise InvalidInputError(
            f"the dataset has no column {name[:63]}{hint}. A row filter reads the dataset's own columns only"
        )


def _terms(node: exp.Expr, kind: type[exp.Expr]) -> Iterator[exp.Expr]:
    """The terms of a chain of AND, or of OR, from left to right; a chain may be long, so there is no recursion."""
    waiting = [node]
    while waiting:
        term = waiting.pop()
        if type(term) is kind:
            require_args(term, "this", "expression")
            waiting += [term.args["expression"], term.this]
        else:
            yield term


def _require_folded(args: list[Node]) -> None:
    """A text that is compared with lower or upper must not hang on the case of a letter they leave as it is."""
    nodes = [node for arg in args for node in list_nodes(arg)]
    folds = {node["op"] for node in nodes if node.get("op") in ("lower", "upper")}
    for node in nodes:
        if folds and "literal" in node:
            require_ascii_case(node["literal"], " and ".join(sorted(folds)))


def _fold(name: str) -> str:
    """A bare name as Postgres reads it."""
    return "".join(character.lower() if character.isascii() else character for character in name)


def _name(tree: Node) -> str:
    """What a message calls it."""
    if "literal" in tree:
        return "the literal"
    return str(tree["column"]) if "column" in tree else f"{tree['op']}(…)"
