"""Random worlds, and what a reader must see of them: the policy spelled out again, in Python, over the raw rows."""

import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeAlias

import msgspec

Row: TypeAlias = dict[str, Any]
#: Three-valued, as SQL's conditions are.
Truth: TypeAlias = bool | None

TYPES = {
    "id": "bigint",
    "name": "text",
    "mail": "text",
    "born": "date",
    "pay": "bigint",
    "score": "double precision",
    "team": "text",
    "active": "boolean",
    "rate": "numeric",
    "hired": "timestamptz",
}
LEVELS = ("public", "internal", "confidential", "restricted")
#: What fits a type, beside `null`, which fits all.
ACTIONS: dict[str, tuple[str, ...]] = {
    "text": ("hash", "mask", "mask_alphanum"),
    "bigint": ("hash", "mask", "mask_alphanum"),
    "numeric": ("hash", "mask", "mask_alphanum"),
    "date": ("hash", "mask", "mask_alphanum", "truncate_to_year", "truncate_to_month"),
    "timestamptz": ("truncate_to_year", "truncate_to_month"),
}
NAMES = ["Ada", "Ådne Ø", "", "李明", "O'Brien", "x", "zoë\u0301", "🦊🦊 fox", "a_b%c", 'q"uote', "Ada"]
TEAMS = ["red", "blue", "Red", None]
HIRED = datetime(1995, 12, 31, 23, 59, 59, tzinfo=UTC)
PLAIN = set(" !\"#$%&'()*+,./:;<=>?@[\\]^_`{|}~-")


class Redaction(msgspec.Struct, frozen=True):
    """What becomes of a column; without an action it is shown as it is."""

    action: str | None = None
    prefix: int = 0
    suffix: int = 0

    def request(self) -> dict[str, Any]:
        """As the API takes it."""
        kept = {"keep_prefix": self.prefix, "keep_suffix": self.suffix} if self.action == "mask" else {}
        return {"action": self.action, **kept}


class Key(msgspec.Struct, frozen=True):
    """The deployment's key of `hash`, as the database keeps it."""

    inner: bytes
    outer: bytes


class Policy(msgspec.Struct, frozen=True):
    """What one reader sees of one relation: columns in order with what becomes of each, and which rows."""

    relation: str
    columns: dict[str, Redaction]
    keeps: Callable[[Row], Truth]


def make_rows(source: random.Random, count: int) -> list[Row]:
    """Rows with nulls, empty texts, other alphabets and doubles."""
    return [
        {
            "id": number * 7 + 1,
            "name": source.choice(NAMES),
            "mail": None if source.random() < 0.1 else f"p{number}@example.org",
            "born": None if source.random() < 0.1 else date(1950, 1, 1) + timedelta(source.randrange(20_000)),
            "pay": source.choice([None, 0, -5, 10, 999, 10**12]),
            "score": source.choice([None, 0.5, -1.25, 3.0]),
            "team": source.choice(TEAMS),
            "active": source.choice([True, False, None]),
            # two digits each, so that a column of them has one scale in every engine
            "rate": source.choice([None, Decimal("0.25"), Decimal("-3.75"), Decimal("123456789.01")]),
            "hired": source.choice([None, HIRED + timedelta(seconds=source.randrange(10**9))]),
        }
        for number in range(count)
    ]


def redact(value: Any, redaction: Redaction, key: Key) -> Any:
    """The value as a reader sees it. NULL is NULL to every action."""
    if value is None or redaction.action == "null":
        return None
    text = value.isoformat() if isinstance(value, date) else str(value)
    match redaction.action:
        case None:
            return value
        case "hash":
            inner = hashlib.sha256(key.inner + text.encode()).digest()
            return hashlib.sha256(key.outer + inner).hexdigest()
        case "mask":
            kept = redaction.prefix + redaction.suffix
            if len(text) <= kept:
                return "*" * len(text)
            end = text[len(text) - redaction.suffix :] if redaction.suffix else ""
            return text[: redaction.prefix] + "*" * (len(text) - kept) + end
        case "mask_alphanum":
            return "".join(character if character in PLAIN else "*" for character in text)
        case "truncate_to_year" | "truncate_to_month":
            midnight = (
                {"hour": 0, "minute": 0, "second": 0, "microsecond": 0} if isinstance(value, datetime) else {}
            )
            return value.replace(
                day=1, **midnight, **({"month": 1} if redaction.action == "truncate_to_year" else {})
            )
    raise AssertionError(redaction.action)


def expect(policy: Policy, rows: Sequence[Row], key: Key) -> Iterator[Row]:
    """The relation's rows as the policy shows them."""
    for row in rows:
        if policy.keeps(row) is True:
            yield {name: redact(row[name], redaction, key) for name, redaction in policy.columns.items()}


def make_redaction(source: random.Random, column: str) -> Redaction:
    """A random one that fits; a third of them none."""
    fitting = ["null", *ACTIONS.get(TYPES[column], ())]
    action = source.choice([None] * (len(fitting) // 2 + 1) + fitting)
    if action == "mask":
        return Redaction(action, source.randrange(4), source.randrange(4))
    return Redaction(action)


def make_filter(source: random.Random, depth: int = 2) -> tuple[str, Callable[[Row], Truth]]:
    """A row filter as text, and the same in Python."""
    if depth and source.random() < 0.6:
        left, holds_left = make_filter(source, depth - 1)
        right, holds_right = make_filter(source, depth - 1)
        match source.choice(["and", "or", "not"]):
            case "and":
                return f"({left}) and ({right})", lambda row: _and(holds_left(row), holds_right(row))
            case "or":
                return f"({left}) or ({right})", lambda row: _or(holds_left(row), holds_right(row))
            case _:
                return f"not ({left})", lambda row: _not(holds_left(row))
    return source.choice(ATOMS)


def _not(value: Truth) -> Truth:
    return None if value is None else not value


def _and(left: Truth, right: Truth) -> Truth:
    if left is False or right is False:
        return False
    return None if left is None or right is None else True


def _or(left: Truth, right: Truth) -> Truth:
    return _not(_and(_not(left), _not(right)))


def _known(column: str, holds: Callable[[Any], bool]) -> Callable[[Row], Truth]:
    return lambda row: None if row[column] is None else holds(row[column])


ATOMS: list[tuple[str, Callable[[Row], Truth]]] = [
    ("team = 'red'", _known("team", lambda v: v == "red")),
    ("team <> 'blue'", _known("team", lambda v: v != "blue")),
    ("team in ('red', 'Red')", _known("team", lambda v: v in ("red", "Red"))),
    ("team is null", lambda row: row["team"] is None),
    ("team is distinct from 'red'", lambda row: row["team"] != "red"),
    ("lower(team) = 'red'", _known("team", lambda v: v.lower() == "red")),
    ("name like 'A%'", _known("name", lambda v: v.startswith("A"))),
    ("name > 'O'", _known("name", lambda v: v > "O")),
    ("length(name) = 3", _known("name", lambda v: len(v) == 3)),
    ("pay between 0 and 999", _known("pay", lambda v: 0 <= v <= 999)),
    ("pay > 10", _known("pay", lambda v: v > 10)),
    ("score < 1.0", _known("score", lambda v: v < 1.0)),
    ("born >= '1980-01-01'", _known("born", lambda v: v >= date(1980, 1, 1))),
    ("active", lambda row: row["active"]),
    ("mail is not null", lambda row: row["mail"] is not None),
    ("rate > 0.2", _known("rate", lambda v: v > Decimal("0.2"))),
    (
        "hired is null or team = 'blue'",
        lambda row: _or(row["hired"] is None, _known("team", lambda v: v == "blue")(row)),
    ),
    ("id <> 8", _known("id", lambda v: v != 8)),
    ("true", lambda row: True),
]
