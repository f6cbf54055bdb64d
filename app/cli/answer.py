"""An answer's rows as a small table: numbers to the right, long texts cut."""

import math
import os
import sys
from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from app.cli.output import duration, excerpt, get_console, printable, say, show_fields

Document = dict[str, Any]

#: More rows than this are for a file; and so many when each is shown below the other.
SHOWN_ROWS, SHOWN_RECORDS = 40, 10
#: A column narrower than this is not readable; then each row is shown below the other.
NARROWEST = 8
#: A text longer than this is cut, however wide the terminal.
WIDEST = 100
NUMBERS = ("int", "uint", "float", "halffloat", "double", "decimal")


def show_answer(answer: Document) -> None:
    """The first rows, and how many there are."""
    names = [printable(column["name"]) for column in answer["columns"]]
    numbers = [is_number(column["type"]) for column in answer["columns"]]
    if not _is_bounded() or len(names) * (NARROWEST + 2) <= get_console().width:
        shown = answer["rows"][:SHOWN_ROWS]
        _show_table(names, numbers, shown)
    else:
        shown = answer["rows"][:SHOWN_RECORDS]
        _show_records(names, numbers, shown)
    show_count(answer, left_out=answer["row_count"] - len(shown))


def _is_bounded() -> bool:
    """Whether lines have a width to keep to: there is a terminal, or somebody said it."""
    return sys.stdout.isatty() or "COLUMNS" in os.environ


def show_count(answer: Document, *, left_out: int = 0) -> None:
    """The line below: what is not shown, how many rows there are, and how long it took."""
    if left_out > 0:
        some = "at least " if answer["truncated"] else ""
        say(f"… and {some}{left_out:,} more row{'s' * (left_out != 1)}: --out FILE has them all", "dim")
    count = answer["row_count"]
    more = ", and there are more" if answer["truncated"] else ""
    say(f"{count:,} row{'s' * (count != 1)}{more}; {duration(answer['duration_ms'])}", "dim")


def is_number(arrow_type: str) -> bool:
    """Whether an Arrow type is one of numbers."""
    return arrow_type.startswith(NUMBERS)


def _show_table(names: Sequence[str], numbers: Sequence[bool], rows: Sequence[Sequence[Any]]) -> None:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name, number in zip(names, numbers, strict=True):
        table.add_column(_cut(name), justify="right" if number else "left")
    for row in rows:
        table.add_row(*(_cell(value, number) for value, number in zip(row, numbers, strict=True)))
    if not rows:
        say("no rows", "dim")
        return
    console = get_console()
    if not _is_bounded():
        console.width = Measurement.get(console, console.options.update(max_width=100_000), table).maximum
    console.print(table)


def _show_records(names: Sequence[str], numbers: Sequence[bool], rows: Sequence[Sequence[Any]]) -> None:
    for number, row in enumerate(rows, 1):
        say(f"row {number}", "bold")
        show_fields(
            [
                (name, None if value in (None, "") else _cell(value, numeric))
                for name, value, numeric in zip(names, row, numbers, strict=True)
            ]
        )


def _cell(value: Any, number: bool) -> Text:
    if value is None:
        return Text("–", style="dim")
    if number:
        return Text(plain_number(value), no_wrap=True, overflow="ellipsis")
    if isinstance(value, bool):
        return Text("yes" if value else "no", no_wrap=True)
    return _cut(value if isinstance(value, str) else printable(value))


def _cut(text: str) -> Text:
    return Text(printable(excerpt(text, WIDEST)), no_wrap=True, overflow="ellipsis")


def plain_number(value: Any) -> str:
    """A number as people write it; a decimal comes as text and keeps its digits."""
    if isinstance(value, float):
        if not math.isfinite(value) or (value and not 0.001 <= abs(value) < 1e15):
            return f"{value:.4g}"
        return f"{value:,.6f}".rstrip("0").rstrip(".")
    if isinstance(value, int):
        return f"{value:,}"
    return printable(value)
