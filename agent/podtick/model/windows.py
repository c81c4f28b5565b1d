"""What a stretch of seconds comes to: its largest value and when that was, and percentiles."""

from collections.abc import Sequence
from dataclasses import dataclass

PERCENTS = (50, 95, 99)


@dataclass(frozen=True, slots=True)
class Summary:
    """Of the values known in a window: the largest, exact percentiles (nearest rank), how many there were.

    `peak` is the timestamp of the first second that had the largest value.
    """

    max: float
    p50: float
    p95: float
    p99: float
    peak: int
    known: int


def summarise(timestamps: Sequence[int], values: Sequence[float | None]) -> Summary | None:
    """Summarise one value a second; unknown seconds count for nothing. `None` when no second is known."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    known.sort()
    largest = known[-1]
    p50, p95, p99 = (_nearest_rank(known, percent) for percent in PERCENTS)
    return Summary(largest, p50, p95, p99, timestamps[values.index(largest)], len(known))


def _nearest_rank(ascending: Sequence[float], percent: int) -> float:
    """The smallest value that is not exceeded by so many percent of the values: always one of them."""
    return ascending[-(-percent * len(ascending) // 100) - 1]
