"""A picture of measurements: recall against time as SVG, for people. Nothing is loaded to draw it or to show it."""

import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from xml.sax.saxutils import escape

import msgspec

from app.profiles.models import HnswConfig
from app.trials.labels import place_labels
from app.trials.models import Measurement
from app.trials.plan import pick_best

WIDTH, HEIGHT = 860, 520
LEFT, RIGHT, TOP, BOTTOM = 76, 216, 56, 64
#: Told apart by people who do not see colours as most do (Okabe and Ito 2008).
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#5b5b5b")
STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


class Axis(msgspec.Struct, frozen=True):
    """From `low` to `high`, with a tick at each `step`, drawn between two places of the picture."""

    low: float
    high: float
    step: float
    begin: float
    end: float

    def place(self, value: float) -> float:
        """Where it is drawn."""
        return self.begin + (value - self.low) / (self.high - self.low) * (self.end - self.begin)

    def ticks(self) -> list[float]:
        """The values that are written beside it."""
        count = math.floor((self.high - self.low) / self.step + 1e-9)
        return [self.low + number * self.step for number in range(count + 1)]


def plan_axis(low: float, high: float, begin: float, end: float, ticks: int = 8) -> Axis:
    """Round steps, and a low end at one of them."""
    span = max(high - low, 1e-6)
    magnitude = 10.0 ** math.floor(math.log10(span / ticks))
    step = next(factor * magnitude for factor in STEPS if span / (factor * magnitude) <= ticks)
    return Axis(low=math.floor(low / step + 1e-9) * step, high=low + span, step=step, begin=begin, end=end)


class Tuning(msgspec.Struct, frozen=True):
    """The recall that an autotune was to reach, and the config that it chose, when one did."""

    target: float
    chosen: HnswConfig | None = None

    def __post_init__(self) -> None:
        """The statement sends `chosen` as one JSON object."""
        if isinstance(self.chosen, dict):
            msgspec.structs.force_setattr(self, "chosen", msgspec.convert(self.chosen, HnswConfig))


def draw_plot(rows: Sequence[Measurement], title: str, subtitle: str, tuning: Tuning | None = None) -> str:
    """Each arm a line of its own colour through its beams with their intervals; grey, what nothing is better than.

    Of an autotune the target is a line, and the chosen config has a ring.
    """
    target = None if tuning is None else tuning.target
    across = plan_axis(0.0, max(row.p50_us / 1000 for row in rows) * 1.04, LEFT, WIDTH - RIGHT)
    low_ends = [row.recall_low for row in rows]
    # a target that all of them reach is in the picture, too, and not on its lower edge
    lowest = min(low_ends if target is None else [*low_ends, target - (1 - target) / 20])
    down = plan_axis(lowest, 1.0, HEIGHT - BOTTOM, TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'role="img" font-family="system-ui, sans-serif" font-size="12" fill="#222">',
        f"<title>{escape(title)}</title><desc>{escape(subtitle)}</desc>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="24" font-size="16" font-weight="600">{escape(title)}</text>',
        f'<text x="{LEFT}" y="42" fill="#555">{escape(subtitle)}</text>',
        *_axes(across, down),
    ]
    if target is not None and down.low <= target <= 1:
        y = down.place(target)
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#b00" stroke-dasharray="2 3"/>'
            f'<text x="{LEFT + 6}" y="{y - 4:.1f}" fill="#b00">target {target:g}</text>'
        )
    parts += _pareto(rows, across, down)
    ordered = sorted(rows, key=_by_arm)
    for number, (name, arm) in enumerate(groupby(ordered, key=_name)):
        parts += _arm(name, list(arm), number, across, down)
    parts += _labels(ordered, across, down)
    if tuning is not None and tuning.chosen is not None:
        parts += _chosen(rows, tuning.chosen, across, down)
    return "\n".join([*parts, "</svg>", ""])


def _by_arm(row: Measurement) -> tuple[str, int, int, int, int]:
    return row.arm.type, row.arm.m, row.arm.ef_construction, row.arm.ef_search, row.id


def _name(row: Measurement) -> str:
    plain = f"m {row.arm.m}, ef_construction {row.arm.ef_construction}"
    return plain if row.arm.type == "halfvec" else f"{plain}, {row.arm.type}"


def _axes(across: Axis, down: Axis) -> Iterator[str]:
    bottom = HEIGHT - BOTTOM
    for value in across.ticks():
        x = across.place(value)
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{bottom}" stroke="#eee"/>'
        yield f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{value:.4g}</text>'
    for value in down.ticks():
        y = down.place(value)
        yield f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#eee"/>'
        yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:.4g}</text>'
    yield f'<path d="M{LEFT} {TOP}V{bottom}H{WIDTH - RIGHT}" fill="none" stroke="#888"/>'
    middle = (LEFT + WIDTH - RIGHT) / 2
    yield f'<text x="{middle}" y="{HEIGHT - 20}" text-anchor="middle">median time of a search, milliseconds</text>'
    middle = (TOP + bottom) / 2
    yield (
        f'<text x="20" y="{middle}" text-anchor="middle" transform="rotate(-90 20 {middle})">'
        "recall, with its 95% interval</text>"
    )


def _pareto(rows: Sequence[Measurement], across: Axis, down: Axis) -> Iterator[str]:
    best = pick_best(rows, "pareto", 0.0)
    if len(best) > 1:
        points = " ".join(
            f"{across.place(row.p50_us / 1000):.1f},{down.place(row.recall):.1f}" for row in best
        )
        yield f'<polyline points="{points}" fill="none" stroke="#bbb" stroke-width="5" stroke-linejoin="round"/>'
        x, y = WIDTH - RIGHT + 16, HEIGHT - BOTTOM - 6
        yield f'<line x1="{x}" x2="{x + 22}" y1="{y}" y2="{y}" stroke="#bbb" stroke-width="5"/>'
        yield f'<text x="{x + 30}" y="{y + 4}" fill="#555">nothing is better (Pareto)</text>'


def _arm(name: str, rows: list[Measurement], number: int, across: Axis, down: Axis) -> Iterator[str]:
    colour = COLOURS[number % len(COLOURS)]
    places = [(across.place(row.p50_us / 1000), down.place(row.recall), row) for row in rows]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in places)
    yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
    for x, y, row in places:
        top, low = down.place(row.recall_high), down.place(max(row.recall_low, down.low))
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top:.1f}" y2="{low:.1f}" stroke="{colour}" opacity=".5"/>'
        told = (
            f"{name}, ef_search {row.arm.ef_search}: recall {row.recall:.4f} ({row.recall_low:.4f} to "
            f"{row.recall_high:.4f}), p50 {row.p50_us / 1000:.2f} ms, p95 {row.p95_us / 1000:.2f} ms"
        )
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"><title>{escape(told)}</title></circle>'
    x, y = WIDTH - RIGHT + 16, TOP + 12 + 20 * number
    if y < HEIGHT - BOTTOM - 46:
        yield f'<line x1="{x}" x2="{x + 22}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="2"/>'
        yield f'<text x="{x + 30}" y="{y + 4}">{escape(name)}</text>'


def _labels(ordered: Sequence[Measurement], across: Axis, down: Axis) -> Iterator[str]:
    """The beams, where there is room; all are in the titles of the points."""
    names = list(dict.fromkeys(map(_name, ordered)))
    points = [(across.place(row.p50_us / 1000), down.place(row.recall)) for row in ordered]
    boxes = place_labels(points, [str(row.arm.ef_search) for row in ordered])
    for row, box in zip(ordered, boxes, strict=True):
        if box is not None:
            colour = COLOURS[names.index(_name(row)) % len(COLOURS)]
            yield (
                f'<text x="{box.left:.1f}" y="{box.bottom - 1:.1f}" font-size="10" fill="{colour}">'
                f"{row.arm.ef_search}</text>"
            )


def _chosen(rows: Sequence[Measurement], config: HnswConfig, across: Axis, down: Axis) -> Iterator[str]:
    wanted = (config.m, config.ef_construction, config.ef_search, "halfvec")
    for row in rows:
        if (row.arm.m, row.arm.ef_construction, row.arm.ef_search, row.arm.type) == wanted:
            yield _ring(across.place(row.p50_us / 1000), down.place(row.recall))
            x, y = WIDTH - RIGHT + 27, HEIGHT - BOTTOM - 30
            yield _ring(x, y)
            yield f'<text x="{x + 19}" y="{y + 4}">chosen: ef_search {config.ef_search}</text>'


def _ring(x: float, y: float) -> str:
    return (
        f'<rect x="{x - 7:.1f}" y="{y - 7:.1f}" width="14" height="14" rx="7" fill="none" stroke="#222" '
        'stroke-width="1.5"/>'
    )
