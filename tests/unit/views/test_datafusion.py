"""What is special to the compiler for DataFusion; that it gives the rows of Postgres is tests/doors/test_parity.py."""

import hashlib
import hmac
import struct
from datetime import date
from decimal import Decimal

import pyarrow as pa
import pytest
from datafusion import SessionContext

from app.errors import InternalError
from app.views.datafusion import HmacKey, filter_expression, redaction_expression, register_redactions
from app.views.filter import plan_filter

SECRET = b"s" * 32
KEY = HmacKey(*(bytes(byte ^ mask for byte in SECRET.ljust(64, b"\0")) for mask in (0x36, 0x5C)))


def context_of(**columns: pa.Array) -> SessionContext:
    context = SessionContext()
    register_redactions(context, KEY)
    context.register_record_batches("t", [pa.table(columns).to_batches()])
    return context


def ask(context: SessionContext, expression: str) -> list[object]:
    batches = context.sql(f"select {expression} as x from t").collect()
    return [value for batch in batches for value in batch.column(0).to_pylist()]


def test_the_hash_is_hmac_sha256():
    context = context_of(v=pa.array(["ä", "", None, "ä"]))
    expected = [
        text if text is None else hmac.new(SECRET, text.encode(), hashlib.sha256).hexdigest()
        for text in ("ä", "", None, "ä")
    ]
    assert ask(context, redaction_expression("v", "text", "hash")) == expected


def test_a_reader_of_the_view_cannot_hash_guesses():
    private = context_of(v=pa.array(["alice"]), hidden=pa.array(["x"]))
    frame = private.sql(f"select {redaction_expression('v', 'text', 'hash')} as v from t")
    reader = SessionContext()
    reader.register_table("safe", frame.into_view())
    assert (
        reader.sql("select v from safe where v <> ''").to_pydict()["v"][0]
        == ask(private, redaction_expression("v", "text", "hash"))[0]
    )
    for attack in ("select lakeward_hash('alice')", "select hidden from safe", "select * from t"):
        with pytest.raises(Exception, match=r"Invalid function|No field named|not found"):
            reader.sql(attack).collect()


def test_the_key_is_not_shown():
    assert "s" * 4 not in repr(KEY) + str(KEY) + f"{[KEY]}"
    assert KEY.inner[:4].decode() not in repr(KEY)


def test_every_nan_is_the_same_and_the_largest():
    nans = [struct.unpack("<d", bytes.fromhex(bits))[0] for bits in ("000000000000f87f", "000000000000f8ff")]
    context = context_of(v=pa.array([*nans, 1.0]))
    tree = plan_filter("v > 1e308", {"v": "double precision"}).tree
    assert ask(context, filter_expression(tree)) == [True, True, False]


def test_dates_that_postgres_calls_infinite_or_bc_are_null():
    days = [2**31 - 1, -(2**31), 2_932_897, -719_163, 2_932_896, -719_162]
    context = context_of(v=pa.array(days, pa.date32()))
    expected = [None] * 4 + [date(9999, 1, 1), date(1, 1, 1)]
    assert ask(context, redaction_expression("v", "date", "truncate_to_year")) == expected
    assert ask(context, redaction_expression("v", "date", "mask")) == [None] * 4 + ["*" * 10] * 2


@pytest.mark.parametrize(
    "kind", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]
)
@pytest.mark.parametrize(
    ("action", "result"),
    [("mask", "a***e"), ("mask_alphanum", "*****"), ("null", None), (None, "alice"), ("hash", "7")],
)
def test_text_of_any_arrow_type(kind, action, result):
    context = context_of(v=pa.array(["alice"]).cast(kind))
    kept = (1, 1) if action == "mask" else (0, 0)
    (found,) = ask(context, redaction_expression("v", "text", action, *kept))
    assert found == result if action != "hash" else len(str(found)) == 64
    assert ask(context, filter_expression(plan_filter("lower(v) = 'alice'", {"v": "text"}).tree)) == [True]


@pytest.mark.parametrize(
    ("condition", "expected", "widened"),
    [
        ("p >= -0.5", [True, True, False, True], False),
        ("p > 9999999.985", [False, True, False, False], True),
        ("p < 1e20", [True, True, True, True], True),
        ("p in (1.50, -1000000, 9999999.990)", [False, True, False, True], False),
        ("p in (1.50, -10000000)", [False, False, False, True], True),
        ("p between 0 and 1.5", [True, False, False, True], False),
        ("p = p", [True, True, True, True], False),
        ("p = q", [True, False, False, True], True),
        ("p is distinct from 1.5", [True, True, True, False], False),
        ("coalesce(p, 0) = 0", [True, False, False, False], True),
        ("p = 0 and q = 1.500", [False, False, False, False], False),
    ],
)
def test_decimals_are_compared_as_they_are_where_the_answer_is_the_same(condition, expected, widened):
    values = [Decimal(text) for text in ("0.00", "9999999.99", "-9999999.99", "1.50")]
    context = context_of(
        p=pa.array(values, pa.decimal128(9, 2)),
        q=pa.array([value / 10 if value > 2 else abs(value) for value in values], pa.decimal128(38, 10)),
    )
    tree = plan_filter(condition, {"p": "numeric", "q": "numeric"}).tree
    narrow = filter_expression(tree, {"p": (9, 2), "q": (38, 10)})
    assert ask(context, narrow) == ask(context, filter_expression(tree)) == expected
    assert ("Decimal256" in narrow) is widened


@pytest.mark.parametrize(
    "tree",
    [
        {},
        {"op": "eq"},
        {"op": "eq", "args": []},
        {"op": "eq", "args": [{"column": "a", "type": "text"}]},
        {"op": "random", "args": [{"column": "a", "type": "text"}]},
        {"op": "in", "args": [{"column": "a", "type": "text"}]},
        {"literal": "1", "type": "jsonb"},
        {"literal": "1"},
    ],
)
def test_a_tree_that_is_none_is_refused(tree):
    with pytest.raises(InternalError):
        filter_expression(tree)


def test_an_action_that_does_not_fit_is_refused():
    with pytest.raises(InternalError):
        redaction_expression("v", "jsonb", "hash")
