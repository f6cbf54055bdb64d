"""Rate and time left from the last seconds of a job's reports."""

from collections import deque

#: The rate looks back this far, so that a slow start does not spoil the estimate for the rest.
WINDOW_S = 10.0


class Meter:
    """Takes `(now, done)` reports, `now` in seconds of any steady clock."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()

    def add(self, now: float, done: int) -> None:
        """Remember a report; when `done` goes back, a new phase began, and what was measured is forgotten."""
        if self._samples and done < self._samples[-1][1]:
            self._samples.clear()
        self._samples.append((now, done))
        while len(self._samples) > 2 and self._samples[1][0] <= now - WINDOW_S:
            self._samples.popleft()

    @property
    def rate(self) -> float | None:
        """Units per second over the window, or None while there is nothing to measure."""
        if len(self._samples) < 2:
            return None
        (first_at, first), (last_at, last) = self._samples[0], self._samples[-1]
        return (last - first) / (last_at - first_at) if last_at > first_at else None

    def get_eta_s(self, total: int | None) -> float | None:
        """Seconds until `total` at the present rate; None when that is not known."""
        rate = self.rate
        if total is None or not rate:
            return None
        return max(0, total - self._samples[-1][1]) / rate
