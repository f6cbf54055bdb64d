"""JSON text to values without loss: strict decoding, exact numbers, flattening."""

import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct

from app.ingest.json_scanner import MAX_DEPTH

#: Objects are flattened this deep; below, they stay JSON.
MAX_FLATTEN = 5
#: Of a jsonb number, which Postgres keeps as numeric: 131,072 digits before the point, 16,383 after it.
_MAX_EXPONENT, _MIN_EXPONENT = 131_000, -16_000
_ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_LONE_SURROGATE = re.compile(
    rb"(?<!\\)((?:\\\\)*)(?:\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2})"
)


class Problem(Struct, frozen=True):
    """Why a value cannot be used. `malformed` tells whether it is not JSON at all."""

    reason: str
    malformed: bool = False


class Decoded(Struct, frozen=True):
    """A decoded value, or the problem with it."""

    value: Any = None
    problem: Problem | None = None


def parse_number(text: str) -> float | Decimal:
    """The double that is exactly the number as it is usually written, else the exact decimal.

    Raises:
        ArithmeticError: a number that not even Postgres' numeric holds.
    """
    number = float(text)
    if len(text) <= 16 and "e" not in text and "E" not in text:
        return number  # at most 15 digits: a double gives them all back
    exact = parse_exact(text)
    return number if math.isfinite(number) and Decimal(repr(number)) == exact else exact


def parse_exact(text: str) -> Decimal:
    """The number as a decimal.

    Raises:
        ArithmeticError: a number that not even Postgres' numeric holds.
    """
    exact = Decimal(text)
    exponent = exact.as_tuple().exponent
    if not isinstance(exponent, int) or exact.adjusted() > _MAX_EXPONENT or exponent < _MIN_EXPONENT:
        raise ArithmeticError(f"{text[:50]} has too many digits for numeric")
    return exact


_USUAL = msgspec.json.Decoder(float_hook=parse_number)
_EXACT = msgspec.json.Decoder(float_hook=parse_exact)
_ENCODER = msgspec.json.Encoder(decimal_format="number")


def decode_strict(raw: bytes, *, exact: bool = False) -> Decoded:
    """Decode RFC 8259 JSON; the last of equal keys wins. `exact` makes all numbers but integers decimals."""
    if raw.count(b"[") + raw.count(b"{") > MAX_DEPTH and _depth(raw) > MAX_DEPTH:
        return Decoded(problem=Problem(f"nested deeper than {MAX_DEPTH} levels", malformed=True))
    try:
        value = (_EXACT if exact else _USUAL).decode(raw)
    except RecursionError:
        return Decoded(problem=Problem("nested too deeply", malformed=True))
    except UnicodeDecodeError:
        return Decoded(problem=Problem("not valid UTF-8", malformed=True))
    except (msgspec.ValidationError, ArithmeticError):
        return Decoded(problem=Problem("a number is too large or has too many digits"))
    except msgspec.DecodeError as exc:
        return Decoded(problem=_explain(raw, str(exc)))
    if b"\\u0000" in raw and _contains_nul(value):
        return Decoded(problem=Problem("contains a NUL byte"))
    return Decoded(value=value)


def encode_json(value: Any) -> str:
    """The value as JSON text with all digits of its numbers."""
    return _ENCODER.encode(value).decode()


def flatten(record: Mapping[str, Any]) -> dict[str | tuple[str, ...], Any]:
    """The record's values by key, those of nested objects by the tuple of keys that leads there."""
    out: dict[str | tuple[str, ...], Any] = {}
    for key, value in record.items():
        if type(value) is dict and value:
            _flatten_into(out, (key,), value)
        else:
            out[key] = value
    return out


def _flatten_into(out: dict[str | tuple[str, ...], Any], at: tuple[str, ...], record: dict[str, Any]) -> None:
    for key, value in record.items():
        if type(value) is dict and value and len(at) < MAX_FLATTEN:
            _flatten_into(out, (*at, key), value)
        else:
            out[(*at, key)] = value


def _explain(raw: bytes, message: str) -> Problem:
    if _ESCAPED_SURROGATE.search(raw):
        mended = _LONE_SURROGATE.sub(rb"\1?", raw)
        if mended != raw and decode_strict(mended).problem is None:
            return Problem("contains a lone surrogate, which is not a character")
    return Problem(message.removeprefix("JSON is malformed: "), malformed=True)


def _depth(raw: bytes) -> int:
    depth = deepest = 0
    for bracket in re.finditer(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', raw, re.DOTALL):
        token = bracket[0]
        if token in (b"[", b"{"):
            depth += 1
            deepest = max(deepest, depth)
        elif token in (b"]", b"}"):
            depth -= 1
    return deepest


def _contains_nul(value: Any) -> bool:
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, str):
            if "\x00" in item:
                return True
        elif isinstance(item, dict):
            todo += [*item.keys(), *item.values()]
        elif isinstance(item, list):
            todo += item
    return False
