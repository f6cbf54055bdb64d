"""A bar or a line in the terminal, chosen by what the answer's columns are."""

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from itertools import pairwise
from typing import Any, Literal

import msgspec

from app.cli.answer import is_number
from app.cli.output import excerpt, printable
from app.errors import InvalidInputError

Document = dict[str, Any]
Kind = Literal["time", "number", "category", "other"]

MAX_BARS, MAX_POINTS = 40, 10_000
TIMES = ("date", "timestamp", "time32", "time64")


class Chart(msgspec.Struct, frozen=True):
    """What is drawn: a value per label as bars, or values along a number or a time as a line. Nulls are left out."""

    form: Literal["bar", "line"]
    along: str
    values: str
    labels: list[str]
    #: Where a point of a line is, ascending; empty for bars.
    positions: list[float]
    heights: list[float]
    left_out: int


def plan_chart(answer: Document) -> Chart:
    """The chart that fits the columns: a line along the first time, else bars for the first text, else a line along
    the first number; its height is the first number that is left.

    Raises:
        InvalidInputError: the columns or the rows are no chart; the message says which would be.
    """
    columns: list[Document] = answer["columns"]
    kinds = [_kind(column["type"]) for column in columns]
    along = next((kinds.index(kind) for kind in ("time", "category", "number") if kind in kinds), -1)
    height = next((i for i, kind in enumerate(kinds) if kind == "number" and i != along), -1)
    if along < 0 or height < 0:
        have = ", ".join(f"{printable(column['name'])} ({column['type']})" for column in columns)
        raise InvalidInputError(
            "a chart needs a number column, and beside it one of texts (bars), of times or of numbers (a line); "
            f"this answer has {have}"
        )
    rows = [(row[along], row[height]) for row in answer["rows"]]
    _check_size(len(rows), bars=kinds[along] == "category", truncated=answer["truncated"])
    chart = _plan_bars(rows) if kinds[along] == "category" else _plan_line(rows, columns[along]["name"])
    if not chart.heights:
        raise InvalidInputError("a chart needs rows whose values are not all null; this answer has none")
    return msgspec.structs.replace(chart, along=columns[along]["name"], values=columns[height]["name"])


def _kind(arrow_type: str) -> Kind:
    if is_number(arrow_type):
        return "number"
    if arrow_type.startswith(TIMES):
        return "time"
    return "category" if arrow_type in ("string", "large_string", "bool") else "other"


def _check_size(count: int, *, bars: bool, truncated: bool) -> None:
    most = MAX_BARS if bars else MAX_POINTS
    if count > most or truncated:
        what = f"at most {most:,} bars" if bars else f"at most {most:,} points"
        have = f"{'more than ' if truncated else ''}{count:,}"
        raise InvalidInputError(
            f"a chart has {what}, and this answer has {have} rows; group by something coarser, or add a limit"
        )


def _plan_bars(rows: Sequence[tuple[Any, Any]]) -> Chart:
    kept = [(_label(label), found) for label, value in rows if (found := _number(value)) is not None]
    return Chart(
        form="bar",
        along="",
        values="",
        labels=[label for label, _ in kept],
        positions=[],
        heights=[value for _, value in kept],
        left_out=len(rows) - len(kept),
    )


def _plan_line(rows: Sequence[tuple[Any, Any]], name: str) -> Chart:
    kept = sorted(
        (position, found, _label(place))
        for place, value in rows
        if (found := _number(value)) is not None and (position := _position(place)) is not None
    )
    for before, after in pairwise(kept):
        if before[0] == after[0]:
            raise InvalidInputError(
                f"a line has one value for each {printable(name)}, and {after[2]} is there more than once; group by it"
            )
    return Chart(
        form="line",
        along="",
        values="",
        labels=[label for _, _, label in kept],
        positions=[position for position, _, _ in kept],
        heights=[value for _, value, _ in kept],
        left_out=len(rows) - len(kept),
    )


def _label(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None else printable(excerpt(str(value), 60))


def _number(value: Any) -> float | None:
    """Decimals come as texts."""
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def _position(value: Any) -> float | None:
    if not isinstance(value, str) or (number := _number(value)) is not None:
        return _number(value) if not isinstance(value, str) else number
    for kind in (date, datetime, time):
        try:
            found = kind.fromisoformat(value)
        except ValueError:
            continue
        if isinstance(found, datetime):
            return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
        if isinstance(found, date):
            return float(found.toordinal())
        return found.hour * 3600 + found.minute * 60 + found.second + found.microsecond / 1e6
    return None
