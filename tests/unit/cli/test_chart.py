import pytest

from app.cli.chart import MAX_BARS, plan_chart
from app.errors import InvalidInputError


def answer(columns, rows, *, truncated=False):
    return {
        "columns": [{"name": name, "type": kind} for name, kind in columns],
        "rows": rows,
        "row_count": len(rows),
        "truncated": truncated,
    }


CITY, COUNT, DAY = ("city", "string"), ("n", "int64"), ("day", "date32[day]")


def test_texts_and_a_number_are_bars():
    chart = plan_chart(answer([COUNT, CITY], [[3, "Rome"], [None, "Bern"], [-1, None]]))
    assert (chart.form, chart.along, chart.values) == ("bar", "city", "n")
    assert (chart.labels, chart.heights, chart.left_out) == (["Rome", "–"], [3, -1], 1)


def test_times_and_a_number_are_a_line_in_order():
    rows = [["2024-01-03", "Rome", "2.50"], ["2024-01-01", "Rome", "1.5"], [None, "x", "9"]]
    chart = plan_chart(answer([DAY, CITY, ("sum", "decimal128(10, 2)")], rows))
    assert (chart.form, chart.along, chart.values) == ("line", "day", "sum")
    assert (chart.labels, chart.heights, chart.left_out) == (["2024-01-01", "2024-01-03"], [1.5, 2.5], 1)
    assert chart.positions[1] - chart.positions[0] == 2


@pytest.mark.parametrize(
    ("kind", "earlier", "later"),
    [
        ("timestamp[us]", "2024-01-01T00:00:00", "2024-01-01T00:00:01.5"),
        ("timestamp[us, tz=UTC]", "2024-01-01T00:00:00Z", "2024-01-01T00:00:01.500000Z"),
        ("time64[us]", "00:00:00", "00:00:01.5"),
    ],
)
def test_every_kind_of_time(kind, earlier, later):
    chart = plan_chart(answer([("at", kind), COUNT], [[later, 2], [earlier, 1]]))
    assert chart.positions[1] - chart.positions[0] == 1.5 and chart.heights == [1, 2]


def test_two_numbers_are_a_line():
    chart = plan_chart(answer([("x", "int64"), ("y", "double")], [[2, 0.5], [1, 0.25]]))
    assert (chart.form, chart.along, chart.positions, chart.heights) == ("line", "x", [1, 2], [0.25, 0.5])


@pytest.mark.parametrize(
    ("columns", "rows", "message"),
    [
        ([CITY], [["Rome"]], r"needs a number column.*this answer has city \(string\)"),
        ([COUNT], [[1]], r"this answer has n \(int64\)"),
        ([("tags", "list<item: string>"), COUNT], [[["a"], 1]], r"tags \(list"),
        ([CITY, COUNT], [[str(i), i] for i in range(MAX_BARS + 1)], "at most 40 bars.*has 41 rows"),
        ([DAY, COUNT], [["2024-01-01", 1], ["2024-01-01", 2]], "2024-01-01 is there more than once"),
        ([CITY, COUNT], [["Rome", None]], "all null"),
        ([CITY, COUNT], [], "all null"),
    ],
)
def test_what_is_no_chart_is_said(columns, rows, message):
    with pytest.raises(InvalidInputError, match=message):
        plan_chart(answer(columns, rows))


def test_half_of_the_rows_are_no_chart():
    with pytest.raises(InvalidInputError, match="more than 1 rows"):
        plan_chart(answer([CITY, COUNT], [["Rome", 1]], truncated=True))
