"""Where the words beside the points of a picture go so that none lies on another or on a point. Pure."""

from collections.abc import Iterator, Sequence

import msgspec

#: Of a character and a line, in units of the picture, at a font size of 10.
CHARACTER, LINE = 6.0, 10.0
#: Of a point, with some room around it.
RADIUS = 4.5


class Box(msgspec.Struct, frozen=True):
    """A rectangle; `bottom` is the larger number, as in SVG."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: "Box") -> bool:
        """Whether some of it is some of the other."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )


def place_labels(points: Sequence[tuple[float, float]], words: Sequence[str]) -> list[Box | None]:
    """The box of each point's words, below to the right of it, or at another side; None where there is no room."""
    taken = [Box(left=x - RADIUS, top=y - RADIUS, right=x + RADIUS, bottom=y + RADIUS) for x, y in points]
    placed: list[Box | None] = []
    for (x, y), word in zip(points, words, strict=True):
        free = (box for box in _sides(x, y, CHARACTER * len(word)) if not any(map(box.overlaps, taken)))
        found = next(free, None)
        placed.append(found)
        if found is not None:
            taken.append(found)
    return placed


def _sides(x: float, y: float, width: float) -> Iterator[Box]:
    for top in (y + RADIUS, y - RADIUS - LINE, y - LINE / 2):
        for left in (x + RADIUS, x - RADIUS - width):
            yield Box(left=left, top=top, right=left + width, bottom=top + LINE)
