"""What people see: tables that fit the terminal, plain ones when there is none, and nothing that steers a terminal."""

import json
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import rich_click as click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

#: Cf is format characters: direction overrides, joiners; Cc is control characters: escape sequences begin with one.
_UNPRINTABLE = {"Cc", "Cf", "Cs", "Co"}


def printable(value: Any, *, lines: bool = False) -> str:
    """A value as text in which control and direction characters are spelt out; `lines` keeps line breaks and tabs."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    if text.isascii() and text.isprintable():
        return text
    keep = "\n\t" if lines else ""
    return "".join(
        char if char in keep or unicodedata.category(char) not in _UNPRINTABLE else _spelt(char)
        for char in text
    )


def _spelt(char: str) -> str:
    return {"\n": "⏎", "\t": " ", "\r": "␍"}.get(char) or f"\\x{ord(char):02x}"


def get_console(*, stderr: bool = False) -> Console:
    """A console on stdout or stderr as they are now."""
    return Console(stderr=stderr, highlight=False, soft_wrap=False)


def show_json(document: Any) -> None:
    """The document as it came; indented when a person reads it."""
    click.echo(json.dumps(document, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None))


def show_table(
    headers: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    none: str = "nothing here yet",
    whole: bool = False,
) -> None:
    """A table; cells are folded, never cut. A header that ends in `#` is a column of numbers.

    With `whole` they are not folded: where the terminal is too narrow, lines are longer than it.
    """
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for header in headers:
        number = header.endswith("#")
        table.add_column(
            header.removesuffix("#"), justify="right" if number else "left", no_wrap=number, overflow="fold"
        )
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    console = get_console()
    if whole:
        unlimited = console.options.update(max_width=sys.maxsize)
        console.width = max(console.width, Measurement.get(console, unlimited, table).maximum)
    console.print(table if table.row_count else Text(none, style="dim"))


def show_fields(fields: Sequence[tuple[str, Any]]) -> None:
    """Names and values of one thing, below each other; those that are empty are left out."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in fields:
        if value not in (None, "", [], {}):
            table.add_row(name, _cell(value))
    get_console().print(table)


def say(text: str, style: str = "") -> None:
    """One line to the person; style only where there is a terminal."""
    get_console().print(Text(printable(text), style=style), soft_wrap=True)


def note(text: str) -> None:
    """One line to stderr, beside the answer."""
    click.echo(printable(text), err=True)


def _cell(value: Any) -> Text:
    if isinstance(value, Text):
        return value
    if value is None:
        return Text("–", style="dim")
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    if isinstance(value, int):
        return Text(f"{value:,}")
    if isinstance(value, float):
        return Text(f"{value:,.3f}".rstrip("0").rstrip("."))
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return Text(", ".join(printable(item) for item in value))
    return Text(printable(value))


def moment(value: str | None) -> str | None:
    """A time of the API in this machine's zone, to the minute."""
    if value is None:
        return None
    return datetime.fromisoformat(value).astimezone().strftime("%Y-%m-%d %H:%M")


def duration(milliseconds: float) -> str:
    """A duration as people say it."""
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms" if milliseconds >= 10 else f"{milliseconds:.1f} ms"
    seconds = milliseconds / 1000
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds // 60)} min {int(seconds % 60)} s"


def excerpt(text: str, limit: int = 280) -> str:
    """The beginning of a text on one line."""
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else flat[: limit - 1].rstrip() + "…"
