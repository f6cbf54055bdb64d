"""A search's metadata filter: what the request says, checked against the columns that the reader is shown.

The form is that of the document stores that agents know:

    {"topic": "noun.animal"}                      equal; null is "has no value"
    {"year": {"$gte": 2020, "$lt": 2024}}         $gt, $gte, $lt, $lte, $ne
    {"state": {"$in": ["open", "new"]}}           one of up to 1,000 values
    {"name": {"$prefix": "Mc"}}                   text that begins so, by character
    {"tags": {"$contains": "draft"}}              a list that has the value
    {"$and": [...]}, {"$or": [...]}, {"$not": {...}}

Several keys are all asked for. Values are compared as the reader sees them: a masked column by its mask. A row without
a value meets no condition but null and $ne, and no negation of one, as in SQL.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from app.errors import InvalidInputError

MAX_DEPTH, MAX_CONDITIONS, MAX_VALUES = 16, 100, 1000
MAX_TEXT = 10_000
_COMPARISONS = {"$eq": "=", "$ne": "<>", "$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}
_ORDERED = frozenset({"text", "bigint", "double precision", "numeric", "date", "timestamp", "timestamptz"})


class Field(msgspec.Struct, frozen=True):
    """A column that a filter may name: its type, and its name in the view of hits."""

    name: str
    type: str
    column: str


class FilterPlan(msgspec.Struct, frozen=True):
    """A condition over the view of hits, called h, and its parameters; `shape` has no value of the request in it."""

    shape: str
    parameters: dict[str, Any]


def key_of(plan: FilterPlan) -> bytes:
    """What two requests for the same have in common; a digest, since values may be long, and name people."""
    asked = (plan.shape, list(plan.parameters.values()))
    return hashlib.blake2b(msgspec.json.encode(asked, enc_hook=str), digest_size=16).digest()


def plan_filter(wanted: Mapping[str, Any] | None, fields: Sequence[Field]) -> FilterPlan | None:
    """The condition of a filter; None when it asks for nothing.

    Raises:
        InvalidInputError: an unknown field or operator, a value of another type, or too much of it.
    """
    if not wanted:
        return None
    plan = _Plan({field.name: field for field in fields})
    shape = plan.all_of(wanted, 0)
    return FilterPlan(shape, plan.parameters)


class _Plan:
    def __init__(self, fields: Mapping[str, Field]) -> None:
        self.parameters: dict[str, Any] = {}
        self._fields = fields
        self._conditions = 0

    def all_of(self, wanted: object, depth: int) -> str:
        if not isinstance(wanted, Mapping) or not wanted:
            raise InvalidInputError('filter: every part of it must be an object such as {"field": value}')
        if depth > MAX_DEPTH:
            raise InvalidInputError(f"filter: nested deeper than {MAX_DEPTH} levels")
        return _join(" and ", [self._one(str(key), value, depth) for key, value in wanted.items()])

    def _one(self, key: str, value: object, depth: int) -> str:
        if key in ("$and", "$or"):
            if not isinstance(value, list) or not value:
                raise InvalidInputError(f"filter: {key} needs a list of at least one filter")
            word = " and " if key == "$and" else " or "
            return _join(word, [self.all_of(part, depth + 1) for part in value])
        if key == "$not":
            return f"(not {self.all_of(value, depth + 1)})"
        if key.startswith("$"):
            raise InvalidInputError(f"filter: unknown {key[:60]!r}; there are $and, $or and $not")
        field = self._fields.get(key)
        if field is None:
            names = ", ".join(sorted(self._fields)[:50])
            raise InvalidInputError(f"filter: no field {key[:60]!r}; there are {names}")
        if isinstance(value, Mapping):
            if not value:
                raise InvalidInputError(
                    f"filter: {key!r} asks for nothing; use one of {_list_operators(field.type)}"
                )
            return _join(" and ", [self._condition(field, str(op), item) for op, item in value.items()])
        return self._condition(field, "$eq", value)

    def _condition(self, field: Field, operator: str, value: object) -> str:
        self._conditions += 1
        if self._conditions > MAX_CONDITIONS:
            raise InvalidInputError(f"filter: more than {MAX_CONDITIONS} conditions")
        column = f"h.{field.column}"
        match operator:
            case "$eq" | "$ne" if value is None:
                return f"({column} is {'not ' if operator == '$ne' else ''}null)"
            case "$in":
                return self._one_of(field, column, value)
            case "$prefix" if field.type == "text":
                # leakproof, so the scan itself may use it (pg_proc.dat, starts_with)
                return f"({column} operator(pg_catalog.^@) {self._add(_text(field, value), 'text')})"
            case "$contains" if field.type == "text[]":
                return f"({self._add(_text(field, value), 'text')} = any({column}))"
            case _ if operator in _COMPARISONS:
                return self._compare(field, column, operator, value)
        raise InvalidInputError(
            f"filter: {operator[:60]!r} is not for {field.name!r}, which is {field.type}; there are "
            f"{_list_operators(field.type)}"
        )

    def _compare(self, field: Field, column: str, operator: str, value: object) -> str:
        ordered = operator not in ("$eq", "$ne")
        if ordered and field.type not in _ORDERED:
            raise InvalidInputError(
                f"filter: {field.name!r} is {field.type}, which has no order for {operator}"
            )
        parameter = self._add(_value(field, value), field.type)
        # by code point, as row filters compare (sql/20_filter_sql.sql)
        collated = f'({column} collate "C")' if ordered and field.type == "text" else column
        condition = f"{collated} {_COMPARISONS[operator]} {parameter}"
        return f"({column} is distinct from {parameter})" if operator == "$ne" else f"({condition})"

    def _one_of(self, field: Field, column: str, value: object) -> str:
        if not isinstance(value, list) or not value or len(value) > MAX_VALUES:
            raise InvalidInputError(f"filter: $in of {field.name!r} needs a list of 1 to {MAX_VALUES} values")
        parameter = self._add([_value(field, item) for item in value], f"{field.type}[]")
        return f"({column} = any({parameter}))"

    def _add(self, value: object, kind: str) -> str:
        name = f"f{len(self.parameters)}"
        self.parameters[name] = value
        return f"%({name})s::{kind}"


def _list_operators(kind: str) -> str:
    """Those that a field of this type takes."""
    if kind not in _READERS:
        return ", ".join([*(["$contains"] if kind == "text[]" else []), "$eq null", "$ne null"])
    compared = [name for name in _COMPARISONS if kind in _ORDERED or name in ("$eq", "$ne")]
    return ", ".join([*compared, "$in", *(["$prefix"] if kind == "text" else [])])


def _join(word: str, parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"({word.join(parts)})"


def _text(field: Field, value: object) -> str:
    if not isinstance(value, str):
        raise _wrong(field, value, "a text")
    if "\0" in value or len(value) > MAX_TEXT:
        raise InvalidInputError(
            f"filter: the value for {field.name!r} has a NUL or more than {MAX_TEXT} characters"
        )
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidInputError(f"filter: the value for {field.name!r} is not Unicode text") from None
    return value


def _value(field: Field, value: object) -> object:
    reader = _READERS.get(field.type)
    if reader is None:
        raise InvalidInputError(
            f"filter: {field.name!r} is {field.type}, which cannot be compared; there are "
            f"{_list_operators(field.type)}"
        )
    return reader(field, value)


def _whole(field: Field, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value // 1:
        raise _wrong(field, value, "a whole number")
    number = int(value)
    if not -(2**63) <= number < 2**63:
        raise _wrong(field, value, "a whole number of 64 bits")
    return number


def _float(field: Field, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _wrong(field, value, "a number")
    try:
        return float(value)
    except OverflowError:
        raise _wrong(field, value, "a number") from None


def _decimal(field: Field, value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise _wrong(field, value, "a number")
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise _wrong(field, value, "a number") from None
    if not number.is_finite() or abs(number.adjusted()) > 1000:
        raise _wrong(field, value, "a number")
    return number


def _truth(field: Field, value: object) -> bool:
    if not isinstance(value, bool):
        raise _wrong(field, value, "true or false")
    return value


def _day(field: Field, value: object) -> date:
    try:
        return date.fromisoformat(_text(field, value))
    except ValueError:
        raise _wrong(field, value, "a day such as 2026-01-31") from None


def _moment(field: Field, value: object) -> datetime:
    try:
        moment = datetime.fromisoformat(_text(field, value))
    except ValueError:
        raise _wrong(field, value, "a time such as 2026-01-31T12:00:00") from None
    if (moment.tzinfo is None) != (field.type == "timestamp"):
        what = "without an offset" if field.type == "timestamp" else "with an offset such as Z or +01:00"
        raise _wrong(field, value, f"a time {what}")
    return moment


def _wrong(field: Field, value: object, wanted: str) -> InvalidInputError:
    shown = repr(value)[:60]
    return InvalidInputError(f"filter: {field.name!r} is {field.type} and needs {wanted}, not {shown}")


_READERS: Mapping[str, Callable[[Field, object], object]] = {
    "text": _text,
    "bigint": _whole,
    "double precision": _float,
    "numeric": _decimal,
    "boolean": _truth,
    "date": _day,
    "timestamp": _moment,
    "timestamptz": _moment,
}
