"""The types of JSON columns: what kinds of values were seen, and the one type that holds them all without loss."""

import re
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from msgspec import Struct

from app.catalog.models import ColumnType
from app.ingest.arrow_types import MAX_DIGITS
from app.ingest.json_values import encode_json

BOOL, INT, WIDE, BIG, FLOAT, EXACT = 1, 2, 4, 8, 16, 32
TEXT, DATE, TIMESTAMP, TIMESTAMPTZ = 64, 128, 256, 512
LIST, JSON = 1024, 2048
_TEMPORAL: dict[int, ColumnType] = {DATE: "date", TIMESTAMP: "timestamp", TIMESTAMPTZ: "timestamptz"}
_NUMBERS = INT | WIDE | BIG | FLOAT | EXACT
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,6})?(Z|[+-]\d\d:?\d\d)?")


class Seen(Struct):
    """What a column holds so far: kinds of values, and for exact numbers the digits before and after the point."""

    kinds: int = 0
    whole: int = 0
    scale: int = 0

    def add(self, value: Any) -> None:
        """Take one value into account."""
        kind = type(value)
        if kind is str:
            if not self.kinds & TEXT:
                self.kinds |= _string_kind(value)
        elif kind is bool:
            self.kinds |= BOOL
        elif kind is int:
            self._add_int(value)
        elif kind is float:
            self.kinds |= FLOAT
        elif kind is Decimal:
            self._add_exact(value)
        elif kind is list:
            self.kinds |= LIST if all(type(item) is str for item in value) else JSON
        elif value is not None:
            self.kinds |= JSON

    def _add_int(self, value: int) -> None:
        self.kinds |= INT
        if not -(2**53) <= value <= 2**53:
            self.kinds |= WIDE if -(2**63) <= value < 2**63 else BIG
            self.whole = max(self.whole, len(str(abs(value))))
        elif self.whole < 16:
            self.whole = 16

    def _add_exact(self, value: Decimal) -> None:
        self.kinds |= EXACT
        digits, exponent = value.as_tuple().digits, value.as_tuple().exponent
        assert isinstance(exponent, int)
        self.scale = max(self.scale, -exponent, 0)
        self.whole = max(self.whole, len(digits) + exponent, 0)

    @property
    def needs_exact(self) -> bool:
        """Doubles were seen next to numbers that no double holds, so all have to be looked at exactly."""
        return bool(self.kinds & FLOAT) and bool(self.kinds & (WIDE | BIG | EXACT))

    def resolve(self) -> tuple[ColumnType, int]:
        """The type for all values seen, and its scale when it is numeric."""
        kinds = self.kinds
        if kinds in _TEMPORAL:
            return _TEMPORAL[kinds], 0
        if kinds == BOOL:
            return "boolean", 0
        if kinds & (LIST | JSON):
            return ("text[]" if kinds == LIST else "jsonb"), 0
        if kinds == 0 or kinds & ~_NUMBERS:
            return "text", 0
        return self._resolve_number()

    def _resolve_number(self) -> tuple[ColumnType, int]:
        if not self.kinds & (FLOAT | EXACT | BIG):
            return "bigint", 0
        if not self.kinds & (WIDE | BIG | EXACT):
            return "double precision", 0
        return ("numeric", self.scale) if self.whole + self.scale <= MAX_DIGITS else ("text", 0)


def _string_kind(value: str) -> int:
    if not 10 <= len(value) <= 32 or value[4] != "-":
        return TEXT
    try:
        if _DATE.fullmatch(value):
            date.fromisoformat(value)
            return DATE
        if found := _TIMESTAMP.fullmatch(value):
            moment = datetime.fromisoformat(value)
            # the ends of the calendar cannot be moved to UTC
            return (TIMESTAMPTZ if 1 < moment.year < 9999 else TEXT) if found[1] else TIMESTAMP
    except ValueError:
        return TEXT
    return TEXT


def convert(value: Any, column_type: ColumnType) -> Any:
    """The value as Arrow takes it for a column of that type; the type must come from `resolve`."""
    if value is None:
        return None
    if column_type == "text":
        return value if type(value) is str else _as_text(value)
    if column_type == "jsonb":
        return encode_json(value)
    if column_type == "double precision":
        return float(value)
    if column_type == "numeric":
        return Decimal(value)
    if column_type == "date":
        return date.fromisoformat(value)
    if column_type in ("timestamp", "timestamptz"):
        return datetime.fromisoformat(value)
    return value


def _as_text(value: Any) -> str:
    return str(value) if isinstance(value, Decimal) else encode_json(value)
