"""When to tick: at each whole UTC second, scheduled on the monotonic clock."""

import time
from collections.abc import Callable
from dataclasses import dataclass

SECOND = 1_000_000_000
STEP_NS = SECOND // 2
"""A wall clock that moved by more than this against the monotonic one was set, not slewed."""
LONGEST_WAIT = 10
"""Seconds by which the wall clock may have been set back and still be waited for."""
LATE_NS = SECOND // 10
"""A tick that begins later than this after its second counts as late."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """The tick to make: its whole second, when that is on the monotonic clock, and what happened on the way to it."""

    timestamp: int
    monotonic_ns: int
    missed: int = 0
    stepped: bool = False


class TickClock:
    """Gives one deadline after the other: never two for one second, never a second skipped without being counted."""

    def __init__(
        self, monotonic_ns: Callable[[], int] = time.monotonic_ns, time_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self._monotonic_ns = monotonic_ns
        self._time_ns = time_ns

    def after(self, previous: Deadline | None) -> Deadline:
        """The deadline that follows `previous` (the first one for `None`).

        A deadline already past, by less than a second, is still worth a tick. Seconds that are wholly past are missed:
        counted on the monotonic clock, so that a stepped wall clock neither hides nor invents any.
        """
        wall, now = self._time_ns(), self._monotonic_ns()
        if previous is None:
            second = wall // SECOND + 1
            return Deadline(second, now + second * SECOND - wall)
        timestamp = previous.timestamp + 1
        due = now + timestamp * SECOND - wall
        if abs(due - previous.monotonic_ns - SECOND) > STEP_NS:
            return self._resume(previous, wall, now)
        missed = max(0, now - due) // SECOND
        return Deadline(timestamp + missed, due + missed * SECOND, missed)

    def _resume(self, previous: Deadline, wall: int, now: int) -> Deadline:
        """After a step: the next whole second of the new time, not sooner than half a second after the last tick.

        A small step back (a leap second) is waited out, so that no second comes twice; a large one cannot be.
        """
        earliest = max(now, previous.monotonic_ns + STEP_NS)
        second = (wall + earliest - now) // SECOND + 1
        if second <= previous.timestamp < second + LONGEST_WAIT:
            second = previous.timestamp + 1
        due = now + second * SECOND - wall
        missed = max(0, round((due - previous.monotonic_ns) / SECOND) - 1)
        return Deadline(second, due, missed, stepped=True)
