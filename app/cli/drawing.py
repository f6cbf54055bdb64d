"""A chart as lines of text: bars of eighths of a character, a line of braille dots; or both in plain ASCII."""

import math
from collections.abc import Iterable, Iterator
from itertools import pairwise

from rich.cells import cell_len, set_cell_size

from app.cli.answer import plain_number
from app.cli.chart import Chart

HEIGHT = 15
NARROWEST = 10
_EIGHTHS = " ▏▎▍▌▋▊▉"
#: The dots of a braille character: two columns of four rows.
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


def draw_chart(chart: Chart, width: int, *, plain: bool) -> list[str]:
    """The lines, none wider than `width` characters where that is at least 40; `plain` is ASCII alone."""
    return _draw_bars(chart, width, plain) if chart.form == "bar" else _draw_line(chart, width, plain)


def _draw_bars(chart: Chart, width: int, plain: bool) -> list[str]:
    figures = [plain_number(value) for value in chart.heights]
    beside = max(map(len, figures))
    names = min(max(map(cell_len, chart.labels)), max(width // 3, NARROWEST))
    room = max(width - names - beside - 2, NARROWEST)
    # shares of the largest, because the difference of two floats can be more than any float
    largest = max(map(abs, chart.heights)) or 1.0
    shares = [value / largest for value in chart.heights]
    low, high = min(0.0, *shares), max(0.0, *shares)
    scale = room / (high - low) if high > low else 0.0
    lines = []
    for label, value, figure in zip(chart.labels, shares, figures, strict=True):
        bar = _bar((min(value, 0.0) - low) * scale, (max(value, 0.0) - low) * scale, plain)
        lines.append(f"{_fit(label, names, plain)} {bar:<{room}} {figure:>{beside}}")
    return lines


def _bar(begin: float, end: float, plain: bool) -> str:
    """From one place to another; whole characters at its beginning, an eighth more or less at its end."""
    before = round(begin)
    if plain:
        return " " * before + "#" * (round(end) - before)
    eighths = round((end - before) * 8)
    if eighths <= 0:
        eighths = int(end > begin)
    return " " * before + "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def _fit(label: str, width: int, plain: bool) -> str:
    if cell_len(label) <= width:
        return set_cell_size(label, width)
    return set_cell_size(label, width - 1) + ("~" if plain else "…")


def _draw_line(chart: Chart, width: int, plain: bool) -> list[str]:
    low, high = min(chart.heights), max(chart.heights)
    scale = [plain_number(_rounded(value, high - low)) for value in (high, (low + high) / 2, low)]
    beside = max(map(len, scale))
    room = max(width - beside - 2, NARROWEST)
    across, down = (1, 1) if plain else (2, 4)
    first, last = chart.positions[0], chart.positions[-1]
    points = [
        (
            _place(position, first, last, room * across),
            HEIGHT * down - 1 - _place(value, low, high, HEIGHT * down),
        )
        for position, value in zip(chart.positions, chart.heights, strict=True)
    ]
    marks = dict(zip((0, HEIGHT // 2, HEIGHT - 1), scale, strict=True))
    lines = [
        f"{marks.get(number, ''):>{beside}} {'|' if plain else '│'}{row}"
        for number, row in enumerate(_paint(_connect(points), room, plain))
    ]
    lines.append(" " * (beside + 1) + ("+" + "-" * room if plain else "└" + "─" * room))
    lines.append(" " * (beside + 2) + _ends(chart.labels[0], chart.labels[-1], room))
    return lines


def _rounded(value: float, span: float) -> float:
    """To about four digits of what is between the lowest and the highest."""
    if not 0 < span < math.inf:
        return value
    # 0.0 is added because a rounded value may be -0.0
    return round(value, max(0, 3 - math.floor(math.log10(span)))) + 0.0


def _place(value: float, low: float, high: float, steps: int) -> int:
    # halves, because the difference of two floats can be more than the largest of them
    span = high / 2 - low / 2
    return min(steps - 1, int((value / 2 - low / 2) / span * (steps - 1) + 0.5)) if span > 0 else steps // 2


def _connect(points: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Every dot on the way from one point to the next."""
    yield points[0]
    for (left, top), (right, bottom) in pairwise(points):
        steps = max(abs(right - left), abs(bottom - top))
        for step in range(1, steps + 1):
            yield left + round((right - left) * step / steps), top + round((bottom - top) * step / steps)


def _paint(dots: Iterable[tuple[int, int]], room: int, plain: bool) -> list[str]:
    cells = [[0] * room for _ in range(HEIGHT)]
    for x, y in dots:
        if plain:
            cells[y][x] = 1
        else:
            cells[y // 4][x // 2] |= _DOTS[y % 4][x % 2]
    return ["".join(_character(cell, plain) for cell in row).rstrip() for row in cells]


def _character(cell: int, plain: bool) -> str:
    if not cell:
        return " "
    return "*" if plain else chr(0x2800 + cell)


def _ends(first: str, last: str, room: int) -> str:
    if first == last or cell_len(first) + cell_len(last) + 1 > room:
        return first
    return first + " " * (room - cell_len(first) - cell_len(last)) + last
