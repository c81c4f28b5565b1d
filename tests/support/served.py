"""Whoever serves podtick's metrics, asked over HTTP until what nothing announces has come."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from tests.support.scrape import TICK, Scrape

PATIENCE = 60.0
"""A safety net against hanging, no statement about speed."""


class Served(ABC):
    """Of pods and containers, those of one namespace are looked at."""

    def __init__(self, namespace: str) -> None:
        self._query = f"namespace={namespace}"

    @abstractmethod
    def get(self, path: str, accept: str = "*/*") -> tuple[int, str]:
        """Status and body of one GET; (0, "") when nobody listens."""

    @abstractmethod
    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Ask again and again, for what nothing announces."""

    @abstractmethod
    def never(self, what: str) -> Exception:
        """What to raise when it did not come in time."""

    def metrics(self, query: str = "") -> Scrape:
        """The newest tick, all of it from one tick; of pods and containers those of the namespace."""
        while True:
            before = self._tick()
            status, body = self.get(f"/metrics?{query or self._query}")
            assert status == 200, body
            if self._tick() == before:
                scrape = Scrape.parse(body)
                return Scrape(before, scrape.samples)

    def next_tick(self) -> Scrape:
        """The first tick whose second has not begun yet: all that was done until now is in it."""
        self._wait_tick(int(time.time()) + 1)
        return self.metrics()

    def wait_for(self, predicate: Callable[[Scrape], bool], what: str = "") -> Scrape:
        """The first tick, from the newest on, of which `predicate` holds."""
        end = time.monotonic() + PATIENCE
        scrape = self.metrics()
        while not predicate(scrape):
            if time.monotonic() > end:
                raise self.never(what or str(predicate))
            scrape = self.next_tick()
        return scrape

    def ticks_during(self, action: Callable[[], object], more: int = 2) -> Iterator[Scrape]:
        """Every tick while `action` runs in a thread of its own, and `more` after it."""
        yield self.metrics()
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(action)
            while not running.done():
                yield self.next_tick()
            running.result()
        for _ in range(more):
            yield self.next_tick()

    def _wait_tick(self, wanted: int) -> None:
        time.sleep(max(wanted - time.time(), 0))  # nobody has a second that has not begun: asking would only cost
        self.wait_until(lambda: self._tick() >= wanted, "a new tick")

    def _tick(self) -> int:
        body = self.get("/metrics?level=agent&metric=agent_tick_timestamp_seconds")[1]
        return int(Scrape.parse(body).value(TICK) or 0)
