"""A figure: ours, a peer's, their ratio, and what the ratio should be."""

import random
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec


class Figure(msgspec.Struct, frozen=True):
    """One line of the table. `relation` says on which side of `target` the `value` must be."""

    name: str
    ours: str
    peer: str
    value: float
    unit: str
    relation: Literal["<=", ">="]
    target: float
    note: str = ""

    @property
    def met(self) -> bool:
        return self.value <= self.target if self.relation == "<=" else self.value >= self.target


class Timing(msgspec.Struct, frozen=True):
    """Milliseconds of single calls."""

    p50: float
    p95: float
    mean: float


def summarise(samples: Sequence[float]) -> Timing:
    """Percentiles of samples in seconds."""
    ordered = sorted(samples)
    return Timing(
        p50=statistics.median(ordered) * 1000,
        p95=ordered[int(len(ordered) * 0.95)] * 1000,
        mean=statistics.fmean(ordered) * 1000,
    )


def time_each(call: Callable[[Any], Any], arguments: Sequence[Any]) -> list[float]:
    """Seconds of `call(argument)` for each argument."""
    samples = []
    for argument in arguments:
        started = time.perf_counter()
        call(argument)
        samples.append(time.perf_counter() - started)
    return samples


def rounds(arguments: Sequence[Any], count: int, seed: int = 7) -> list[list[Any]]:
    """The arguments cut into `count` shuffled parts, so that two contestants can take turns."""
    shuffled = list(arguments)
    random.Random(seed).shuffle(shuffled)
    size = -(-len(shuffled) // count)
    return [shuffled[start : start + size] for start in range(0, len(shuffled), size)]
