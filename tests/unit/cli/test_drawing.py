import pytest
from rich.cells import cell_len

from app.cli.chart import Chart
from app.cli.drawing import HEIGHT, draw_chart


def bars(labels, heights):
    return Chart("bar", "city", "n", labels, [], heights, 0)


def line(positions, heights):
    labels = [f"x{position:g}" for position in positions]
    return Chart("line", "x", "y", labels, positions, heights, 0)


def test_bars_are_as_long_as_their_values():
    lines = draw_chart(bars(["Rome", "東京", "Bern"], [4.0, 2.0, 0.0]), 40, plain=False)
    assert lines == [
        "Rome " + "█" * 33 + " 4",
        "東京 " + "█" * 16 + "▌" + " " * 16 + " 2",
        "Bern " + " " * 33 + " 0",
    ]
    assert {cell_len(text) for text in lines} == {40}


def test_values_below_zero_go_to_the_left():
    up, down = draw_chart(bars(["a", "b"], [10.0, -10.0]), 26, plain=True)
    assert up == "a " + " " * 10 + "#" * 10 + "  10"
    assert down == "b " + "#" * 10 + " " * 10 + " -10"


def test_long_labels_are_cut():
    for plain in (False, True):
        (text,) = draw_chart(bars(["x" * 100], [1.0]), 60, plain=plain)
        assert cell_len(text) == 60
        assert text.isascii() == plain


def test_a_line_goes_from_corner_to_corner():
    lines = draw_chart(line([0.0, 1.0, 2.0], [0.0, 50.0, 100.0]), 45, plain=True)
    assert len(lines) == HEIGHT + 2
    assert lines[0].startswith("100 |") and lines[0].endswith("*") and len(lines[0]) == 45
    assert lines[HEIGHT // 2].startswith(" 50 |") and lines[HEIGHT - 1].startswith("  0 |*")
    assert lines[-1].split() == ["x0", "x2"] and len(lines[-1]) == 45


def test_every_column_on_the_way_has_a_dot():
    lines = draw_chart(line([0.0, 2.0], [0.0, 9.0]), 42, plain=False)[:HEIGHT]
    bodies = [text.partition("│")[2].ljust(37) for text in lines]
    assert all(any(body[i] != " " for body in bodies) for i in range(37))
    assert all(0x2800 < ord(char) < 0x2900 for body in bodies for char in body.strip())


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize(
    ("positions", "heights"),
    [
        ([1.0], [5.0]),
        ([0.0, 1.0], [3.0, 3.0]),
        ([-1e308, 1e308], [-1.7e308, 1.7e308]),
        ([0.0, 1e-12], [1e-300, 2e-300]),
    ],
)
def test_extremes_are_drawn(plain, positions, heights):
    lines = draw_chart(line(positions, heights), 60, plain=plain)
    assert max(map(cell_len, lines)) <= 60
    assert any(char in "*" or ord(char) > 0x2800 for text in lines for char in text)
    assert draw_chart(bars(["a"] * len(heights), heights), 60, plain=plain)
