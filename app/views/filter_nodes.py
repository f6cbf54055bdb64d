"""What is asked of one of the parser's nodes: its parts, and whether it is a literal."""

from sqlglot import exp

from app.errors import InvalidInputError
from app.views.filter_literals import Literal

_TYPED_LITERALS = {
    exp.DType.DATE: "date",
    exp.DType.TIME: "time",
    exp.DType.TIMESTAMP: "timestamp",
    exp.DType.TIMESTAMPTZ: "timestamptz",
}
_TYPED_WORDS = ", ".join(_TYPED_LITERALS.values())


def get_operand(node: exp.Expr) -> exp.Expr:
    """What a node with one part holds."""
    require_args(node, "this")
    operand: exp.Expr = node.this
    return operand


def require_args(node: exp.Expr, *known: str) -> None:
    """Refuse a part that the grammar does not have: SYMMETRIC, a table's name, a second argument."""
    for name, value in node.args.items():
        if value and name not in known:
            raise unknown_node(node)


def read_boolean(node: exp.Expr) -> str:
    """How the tree spells a truth value."""
    return "true" if node.this else "false"


def find_literal(node: exp.Expr) -> Literal | None:
    """The literal that `node` is, or None."""
    sign = ""
    while isinstance(node, exp.Paren):
        node = get_operand(node)
    if isinstance(node, exp.Neg):
        sign, node = "-", get_operand(node)
        if not isinstance(node, exp.Literal) or node.is_string:
            raise InvalidInputError("a minus sign stands before a number only")
    match node:
        case exp.Boolean():
            return Literal("boolean", read_boolean(node))
        case exp.Null():
            raise InvalidInputError("nothing is equal to NULL; write IS NULL or IS NOT NULL")
        case exp.Literal() if node.is_string:
            return Literal("string", str(node.this))
        case exp.Literal():
            text = str(node.this)
            return Literal("integer" if text.isdecimal() else "decimal", sign + text)
        case exp.Cast():
            return _typed_literal(node)
    return None


def _typed_literal(node: exp.Expr) -> Literal:
    require_args(node, "this", "to")
    written = _TYPED_LITERALS.get(node.args["to"].this)
    inner = node.this
    if written is None or not isinstance(inner, exp.Literal) or not inner.is_string:
        raise InvalidInputError(
            f"casts are not available in a row filter; {_TYPED_WORDS} may stand before a quoted text"
        )
    return Literal(written, str(inner.this))


def unknown_node(node: exp.Expr) -> InvalidInputError:
    """The parser's word for it is near enough to what was written: Anonymous, Add, Subquery, DPipe, …"""
    return InvalidInputError(
        f"{type(node).__name__.lower()} is not available in a row filter; there are comparisons, AND, OR, NOT, IN, "
        "BETWEEN, LIKE, ILIKE, IS NULL over columns, literals, lower, upper, trim, length and coalesce"
    )
