"""Literals of a row filter: each type has one spelling, which both engines read as the same value."""

import math
import re
from datetime import UTC, date, datetime, time
from decimal import Decimal

import msgspec

from app.errors import InvalidInputError
from app.views.filter_types import COMPARED

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(r"\d\d:\d\d(:\d\d(\.\d{1,6})?)?", re.ASCII)
_TIMESTAMP = re.compile(rf"{_DATE.pattern}([ T]{_TIME.pattern})?", re.ASCII)
_TIMESTAMPTZ = re.compile(rf"{_TIMESTAMP.pattern} ?(Z|[+-]\d\d(:?\d\d)?)?", re.ASCII)
_WRITTEN = {"date": _DATE, "time": _TIME, "timestamp": _TIMESTAMP, "timestamptz": _TIMESTAMPTZ}

#: The types that each way to write a literal may become.
_FITS = {
    "boolean": ("boolean",),
    "integer": ("bigint", "numeric", "double precision"),
    "decimal": ("numeric", "double precision"),
    "string": ("text", "date", "time", "timestamp", "timestamptz"),
    "date": ("date", "timestamp", "timestamptz"),
    "time": ("time",),
    "timestamp": ("timestamp",),
    "timestamptz": ("timestamptz",),
}
MAX_DIGITS = 38


class Literal(msgspec.Struct, frozen=True):
    """A constant as it was written, before it is known what it is compared with."""

    written: str
    text: str

    @property
    def shown(self) -> str:
        """How a message shows it."""
        quoted = self.written not in ("boolean", "integer", "decimal")
        short = self.text if len(self.text) <= 40 else self.text[:40] + "…"
        return f"'{short}'" if quoted else short


def plan_literal(literal: Literal, column_type: str) -> str:
    """The text of `literal` as a value of `column_type`, in that type's one spelling.

    boolean `true`; bigint and numeric in decimal without exponent; double precision as the shortest text that is that
    float; date `2020-01-31`; time `23:59:00.000000`; timestamp `2020-01-31 23:59:00.000000`; timestamptz the same in
    UTC with `+00`, where a text without a zone is taken as UTC; text as it is.

    Raises:
        InvalidInputError: it is no such value, or too large for the type.
    """
    if column_type not in _FITS[literal.written]:
        raise _misfit(literal, column_type)
    try:
        return _spell(literal.text, column_type)
    except (ValueError, ArithmeticError):
        raise _misfit(literal, column_type) from None


def _misfit(literal: Literal, column_type: str) -> InvalidInputError:
    return InvalidInputError(
        f"{literal.shown} does not fit a value of type {column_type}; write {COMPARED[column_type]}"
    )


def _spell(text: str, column_type: str) -> str:
    match column_type:
        case "bigint":
            number = int(text)
            if not -(2**63) <= number < 2**63:
                raise ValueError
            return str(number)
        case "numeric":
            return _spell_numeric(Decimal(text))
        case "double precision":
            if not math.isfinite(float(text)):
                raise ValueError
            return repr(float(text) + 0.0)  # which makes -0.0 the 0.0 that it is equal to
        case "boolean" | "text":
            return text
        case _:
            if not _WRITTEN[column_type].fullmatch(text):
                raise ValueError
            return _spell_moment(text, column_type)


def _spell_numeric(number: Decimal) -> str:
    if not -MAX_DIGITS <= number.adjusted() < MAX_DIGITS:
        raise ValueError
    plain = f"{number:f}"
    _, _, fraction = plain.partition(".")
    if len(fraction) > MAX_DIGITS:
        raise ValueError
    return plain


def _spell_moment(text: str, column_type: str) -> str:
    if column_type == "date":
        return date.fromisoformat(text).isoformat()
    if column_type == "time":
        return time.fromisoformat(text).isoformat("microseconds")
    # fromisoformat takes no space before the zone
    moment = datetime.fromisoformat(text.replace(" +", "+").replace(" -", "-").replace(" Z", "Z"))
    if column_type == "timestamp":
        return moment.isoformat(" ", "microseconds")
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.replace(tzinfo=None).isoformat(" ", "microseconds") + "+00"


def plan_pattern(text: str) -> str:
    r"""A LIKE pattern in which a backslash stands before `%`, `_` and `\` alone; it matches what `text` does.

    Postgres takes a backslash before any character, other engines only before those.

    Raises:
        InvalidInputError: it ends with a backslash that nothing follows.
    """
    pattern, characters = [], iter(text)
    for character in characters:
        if character != "\\":
            pattern.append(character)
            continue
        escaped = next(characters, None)
        if escaped is None:
            raise InvalidInputError(
                r"a LIKE pattern ends with a backslash; write \\ for the backslash itself"
            )
        pattern.append("\\" + escaped if escaped in "%_\\" else escaped)
    return "".join(pattern)


def require_ascii_case(text: str, what: str) -> None:
    """`what` (lower, upper, ILIKE) knows the case of ASCII letters alone, which is the same everywhere.

    Raises:
        InvalidInputError: `text` has another letter that has a case, and would not match what was meant.
    """
    for character in text:
        if not character.isascii() and (character.lower() != character or character.upper() != character):
            raise InvalidInputError(
                f"{what} changes the case of ASCII letters only, so {character!r} would match in this case alone; "
                "write both with OR and LIKE or ="
            )
