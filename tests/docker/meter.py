"""What share of a core the kernel gave a container, from moment to moment."""

import time
from threading import Event, Thread
from types import TracebackType
from typing import Self

from podtick.sources.cgroup.discovery import CgroupPaths
from tests.support.kernel import cpu_usage_ns

OFTEN = 0.02  # s
SECOND = 0.9  # s at least: who looks at a second does not hit it exactly


class Meter:
    """A context manager that reads a container's counter all the time."""

    def __init__(self, paths: CgroupPaths) -> None:
        self._paths = paths
        self._enough = Event()
        self._read: list[tuple[float, int]] = []
        self._thread = Thread(target=self._go_on, name="meter")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._enough.set()
        self._thread.join()

    def least_and_most(self) -> tuple[float, float]:
        """The least and the most, in per cent, of all seconds there were, whenever they began."""
        shares = []
        for number, (began, used) in enumerate(self._read):
            later = (each for each in self._read[number:] if each[0] - began >= SECOND)
            if end := next(later, None):
                shares.append((end[1] - used) / (end[0] - began) / 1e7)
        return min(shares), max(shares)

    def _go_on(self) -> None:
        while not self._enough.wait(OFTEN):
            self._read.append((time.monotonic(), cpu_usage_ns(self._paths)))
