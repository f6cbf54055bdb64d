"""JSON text to values and back, without loss."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ingest.json_values import decode_strict, encode_json, flatten, parse_number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_what_is_printed_as_a_double_stays_one(number: float) -> None:
    assert parse_number(repr(number)) == number
    assert isinstance(parse_number(repr(number)), float)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=25, min_value=-(10**6), max_value=10**6))
def test_no_digit_is_lost(number: Decimal) -> None:
    parsed = parse_number(str(number))
    assert (Decimal(repr(parsed)) if isinstance(parsed, float) else parsed) == number


@pytest.mark.parametrize(
    ("raw", "malformed"),
    [
        (b'{"a": NaN}', True),
        (b'{"a": 01}', True),
        (b'{"a": "\xff"}', True),
        (b"[" * 300 + b"]" * 300, True),
        (b'{"a": "\\ud800"}', False),
        (b'{"a": "\\udc00\\ud800"}', False),
        (b'{"a": "\\u0000"}', False),
        (b'{"a": 1e200000}', False),
    ],
)
def test_problems_are_told_apart(raw: bytes, malformed: bool) -> None:
    problem = decode_strict(raw).problem
    assert problem is not None
    assert problem.malformed is malformed


def test_a_surrogate_pair_and_an_escaped_backslash_are_no_problem() -> None:
    assert decode_strict(b'["\\ud83d\\ude00", "\\\\ud800"]').value == ["😀", "\\ud800"]


def test_digits_survive_the_way_back() -> None:
    raw = b'{"a":0.12345678901234567890123,"b":12345678901234567890123}'
    assert encode_json(decode_strict(raw).value).encode() == raw


def test_flattening_keeps_paths_apart() -> None:
    assert flatten({"a.b": 1, "a": {"b": 2, "c": {}}}) == {"a.b": 1, ("a", "b"): 2, ("a", "c"): {}}
