"""Parity: Postgres and DataFusion give the same rows for random safe views.

hypothesis makes tables, row filters in the grammar of `app.views.filter`, and redactions; each filter is compiled by
both compilers and run over the same rows. The session's settings and the text columns' collation are hostile to the
Postgres side: what it answers must not hang on them.

Where the engines differ on the same words, and what was done about it:

- order of text: Postgres orders by the column's collation, DataFusion by bytes. Ordered by collation "C".
- case of letters: ILIKE, lower and upper know other alphabets and other tables in each (ß, İ, ſ, the Kelvin sign, the
  final sigma). ASCII letters only in both, and a literal with another cased letter is refused.
- a backslash in LIKE: Postgres takes it before any character and fails on one at the end when it gets there, Arrow
  takes it before %, _ and itself. The tree has only these; one at the end is refused.
- NaN: the largest number and equal to itself in Postgres; in Arrow a negative NaN is the smallest. One NaN for all.
- -0.0: DataFusion finds it by = 0.0, but not in a list of some numbers. Rows' and literals' are made 0.0.
- numeric: DataFusion brings two decimals to one scale and fails when a value does not fit it. Compared as decimal256.
- numeric's text: Postgres keeps the zeros that were written, Arrow has as many as the column's scale. Without them.
- NaN and infinity in numeric, and more than 38 digits, do not exist in Arrow: an export refuses them.
- length: an int4 in Postgres, an int32 or int64 in DataFusion. A bigint in both.
- trim: spaces only, written out for both.
- dates: Postgres writes them by DateStyle and truncates a date by way of the session's time zone; DataFusion truncates
  by nanoseconds and fails outside the years 1677 to 2262. Written as YYYY-MM-DD, and taken apart.
- infinity and BC: no such thing in Arrow. Redactions give NULL for them in both (tests/unit/views).
- 'today', 'epoch', ' 5 ', '1e3', +05 and other spellings of literals: each type has one, made before the compilers.
- an empty IN is refused; so is NULL as a literal, arithmetic (its overflow is an error in one and wraps in the other),
  casts, and a comparison of two types.
- U+0000 cannot be in a text of Postgres, and so not in a filter.
"""

import itertools
import json
import math
import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from datafusion import SessionContext
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import sql

from app.views.datafusion import HmacKey, filter_expression, redaction_expression, register_redactions
from app.views.filter import plan_filter
from app.views.redaction import ACTIONS, result_type

ORACLE = os.environ.get("LAKEWARD_HYPOTHESIS", "oracle")

TYPES = {
    "text": pa.string(),
    "bigint": pa.int64(),
    "double precision": pa.float64(),
    "numeric": pa.decimal128(38, 10),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", "UTC"),
    "boolean": pa.bool_(),
}
#: Two columns of each type, for they are compared with each other; names that must be quoted among them.
COLUMNS = {f"{kind[0]}{kind[-1]}{n}": kind for kind in TYPES for n in (1, 2)} | {
    "Odd \"Name'": "text",
    "select": "bigint",
    "É": "text",
}
SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        *((name, pa.decimal128(38, 2) if name == "nc1" else TYPES[kind]) for name, kind in COLUMNS.items()),
    ]
)

DECIMALS = {
    field.name: (field.type.precision, field.type.scale)
    for field in SCHEMA
    if pa.types.is_decimal128(field.type)
}
#: Whatever is special in one of the engines; drawn for rows and for literals, so that they meet.
TEXTS = [
    *("", " ", "  a ", "a", "A", "b", "aa", "ab", "aB", "a b", "a%", "a_", "a\\", "\\", "%", "_", "'", '"', "''"),
    *("a\nb", "\t", "*", "[a]", "^-~&&", "é", "É", "e\u0301", "ß", "ẞ", "ss", "İ", "ı", "i", "I", "ſ", "\u212a", "k"),
    *("\u03a9", "\u2126", "ς", "σ", "ǆ", "ﬁ", "漢", "\u00a0", "\u200d", "\ufeff", "\ue000", "😀", "😀é", "👨\u200d👩"),
    *("\uffff", "\U0010ffff", "a" * 300, "0", "1", "-1", "true", "null", "NaN", "2020-01-01"),
]  # fmt: skip
TEXT = st.sampled_from(TEXTS) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12
)
INTEGER = st.sampled_from(
    [0, 1, -1, 5, 12345, 2**31, -(2**31), 2**53 + 1, 2**63 - 1, -(2**63)]
) | st.integers(-(2**63), 2**63 - 1)
FLOAT = st.sampled_from([0.0, -0.0, 1.0, 0.1, -1.5, 5e-324, 1.7976931348623157e308, 2.0**53]) | st.floats(
    allow_nan=False, allow_infinity=False
)
NUMERIC = st.sampled_from(
    ["0", "1", "1.5", "-1.5", "0.1", "100", "100.01", "-0.01", "9999999999999999.99"]
).map(Decimal) | st.decimals(-(10**17), 10**17, places=2)
DATE = (
    st.sampled_from(
        [date(1, 1, 1), date(9999, 12, 31), date(1969, 12, 31), date(1970, 1, 1), date(2020, 2, 29)]
    )
    | st.dates()
)
TIME = st.sampled_from([time(0), time(23, 59, 59, 999999), time(12, 30)]) | st.times()
MOMENTS = [
    *(datetime(1, 1, 2), datetime(1600, 1, 1), datetime(1969, 12, 31, 23, 59, 59, 1), datetime(2020, 2, 29)),
    *(datetime(2300, 12, 31, 23, 59), datetime(9999, 12, 30, 23, 59, 59, 999999)),
]
KEPT = [(0, 0), (1, 0), (0, 1), (1, 1), (2, 3), (1000, 1000)]
MOMENT = st.sampled_from(MOMENTS) | st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30))  # fmt: skip
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "text": TEXT,
    "bigint": INTEGER,
    "double precision": FLOAT,
    "numeric": NUMERIC,
    "date": DATE,
    "time": TIME,
    "timestamp": MOMENT,
    "timestamptz": MOMENT.map(lambda moment: moment.replace(tzinfo=UTC)),
    "boolean": st.booleans(),
}
#: What only rows have.
STORED = VALUES | {
    "double precision": FLOAT | st.sampled_from([math.nan, math.inf, -math.inf]),
}


Row = dict[str, Any]
Actions = list[tuple[str, str | None, int, int]]


class Pools:
    """The few values of each type that one example has, for its rows and its literals: so that they meet."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.stored = {
            kind: draw(st.lists(values, min_size=1, max_size=4)) for kind, values in STORED.items()
        }

    def written(self, kind: str) -> st.SearchStrategy[Any]:
        """What a literal may be."""
        finite = [v for v in self.stored[kind] if not isinstance(v, float) or math.isfinite(v)]
        return st.sampled_from(finite) | VALUES[kind] if finite else VALUES[kind]


@st.composite
def examples(draw: st.DrawFn) -> tuple[list[Row], list[str], Actions]:
    """Rows, texts of row filters, and redactions of all columns."""
    pools = Pools(draw)
    count = draw(st.integers(0, 8))
    columns = {
        name: draw(st.lists(st.sampled_from([*pools.stored[kind], None]), min_size=count, max_size=count))
        for name, kind in COLUMNS.items()
    }
    table = [{"id": n} | {name: values[n] for name, values in columns.items()} for n in range(count)]
    return table, draw(st.lists(filters(pools), min_size=1, max_size=6)), draw(redactions())


def quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def is_folded(text: str) -> bool:
    return all(c.isascii() or (c.lower() == c and c.upper() == c) for c in text)


def literals(kind: str, values: st.SearchStrategy[Any], *, folded: bool = False) -> st.SearchStrategy[str]:
    """Literals of a type as a person writes them."""
    match kind:
        case "text":
            return (values.filter(is_folded) if folded else values).map(quote)
        case "boolean":
            return values.map(lambda value: "true" if value else "FALSE")
        case "date":
            return values.map(lambda value: f"date '{value}'") | values.map(lambda value: f"'{value}'")
        case "timestamptz":
            return values.map(lambda value: f"'{value}'") | st.just("'2020-02-29 05:30:00+05:30'")
        case "time" | "timestamp":
            return values.map(lambda value: f"{kind} '{value}'") | values.map(lambda value: f"'{value}'")
        case "numeric":
            return values.map(lambda value: f"{value:f}") | st.sampled_from(
                ["0.00", "1.5e0", "1e-37", "9" * 38]
            )
        case _:
            return values.map(repr)


def names(kind: str) -> st.SearchStrategy[str]:
    return st.sampled_from(
        ['"' + name.replace('"', '""') + '"' for name, its in COLUMNS.items() if its == kind]
    )


def values_of(kind: str, pools: Pools) -> st.SearchStrategy[tuple[str, bool]]:
    """A column or a function, with whether lower or upper is in it."""
    column = names(kind).map(lambda name: (name, False))
    if kind == "bigint":
        return column | values_of("text", pools).map(lambda value: (f"length({value[0]})", value[1]))
    if kind != "text":
        return column | st.tuples(names(kind), literals(kind, pools.written(kind))).map(
            lambda p: (f"coalesce({p[0]}, {p[1]})", False)
        )
    folded = st.recursive(
        column,
        lambda inner: st.one_of(
            inner.map(lambda value: (f"lower({value[0]})", True)),
            inner.map(lambda value: (f"UPPER({value[0]})", True)),
            inner.map(lambda value: (f"trim({value[0]})", value[1])),
        ),
        max_leaves=2,
    )
    first = st.tuples(folded, folded).map(lambda p: (f"coalesce({p[0][0]}, {p[1][0]})", p[0][1] or p[1][1]))
    return folded | first | first.map(lambda value: (f"trim({value[0]})", value[1]))


@st.composite
def comparisons(draw: st.DrawFn, pools: Pools) -> str:
    """One comparison, of a type that is drawn first."""
    kind = draw(st.sampled_from([*TYPES, "text", "text"]))
    value, folded = draw(values_of(kind, pools))
    literal = literals(kind, pools.written(kind), folded=folded)
    other = st.one_of(literal, literal, names(kind))
    negated = draw(st.sampled_from(["", "not "]))
    forms = ["=", "<>", "is distinct from", "is not distinct from", "in", "null"]
    forms += [] if kind == "boolean" else ["<", "<=", ">", ">=", "between"]
    forms += ["like", "ilike", "like"] if kind == "text" else []
    match form := draw(st.sampled_from(forms)):
        case "in":
            listed = draw(st.lists(literal, min_size=1, max_size=6))
            return f"{value} {negated}in ({', '.join(listed)})"
        case "between":
            return f"{value} {negated}between {draw(other)} and {draw(other)}"
        case "null":
            return f"{value} is {negated}null"
        case "like" | "ilike":
            return f"{value} {negated}{form} {quote(draw(patterns(pools, folded or form == 'ilike')))}"
        case _ if draw(st.booleans()) or folded:
            return f"{value} {form} {draw(other)}"
        case _:
            return f"{draw(literal)} {form} {value}"


def patterns(pools: Pools, folded: bool) -> st.SearchStrategy[str]:
    piece = st.sampled_from(
        ["%", "_", "\\%", "\\_", "\\\\", "\\a", "\\é", "a", "A", "é", "😀", "%%", "*", ".", "\n"]
    )
    text = pools.written("text").map(lambda text: text.replace("\\", "\\\\"))
    made = st.lists(piece | text, max_size=4).map("".join)
    return made.filter(is_folded) if folded else made


def filters(pools: Pools) -> st.SearchStrategy[str]:
    """Texts of row filters."""
    flag = names("boolean") | st.sampled_from(["true", "false"])
    return st.recursive(
        comparisons(pools) | comparisons(pools) | flag,
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from([" and ", " OR "]), inner).map(
                lambda p: f"({p[0]}){p[1]}({p[2]})"
            ),
            st.tuples(inner, st.sampled_from([" and ", " or "]), inner).map("".join),
            inner.map(lambda text: f"not ({text})"),
            st.tuples(inner, st.sampled_from(["is true", "is not true", "is false", "is not false"])).map(
                lambda p: f"({p[0]}) {p[1]}"
            ),
        ),
        max_leaves=6,
    )


@st.composite
def redactions(draw: st.DrawFn) -> Actions:
    """For each column an action that fits its type, with keep_prefix and keep_suffix."""
    chosen: Actions = []
    for name, kind in COLUMNS.items():
        action = draw(st.sampled_from([None, *fitting(kind)]))
        keep = st.sampled_from([0, 1, 2, 3, 1000])
        chosen.append((name, action, *((draw(keep), draw(keep)) if action == "mask" else (0, 0))))
    return chosen


def fitting(kind: str) -> list[str]:
    return [action for action in ACTIONS if result_type(kind, action)]


class Engines:
    """The same rows in both engines, and what each makes of filters and redactions."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        key = connection.execute("select hmac_inner, hmac_outer from lakeward.secret").fetchone()
        self._key = HmacKey(*key)
        self._by_language = orders_by_language(connection)
        collation = sql.SQL("collate unicode" if self._by_language else "")
        columns = sql.SQL(", ").join(
            sql.SQL("{} {} {}").format(
                sql.Identifier(name), sql.SQL(kind), collation if kind == "text" else sql.SQL("")
            )
            for name, kind in ({"id": "bigint"} | COLUMNS).items()
        )
        connection.execute(sql.SQL("create table lake.parity ({})").format(columns))
        connection.execute("set timezone = 'UTC'; set datestyle = 'German, DMY'")

    def load(self, table: list[Row]) -> None:
        """Make these the rows of both."""
        self._connection.execute("truncate lake.parity")
        with self._connection.cursor().copy("copy lake.parity from stdin (format binary)") as copy:
            copy.set_types(["int8", *COLUMNS.values()])
            for row in table:
                copy.write_row([row.get(field.name) for field in SCHEMA])
        self._context = SessionContext()
        register_redactions(self._context, self._key)
        batches = pa.Table.from_pylist(table, SCHEMA).to_batches()
        self._context.register_record_batches("parity", [batches or [pa.RecordBatch.from_pylist([], SCHEMA)]])

    def differences(self, texts: list[str], actions: Actions) -> list[Any]:
        """Where they differ: in a filter's truth for a row, in the rows that it lets through, in a redacted value."""
        trees = [plan_filter(text, COLUMNS).tree for text in texts]
        in_postgres = [
            self._value("select lakeward.filter_sql(%s::jsonb)", json.dumps(tree)) for tree in trees
        ]
        # with the columns' own types and without, which must be the same
        in_datafusion = [filter_expression(tree, DECIMALS if n % 2 else None) for n, tree in enumerate(trees)]
        redact = "select lakeward.redaction_sql(format('d.%%I', %s::text), %s, %s, %s, %s)"
        for name, action, prefix, suffix in actions:
            redaction = (COLUMNS[name], action, prefix, suffix)
            in_postgres.append(self._value(redact, name, *redaction))
            in_datafusion.append(redaction_expression(name, *redaction))
        found = []
        # both engines have a limit to the columns of one answer, and neither is fast near it
        for n in range(0, len(in_postgres), 50):
            labels = [*texts, *actions][n : n + 50]
            pairs = zip(
                self._ask_postgres(in_postgres[n : n + 50]),
                self._ask_datafusion(in_datafusion[n : n + 50]),
                strict=True,
            )
            for one, other in pairs:
                found += [
                    (label, {"postgres": a, "datafusion": b})
                    for label, a, b in zip(["id", *labels], one, other, strict=True)
                    if a != b and not (a != a and b != b)
                ]
        for text, one, other in zip(texts, in_postgres, in_datafusion, strict=False):
            passed, also = self._ask_postgres([], one), self._ask_datafusion([], other)
            found += [] if passed == also else [(text, {"postgres": passed, "datafusion": also})]
        return found

    def misread(self, texts: list[str]) -> list[str]:
        """Texts that Postgres reads otherwise than the parser and the compiler do, where they should agree."""
        found = []
        for text in texts:
            if self._by_language or any(word in text.lower() for word in ("lower(", "upper(", "ilike")):
                continue  # these are the ones that mean something else here, see the head of this file
            tree = plan_filter(text, COLUMNS).tree
            compiled = self._value("select lakeward.filter_sql(%s::jsonb)", json.dumps(tree))
            found += [text] if self._ask_postgres([], f"({text}) is distinct from ({compiled})") else []
        return found

    def _value(self, statement: str, *parameters: Any) -> Any:
        return self._connection.execute(statement, parameters).fetchone()[0]

    def _ask_postgres(self, shown: list[str], condition: str = "true") -> list[tuple[Any, ...]]:
        statement = f"select {', '.join(['d.id', *shown])} from lake.parity d where {condition} order by d.id"
        # in binary, because psycopg does not read every DateStyle
        return self._connection.cursor(binary=True).execute(statement.encode()).fetchall()

    def _ask_datafusion(self, shown: list[str], condition: str = "true") -> list[tuple[Any, ...]]:
        named = ", ".join(["id", *(f"{expression} as c{n}" for n, expression in enumerate(shown))])
        batches = self._context.sql(f"select {named} from parity where {condition}").collect()
        found = [tuple(row.values()) for batch in batches for row in batch.to_pylist()]
        return sorted(found, key=lambda row: row[0])


def orders_by_language(connection: psycopg.Connection[Any]) -> bool:
    """Whether the server was built with ICU; the embedded one was not, and orders by code point anyhow."""
    try:
        found = connection.execute("select 'a' < 'B' collate unicode").fetchone()
    except (psycopg.errors.FeatureNotSupported, psycopg.errors.UndefinedObject):
        return False
    return found == (True,)


@pytest.fixture(scope="module")
def engines(clone) -> Iterator[Engines]:
    with clone() as deployed, deployed.connect("owner") as connection:
        yield Engines(connection)


@pytest.mark.timeout(1800)
@settings.get_profile(ORACLE)
@given(example=examples())
def test_the_engines_give_the_same_rows(engines, example):
    table, texts, actions = example
    engines.load(table)
    assert engines.differences(texts, actions) == []
    assert engines.misread(texts) == []


#: What random examples meet too rarely: each special value with each other one.
SPECIAL: dict[str, list[Any]] = {
    "text": TEXTS,
    "bigint": [0, 1, -1, 5, 12345, 2**53, 2**53 + 1, 2**63 - 1, -(2**63)],
    "double precision": [0.0, -0.0, 1.0, -1.5, 0.1, 5e-324, 1.7976931348623157e308, math.nan, math.inf, -math.inf],
    "numeric": [Decimal(n) for n in ("0", "1", "1.5", "-1.5", "0.1", "100", "100.01", "-0.01", "9999999999999999.99")],
    "date": [date(1, 1, 1), date(1600, 1, 1), date(1969, 12, 31), date(2020, 2, 29), date(9999, 12, 31)],
    "time": [time(0), time(12, 30), time(23, 59, 59, 999999)],
    "timestamp": MOMENTS,
    "timestamptz": [moment.replace(tzinfo=UTC) for moment in MOMENTS],
    "boolean": [True, False],
}  # fmt: skip


def spell(kind: str, value: Any) -> str:
    if kind == "numeric":
        return f"{value:f}"
    return repr(value).lower() if kind in ("bigint", "double precision", "boolean") else quote(str(value))


def list_filters(kind: str, one: str, two: str) -> list[str]:
    """Every operator over two columns of a type, and over one column and each special value."""
    operators = ["=", "<>", "is distinct from", "is not distinct from"]
    operators += [] if kind == "boolean" else ["<", "<=", ">", ">="]
    values = [v for v in SPECIAL[kind] if not isinstance(v, float) or math.isfinite(v)]
    spelled = [spell(kind, value) for value in values]
    texts = [f"{one} {operator} {other}" for operator in operators for other in (two, *spelled)]
    texts += [f"{one} in ({literal})" for literal in spelled]
    texts += [f"{one} not in ({', '.join(spelled[n::2])})" for n in (0, 1)] + [f"{one} is null"]
    if kind != "boolean":
        texts += [f"{one} between {literal} and {two}" for literal in spelled]
    if kind == "text":
        texts += [f"{function}({one}) {operator} {function}({two})" for function in ("lower", "upper", "trim")
                  for operator in ("=", "<")]  # fmt: skip
        texts += [f"length({one}) {operator} length({two})" for operator in ("=", "<")]
        for value in values:
            texts += [
                f"{one} like {quote(value.replace(chr(92), chr(92) * 2))}",
                f"{one} like {quote('%' + value + '%')}",
            ]
            if is_folded(value):
                texts += [f"{one} ilike {quote('%' + value + '%')}", f"lower({one}) = {quote(value)}"]
    return texts


@pytest.mark.parametrize("kind", SPECIAL)
def test_special_values_meet(engines, kind):
    one, two = [name for name, its in COLUMNS.items() if its == kind][:2]
    values = [*SPECIAL[kind], None]
    actions = [
        (one, action, *kept)
        for action in fitting(kind)
        for kept in KEPT
        if action == "mask" or kept == (0, 0)
    ]
    # of a scale that the other column's values do not have room for
    first = [*values, Decimal("9" * 36 + ".99")] if kind == "numeric" else values
    engines.load([{"id": n, one: a, two: b} for n, (a, b) in enumerate(itertools.product(first, values))])
    assert engines.differences(list_filters(kind, one, two), actions)[:5] == []
