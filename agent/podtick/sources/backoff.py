"""How long to wait before somebody who does not answer is tried again."""

import random
from collections.abc import Callable


class Backoff:
    """Doubling waits from `first` to `most` seconds, each cut by up to a half at random.

    Many agents that lost one server do not come back in step.
    """

    def __init__(self, first: float, most: float, random_share: Callable[[], float] = random.random) -> None:
        self._first = first
        self._most = most
        self._random_share = random_share
        self._next = first

    def reset(self) -> None:
        """Begin anew, after a success."""
        self._next = self._first

    def next(self, most: float | None = None) -> float:
        """Return the next wait in seconds, at most `most`."""
        wait = min(self._next, self._most, self._most if most is None else most)
        self._next = min(self._next * 2, self._most)
        return wait * (1 - self._random_share() / 2)
