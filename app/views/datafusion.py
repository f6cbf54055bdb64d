"""Safe views for the analytic engine: the same trees and redactions that Postgres compiles, as SQL of DataFusion.

Where the two differ on the same words, the words here are others: DataFusion tells -0.0 from 0.0 in a list and one NaN
from another, so floats are made one of each; it fails when two decimals have no scale in common, so they are widened;
its lower, upper and ILIKE know the case of every script, so ASCII letters are translated; its date_trunc knows years
from 1677 to 2262, so dates are taken apart. A timestamp is expected in microseconds, a timestamptz in UTC.
"""

import hashlib
import re
import string
from collections.abc import Callable, Mapping
from typing import TypeAlias

import msgspec
import pyarrow as pa
from datafusion import SessionContext, udf

from app.errors import InternalError
from app.views.filter_types import Node
from app.views.redaction import result_type

#: Every value of decimal128 fits, whatever its scale.
_DECIMAL = "Decimal256(76, 38)"
_ARROW = {
    "boolean": "Boolean",
    "bigint": "Int64",
    "double precision": "Float64",
    "numeric": _DECIMAL,
    "date": "Date32",
    "time": "Time64(Microsecond)",
    "timestamp": "Timestamp(Microsecond, None)",
    "timestamptz": 'Timestamp(Microsecond, Some("UTC"))',
}
_INFIX = {
    "eq": "=",
    "ne": "<>",
    "lt": "<",
    "le": "<=",
    "gt": ">",
    "ge": ">=",
    "distinct": "is distinct from",
    "not_distinct": "is not distinct from",
    "like": "like",
}
_SUFFIX = {"is_null": "is null", "is_true": "is true", "is_false": "is false"}
#: What compares its arguments with each other, in one type.
_COMPARISONS = {"eq", "ne", "lt", "le", "gt", "ge", "distinct", "not_distinct", "between", "in"}
_NUMBER = re.compile(r"-?0*([0-9]*)(?:\.([0-9]*?)0*)?")
_SHOWN = " " + string.punctuation
_HASH = "lakeward_hash"


class HmacKey(msgspec.Struct, frozen=True):
    """The deployment's key as HMAC uses it: 64 bytes each, XORed with its two pads (`lakeward.secret`)."""

    inner: bytes
    outer: bytes

    def __repr__(self) -> str:
        """Without the key."""
        return "HmacKey(…)"


#: Digits and scale of a decimal128.
Digits: TypeAlias = tuple[int, int]


def filter_expression(tree: Node, decimals: Mapping[str, Digits] | None = None) -> str:
    """The tree of `app.views.filter.plan_filter` as a boolean SQL expression over columns of the base's own names.

    With `decimals`, the types of its numeric columns as far as they are known, those that are compared with what fits
    them are compared as they are: so the engine prunes files and knows how many rows are left. The answer is the same.

    Raises:
        InternalError: it is no such tree; like the Postgres compiler, this one believes nothing that it does not know.
    """
    if "column" in tree:
        return _column(str(tree["column"]), tree.get("type"))
    if "literal" in tree:
        return _literal(str(tree["literal"]), tree.get("type"))
    args = tree.get("args")
    if not isinstance(args, list) or not args:
        raise _not_a_tree(tree)
    if shared := _shared_digits(tree.get("op"), args, decimals or {}):
        return _call(tree, [_as_it_is(arg, shared) for arg in args])
    return _call(tree, [filter_expression(arg, decimals) for arg in args])


def _shared_digits(op: object, args: list[Node], decimals: Mapping[str, Digits]) -> Digits | None:
    """The one decimal type of the columns that are compared, if the literals fit it."""
    found = {decimals.get(str(arg["column"])) for arg in args if "column" in arg}
    shared = found.pop() if len(found) == 1 else None
    if op not in _COMPARISONS or shared is None:
        return None
    literals = [str(arg["literal"]) for arg in args if "literal" in arg]
    plain = all(arg.get("type") == "numeric" and ("column" in arg or "literal" in arg) for arg in args)
    return shared if plain and all(_fits(text, shared) for text in literals) else None


def _fits(text: str, digits: Digits) -> bool:
    number = _NUMBER.fullmatch(text)
    precision, scale = digits
    return number is not None and len(number[1]) <= precision - scale and len(number[2] or "") <= scale


def _as_it_is(arg: Node, digits: Digits) -> str:
    if "column" in arg:
        return _identifier(str(arg["column"]))
    return f"arrow_cast({_quote(str(arg['literal']))}, 'Decimal128({digits[0]}, {digits[1]})')"


def _call(tree: Node, args: list[str]) -> str:
    match tree.get("op"), args:
        case ("and" | "or") as op, _:
            return f"({f' {op} '.join(args)})"
        case "not", [condition]:
            return f"(not {condition})"
        case str(op), [left, right] if op in _INFIX:
            return f"({left} {_INFIX[op]} {right})"
        case str(op), [value] if op in _SUFFIX:
            return f"({value} {_SUFFIX[op]})"
        case "ilike", [left, right]:
            return f"({_lower(left)} like {_lower(right)})"
        case "between", [value, low, high]:
            return f"({value} between {low} and {high})"
        case "in", [value, *listed] if listed:
            return f"({value} in ({', '.join(listed)}))"
        case "lower", [value]:
            return _lower(value)
        case "upper", [value]:
            return f"translate({value}, '{string.ascii_lowercase}', '{string.ascii_uppercase}')"
        case "trim", [value]:
            return f"btrim({value}, ' ')"
        case "length", [value]:
            return f"arrow_cast(character_length({value}), 'Int64')"
        case "coalesce", [_, _, *_]:
            return f"coalesce({', '.join(args)})"
    raise _not_a_tree(tree)


def _lower(value: str) -> str:
    return f"translate({value}, '{string.ascii_uppercase}', '{string.ascii_lowercase}')"


def _column(name: str, column_type: object) -> str:
    column = _identifier(name)
    if column_type == "double precision":
        return f"nanvl({column} + 0e0, {_literal('NaN', 'double precision')})"
    if column_type == "numeric":
        return f"arrow_cast({column}, '{_DECIMAL}')"
    return column


def _literal(text: str, column_type: object) -> str:
    if column_type == "text":
        return _quote(text)
    if column_type not in _ARROW:
        raise InternalError(f"a row filter's tree has a literal of type {column_type!r}")
    spelled = text.replace(" ", "T").replace("+00", "Z") if column_type == "timestamptz" else text
    return f"arrow_cast({_quote(spelled)}, '{_ARROW[str(column_type)]}')"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _not_a_tree(tree: Node) -> InternalError:
    return InternalError(f"this is not a row filter's tree: {str(tree)[:200]}")


def redaction_expression(
    column: str, column_type: str, action: str | None, keep_prefix: int = 0, keep_suffix: int = 0
) -> str:
    """A column's redacted value as SQL; what each action does is written in sql/20_redaction_sql.sql.

    Its type is that of `result_type(column_type, action)`. The action `hash` needs `register_redactions`.

    Raises:
        InternalError: the action does not fit the type; `app.views.redaction.plan_redaction` has refused that before.
    """
    if result_type(column_type, action) is None:
        raise InternalError(f"the redaction {action!r} does not fit a column of type {column_type!r}")
    value = _identifier(column)
    match action:
        case None | "none":
            return value
        case "null":
            return f"(case when false then {value} end)"
        case "hash":
            return f"{_HASH}({_text(value, column_type)})"
        case "mask":
            return _mask(_text(value, column_type), keep_prefix, keep_suffix)
        case "mask_alphanum":
            return f"regexp_replace({_text(value, column_type)}, {_quote(_not_shown())}, '*', 'g')"
    return _truncate(value, column_type, to_month=action == "truncate_to_month")


def _text(value: str, column_type: str) -> str:
    text = f"arrow_cast({value}, 'Utf8')"
    if column_type == "numeric":
        return f"(case when strpos({text}, '.') > 0 then rtrim(rtrim({text}, '0'), '.') else {text} end)"
    if column_type == "date":
        return f"(case when {_within(value, 'date')} then {text} end)"
    return text


def _mask(text: str, prefix: int, suffix: int) -> str:
    length = f"character_length({text})"
    return (
        f"(case when {length} <= {prefix + suffix:d} then repeat('*', {length}) else left({text}, {prefix:d}) "
        f"|| repeat('*', {length} - {prefix + suffix:d}) || right({text}, {suffix:d}) end)"
    )


def _not_shown() -> str:
    return "[^" + "".join("\\" + mark if mark in "\\[]^-&~" else mark for mark in _SHOWN) + "]"


def _truncate(value: str, column_type: str, *, to_month: bool) -> str:
    month = f"cast(date_part('month', {value}) as int)" if to_month else "1"
    first = f"make_date(cast(date_part('year', {value}) as int), {month}, 1)"
    return f"(case when {_within(value, column_type)} then arrow_cast({first}, '{_ARROW[column_type]}') end)"


def _within(value: str, column_type: str) -> str:
    """Whether it lies in the years 1 to 9999, the only ones that a text is the same for everywhere."""
    ends = {
        "date": ("0001-01-01", "9999-12-31"),
        "timestamp": ("0001-01-01 00:00:00.000000", "9999-12-31 23:59:59.999999"),
        "timestamptz": ("0001-01-01 00:00:00.000000+00", "9999-12-31 23:59:59.999999+00"),
    }
    low, high = (_literal(end, column_type) for end in ends[column_type])
    return f"{value} between {low} and {high}"


def register_redactions(context: SessionContext, key: HmacKey) -> None:
    """Make the function that `hash` needs known in `context`.

    Never in a context that runs a reader's SQL: who can call the function can hash guesses and compare. Plan the view
    in a context of its own, and give the reader's the result: `reader.register_table(name, frame.into_view())`.
    """
    context.register_udf(udf(_hasher(key), [pa.string()], pa.string(), "immutable", _HASH))


def _hasher(key: HmacKey) -> Callable[[pa.Array], pa.Array]:
    inner, outer = hashlib.sha256(key.inner), hashlib.sha256(key.outer)

    def hash_one(text: str) -> str:
        within, around = inner.copy(), outer.copy()
        within.update(text.encode())
        around.update(within.digest())
        return around.hexdigest()

    def hash_values(values: pa.Array) -> pa.Array:
        # each value once: names and dates repeat
        coded = values.dictionary_encode()
        hashes = pa.array([hash_one(text) for text in coded.dictionary.to_pylist()], pa.string())
        return hashes.take(coded.indices)

    return hash_values
