"""What two readings of a counter give together: growth per second.

Times are of the monotonic clock, so that a wall clock that was set gives no negative or doubled rate.
"""

from collections.abc import Sequence
from itertools import pairwise

from podtick.model.metrics.row import MAX_VALUE, UNLIMITED


def rates(readings: Sequence[int], elapsed_ns: Sequence[int], divisor: int) -> list[float | None]:
    """The rate at each reading since the one before it: exposed units a second, `divisor` stored integers to a unit.

    `elapsed_ns[i]` is the time between the readings i - 1 and i (its first is not used), 0 where it is not known. A
    rate is `None` at the first reading, when the counter went back, and when either reading or the time is missing.
    """
    lowest, highest = min(readings), max(readings)
    if lowest >= UNLIMITED:
        return [None] * len(readings)
    if lowest == highest:  # the usual minute of most counters
        return [None, *(0.0 if elapsed > 0 else None for elapsed in elapsed_ns[1:])]
    scale = 1e9 / divisor
    pairs = zip(pairwise(readings), elapsed_ns[1:], strict=True)
    return [
        None,
        *(
            (now - before) * scale / elapsed if before <= now <= MAX_VALUE and elapsed > 0 else None
            for (before, now), elapsed in pairs
        ),
    ]
