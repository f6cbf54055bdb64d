"""Redactions: which fit which type, and what Postgres makes of each value."""

import hashlib
import hmac
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import get_args

import psycopg
import pytest
from psycopg import sql

from app.catalog.models import ColumnType
from app.errors import InvalidInputError
from app.views.redaction import ACTIONS, Redaction, plan_redaction, result_type

KEY = b"k" * 32


@pytest.fixture(scope="module")
def database(clone) -> Iterator[psycopg.Connection]:
    with clone() as deployed, deployed.connect("owner") as connection:
        pads = [bytes(byte ^ mask for byte in KEY.ljust(64, b"\0")) for mask in (0x36, 0x5C)]
        connection.execute(
            "create table if not exists lakeward.secret "
            "(only_row boolean primary key default true, hmac_inner bytea, hmac_outer bytea)"
        )
        connection.execute("delete from lakeward.secret")
        connection.execute("insert into lakeward.secret (hmac_inner, hmac_outer) values (%s, %s)", pads)
        connection.execute("set timezone = 'Asia/Kathmandu'; set datestyle = 'German, DMY'")
        yield connection


def redact(connection, value, kind, action, prefix=None, suffix=None):
    compiled = connection.execute(
        "select lakeward.redaction_sql('d.v', %s, %s, %s, %s)", [kind, action, prefix, suffix]
    ).fetchone()[0]
    statement = sql.SQL("select {} from (select %s::{} as v) d").format(
        sql.SQL(compiled.replace("%", "%%")), sql.SQL(kind)
    )
    return connection.cursor(binary=True).execute(statement, [value]).fetchone()[0]


MASKS = [
    ("alice@example.com", 2, 4, "al***********.com"),
    ("abcd", 2, 2, "****"),
    ("abc", 2, 2, "***"),
    ("abcde", 2, 2, "ab*de"),
    ("a", 0, 0, "*"),
    ("a", 1, 0, "*"),
    ("ab", 0, 1, "*b"),
    ("ab", 1, 0, "a*"),
    ("", 1, 1, ""),
    (None, 1, 1, None),
    ("😀é😀é😀", 1, 1, "😀***😀"),
    ("e\u0301e\u0301e", 1, 1, "e***e"),
    ("\U0001f468\u200d\U0001f469", 1, 1, "\U0001f468*\U0001f469"),
    ("x" * 3000, 1000, 1000, "x" * 1000 + "*" * 1000 + "x" * 1000),
    (" a\n", 1, 0, " **"),
]


@pytest.mark.parametrize(("value", "prefix", "suffix", "masked"), MASKS)
def test_mask(database, value, prefix, suffix, masked):
    assert redact(database, value, "text", "mask", prefix, suffix) == masked


@pytest.mark.parametrize(
    ("value", "masked"),
    [
        ("Jo@x.org 12-ä", "**@*.*** **-*"),
        ("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ ", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ "),
        ("Ωж漢😀e\u0301\u00a0\t\n", "*********"),
        ("", ""),
        (None, None),
    ],
)
def test_mask_alphanum(database, value, masked):
    assert redact(database, value, "text", "mask_alphanum") == masked


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        ("ä", "text", "ä"),
        ("", "text", ""),
        (-(2**63), "bigint", "-9223372036854775808"),
        (Decimal("1.50"), "numeric", "1.5"),
        (Decimal("100"), "numeric", "100"),
        (Decimal("-0.00"), "numeric", "0"),
        (date(2020, 1, 31), "date", "2020-01-31"),
        (date(1, 1, 1), "date", "0001-01-01"),
    ],
)
def test_hash_is_hmac_sha256_of_the_text(database, value, kind, text):
    expected = hmac.new(KEY, text.encode(), hashlib.sha256).hexdigest()
    assert redact(database, value, kind, "hash") == expected
    assert redact(database, None, kind, "hash") is None


@pytest.mark.parametrize(
    ("value", "kind", "action", "result"),
    [
        (12345, "bigint", "mask", "*****"),
        (Decimal("-1.50"), "numeric", "mask_alphanum", "-*.*"),
        (date(1990, 5, 17), "date", "mask_alphanum", "****-**-**"),
        (date(1990, 5, 17), "date", "truncate_to_year", date(1990, 1, 1)),
        (date(1990, 5, 17), "date", "truncate_to_month", date(1990, 5, 1)),
        (date(9999, 12, 31), "date", "truncate_to_month", date(9999, 12, 1)),
        (datetime(2020, 2, 3, 4, 5), "timestamp", "truncate_to_year", datetime(2020, 1, 1)),
        # in the session's zone it is 2021 already
        (
            datetime(2020, 12, 31, 23, 59, tzinfo=UTC),
            "timestamptz",
            "truncate_to_year",
            datetime(2020, 1, 1, tzinfo=UTC),
        ),
        ("infinity", "date", "truncate_to_year", None),
        ("infinity", "timestamptz", "truncate_to_year", None),
        ("-infinity", "date", "hash", None),
        ("4713-01-01 BC", "date", "mask", None),
        ("5874897-12-31", "date", "truncate_to_month", None),
        ("x", "text", "null", None),
        ("x", "text", None, "x"),
        ("x", "text", "none", "x"),
        (b"x", "bytea", "null", None),
    ],
)
def test_other_types(database, value, kind, action, result):
    assert redact(database, value, kind, action) == result


@pytest.mark.parametrize(
    ("kind", "action", "prefix", "suffix"),
    [
        ("double precision", "hash", None, None),
        ("jsonb", "mask", 1, 1),
        ("text", "truncate_to_year", None, None),
        ("text", "rot13", None, None),
        ("regclass", "none", None, None),
        ("text", "mask", -1, None),
        ("text", "mask", None, 1001),
        ("text", "hash", 1, None),
        ("text", None, None, 1),
    ],
)
def test_postgres_refuses_what_does_not_fit(database, kind, action, prefix, suffix):
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        redact(database, None, kind, action, prefix, suffix)


COLUMN_TYPES = get_args(ColumnType)


@pytest.mark.parametrize("kind", COLUMN_TYPES)
@pytest.mark.parametrize("action", [None, "none", *ACTIONS, "rot13"])
def test_python_and_postgres_know_the_same_types(database, kind, action):
    told = database.execute("select lakeward.redacted_type(%s, %s::text)", [kind, action]).fetchone()
    assert told == (result_type(kind, action),)


def test_every_type_has_a_redaction():
    assert all(result_type(kind, "null") == kind for kind in COLUMN_TYPES)


def test_a_checked_redaction_is_a_frozen_value():
    found = plan_redaction("email", "text", "mask", keep_prefix=2)
    assert found == Redaction("email", "text", "mask", 2, 0, "text")
    with pytest.raises(AttributeError):
        found.action = "hash"  # type: ignore[misc]
    assert plan_redaction("born", "date", "truncate_to_year").result_type == "date"
    assert plan_redaction("born", "date", "hash").result_type == "text"


@pytest.mark.parametrize(
    ("kind", "action", "kept", "says"),
    [
        ("text", "rot13", {}, "no redaction 'rot13'; there are null, hash"),
        ("text", None, {}, "no redaction"),
        ("text", "none", {}, "no redaction"),
        ("double precision", "hash", {}, "use null"),
        ("jsonb", "mask", {}, "use null"),
        ("text[]", "mask_alphanum", {}, "use null"),
        ("text", "truncate_to_year", {}, "use null or hash or mask or mask_alphanum"),
        ("timestamptz", "mask", {}, "use null or truncate_to_year or truncate_to_month"),
        ("text", "hash", {"keep_prefix": 1}, "keep_prefix goes with the redaction mask"),
        ("text", "null", {"keep_suffix": 0}, "keep_suffix goes with"),
        ("text", "mask", {"keep_prefix": -1}, "0 to 1000"),
        ("text", "mask", {"keep_suffix": 1001}, "0 to 1000"),
        ("text", "mask", {"keep_prefix": 1.0}, "whole number"),
        ("text", "mask", {"keep_prefix": True}, "whole number"),
        ("text", "mask", {"keep_prefix": "1"}, "whole number"),
    ],
)
def test_what_does_not_fit_says_what_would(kind, action, kept, says):
    with pytest.raises(InvalidInputError, match=says):
        plan_redaction("secret_column", kind, action, **kept)
