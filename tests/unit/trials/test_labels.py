"""Words beside points do not lie on each other."""

import random
from itertools import combinations

from app.trials.labels import Box, place_labels


def test_a_point_alone_has_its_words_below_to_the_right() -> None:
    [box] = place_labels([(100.0, 50.0)], ["120"])
    assert box is not None and box.left > 100 and box.top > 50


def test_no_words_lie_on_others_or_on_a_point() -> None:
    draws = random.Random(3)
    points = [(draws.uniform(0, 120), draws.uniform(0, 60)) for _ in range(30)]
    boxes = place_labels(points, [str(n * 7) for n in range(30)])
    placed = [box for box in boxes if box is not None]
    assert 5 < len(placed) < 30
    assert not any(one.overlaps(other) for one, other in combinations(placed, 2))
    assert not any(box.overlaps(Box(left=x, top=y, right=x, bottom=y)) for box in placed for x, y in points)
