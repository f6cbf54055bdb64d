"""The picture is well-formed, and its points are where their figures are."""

from xml.etree import ElementTree

import pytest

from app.profiles.models import HnswConfig
from app.trials.plot import BOTTOM, HEIGHT, Tuning, draw_plot, plan_axis
from tests.unit.trials.test_plan import row

SVG = "{http://www.w3.org/2000/svg}"


def test_every_measurement_is_a_point_where_it_belongs() -> None:
    rows = [row(1, 0.90, 500), row(2, 0.99, 1500, ef_search=100), row(3, 0.95, 400, m=24)]
    tree = ElementTree.fromstring(draw_plot(rows, "ix", "about", Tuning(target=0.98)))
    points = [(float(c.attrib["cx"]), float(c.attrib["cy"])) for c in tree.iter(f"{SVG}circle")]
    assert len(points) == 3
    by_x = sorted(points)
    # from left to right: .95, .90, .99; up is less
    assert by_x[2][1] < by_x[0][1] < by_x[1][1]
    words = " ".join(text for text in tree.itertext())
    assert "m 16, ef_construction 80" in words and "m 24" in words and "target 0.98" in words
    assert "milliseconds" in words and "recall" in words and "Pareto" in words


def test_a_target_that_everything_reached_is_in_the_picture() -> None:
    picture = draw_plot(
        [row(1, 0.98, 500), row(2, 0.99, 900, ef_search=60)], "ix", "about", Tuning(target=0.9)
    )
    tree = ElementTree.fromstring(picture)
    assert "target 0.9" in list(tree.itertext())
    [line] = [place for place in tree.iter(f"{SVG}line") if place.attrib["stroke"] == "#b00"]
    points = [float(point.attrib["cy"]) for point in tree.iter(f"{SVG}circle")]
    assert max(points) < float(line.attrib["y1"]) < HEIGHT - BOTTOM


def test_what_was_chosen_has_a_ring() -> None:
    rows = [row(1, 0.90, 500), row(2, 0.99, 1500, ef_search=100), row(3, 0.99, 1500, ef_search=100, m=24)]
    config = HnswConfig(m=16, ef_construction=80, ef_search=100)
    tree = ElementTree.fromstring(draw_plot(rows, "ix", "about", Tuning(target=0.98, chosen=config)))
    points = {(float(c.attrib["cx"]), float(c.attrib["cy"])) for c in tree.iter(f"{SVG}circle")}
    rings = [ring for ring in tree.iter(f"{SVG}rect") if ring.attrib["fill"] == "none"]
    places = [(float(ring.attrib["x"]) + 7, float(ring.attrib["y"]) + 7) for ring in rings]
    # one at its point, one beside the words that say what it is
    assert len(places) == 2 and places[0] in points and "chosen: ef_search 100" in list(tree.itertext())


def test_of_points_that_lie_together_not_all_have_words() -> None:
    apart = [row(n, 0.9 + n / 100, 500 * n, ef_search=10 * n) for n in range(1, 6)]
    together = [row(n, 0.95, 1000 + n, ef_search=100 + n) for n in range(1, 20)]
    for rows, complete in ((apart, True), (together, False)):
        tree = ElementTree.fromstring(draw_plot(rows, "ix", "about"))
        words = {text.text for text in tree.iter(f"{SVG}text") if text.attrib.get("font-size") == "10"}
        assert words and ({str(row.arm.ef_search) for row in rows} == words) is complete
        titles = " ".join(tree.itertext())
        assert all(f"ef_search {row.arm.ef_search}:" in titles for row in rows)


def test_names_are_no_markup() -> None:
    tree = ElementTree.fromstring(draw_plot([row(1, 0.9, 1)], "<script>&", "a < b"))
    assert "<script>&" in "".join(tree.itertext()) and list(tree.iter(f"{SVG}script")) == []


@pytest.mark.parametrize("rows", [[row(1, 1.0, 100)], [row(1, 1.0, 0.0), row(2, 1.0, 0.0)]])
def test_few_points_are_a_picture_too(rows: list) -> None:
    picture = draw_plot(rows, "ix", "about")
    assert len(list(ElementTree.fromstring(picture).iter(f"{SVG}circle"))) == len(rows)
    assert "nan" not in picture


def test_an_axis_has_round_steps() -> None:
    axis = plan_axis(0.913, 1.0, 0.0, 100.0)
    assert axis.low <= 0.913 and axis.step in (0.01, 0.02, 0.025) and axis.place(1.0) == 100.0
    assert len(axis.ticks()) <= 10
