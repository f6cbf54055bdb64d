"""One spelling for each value."""

import pytest

from app.errors import InvalidInputError
from app.views.filter_literals import Literal, plan_literal, plan_pattern, require_ascii_case


@pytest.mark.parametrize(
    ("written", "text", "kind", "spelled"),
    [
        ("integer", "007", "bigint", "7"),
        ("integer", "-9223372036854775808", "bigint", "-9223372036854775808"),
        ("integer", "9" * 38, "numeric", "9" * 38),
        ("integer", "9007199254740993", "double precision", "9007199254740992.0"),
        ("decimal", "1.50", "numeric", "1.50"),
        ("decimal", "-1e3", "numeric", "-1000"),
        ("decimal", "1e-38", "numeric", "0." + "0" * 37 + "1"),
        ("decimal", "1e3", "double precision", "1000.0"),
        ("decimal", "0.1", "double precision", "0.1"),
        ("decimal", "1e-400", "double precision", "0.0"),
        ("decimal", "-0.0", "double precision", "0.0"),
        ("boolean", "true", "boolean", "true"),
        ("string", " X ", "text", " X "),
        ("string", "2020-01-31", "date", "2020-01-31"),
        ("date", "2020-01-31", "timestamp", "2020-01-31 00:00:00.000000"),
        ("string", "2020-01-31T23:59", "timestamp", "2020-01-31 23:59:00.000000"),
        ("string", "23:59:00.5", "time", "23:59:00.500000"),
        ("string", "2020-01-31", "timestamptz", "2020-01-31 00:00:00.000000+00"),
        ("string", "2020-01-31 01:00+02", "timestamptz", "2020-01-30 23:00:00.000000+00"),
        ("timestamptz", "2020-01-31 01:00 -05:30", "timestamptz", "2020-01-31 06:30:00.000000+00"),
        ("string", "2020-01-31 01:00Z", "timestamptz", "2020-01-31 01:00:00.000000+00"),
    ],
)
def test_a_value_has_one_spelling(written, text, kind, spelled):
    assert plan_literal(Literal(written, text), kind) == spelled


@pytest.mark.parametrize(
    ("written", "text", "kind"),
    [
        ("integer", "9223372036854775808", "bigint"),
        ("integer", "9" * 5000, "bigint"),
        ("decimal", "1.0", "bigint"),
        ("string", "1", "bigint"),
        ("integer", "1", "text"),
        ("integer", "1", "boolean"),
        ("integer", "9" * 39, "numeric"),
        ("decimal", "1e-39", "numeric"),
        ("decimal", "1.5e-38", "numeric"),
        ("decimal", "1e999999999999999999999", "numeric"),
        ("decimal", "1e400", "double precision"),
        ("boolean", "true", "bigint"),
        ("string", "today", "date"),
        ("string", "infinity", "date"),
        ("string", "2020-02-30", "date"),
        ("string", "2020-1-1", "date"),
        ("string", "20200101", "date"),
        ("string", "0000-01-01", "date"),
        ("string", "٢٠٢٠-٠١-٠١", "date"),
        ("string", "2020-01-01\n", "date"),
        ("string", "2020-W01-1", "date"),
        ("timestamp", "2020-01-01", "date"),
        ("string", "2020-01-01 00:00+01", "timestamp"),
        ("string", "0001-01-01 00:00+05", "timestamptz"),
        ("string", "2020-01-01 00:00 Europe/Berlin", "timestamptz"),
        ("string", "25:00", "time"),
    ],
)
def test_what_does_not_fit_says_what_would(written, text, kind):
    with pytest.raises(InvalidInputError, match="does not fit"):
        plan_literal(Literal(written, text), kind)


def test_a_long_literal_is_not_repeated_in_the_message():
    with pytest.raises(InvalidInputError) as refused:
        plan_literal(Literal("string", "x" * 9_000), "date")
    assert len(refused.value.message) < 200


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("a%_", "a%_"),
        (r"a\%\_\\", r"a\%\_\\"),
        (r"\a\é", "aé"),
        (r"100\%", r"100\%"),
        ("", ""),
    ],
)
def test_a_pattern_has_one_spelling(text, pattern):
    assert plan_pattern(text) == pattern


def test_a_pattern_does_not_end_in_the_middle():
    with pytest.raises(InvalidInputError, match="backslash"):
        plan_pattern("a\\")


@pytest.mark.parametrize("text", ["É", "é", "ß", "İ", "ı", "ſ", "Ω", "\u212a", "ǆ"])
def test_letters_with_a_case_beyond_ascii_are_refused(text):
    with pytest.raises(InvalidInputError, match="ASCII"):
        require_ascii_case(f"x{text}", "ILIKE")


def test_letters_without_a_case_pass():
    require_ascii_case("aZ 漢字 😀 \u0301 ª 9", "ILIKE")
