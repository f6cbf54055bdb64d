"""The one type that holds all values seen."""

from decimal import Decimal
from typing import Any

import pytest

from app.ingest.json_types import Seen, convert


@pytest.mark.parametrize(
    ("values", "expected", "converted"),
    [
        ([1, None], "bigint", [1, None]),
        ([1, 0.5], "double precision", [1.0, 0.5]),
        ([2**63, 1], "numeric", [Decimal(2**63), Decimal(1)]),
        ([True, "x", 1], "text", ["true", "x", "1"]),
        ([["a"], []], "text[]", [["a"], []]),
        ([["a"], {"b": 1}, "c"], "jsonb", ['["a"]', '{"b":1}', '"c"']),
        ([[None]], "jsonb", ["[null]"]),
        (["2024-01-01", "2024-01-01T00:00:00"], "text", ["2024-01-01", "2024-01-01T00:00:00"]),
        (["0001-01-01T00:00:00+10:00"], "text", ["0001-01-01T00:00:00+10:00"]),
    ],
)
def test_all_values_fit_the_type(values: list[Any], expected: str, converted: list[Any]) -> None:
    seen = Seen()
    for value in values:
        seen.add(value)
    column_type, _ = seen.resolve()
    assert (column_type, [convert(value, column_type) for value in values]) == (expected, converted)


def test_a_number_beyond_38_digits_makes_text() -> None:
    seen = Seen()
    seen.add(10**37)
    seen.add(Decimal("0.55"))
    assert seen.resolve() == ("text", 0)


def test_doubles_beside_wider_numbers_ask_for_an_exact_look() -> None:
    seen = Seen()
    seen.add(0.5)
    assert not seen.needs_exact
    seen.add(2**53 + 1)
    assert seen.needs_exact
