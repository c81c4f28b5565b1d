"""Events that wait for the watch, gathered by container, so that a storm of them costs one look each.

The reader of the event stream must never wait, as an engine drops the events of a slow reader; so what
waits is bounded here, and what would go beyond the bound is replaced by the wish for a full list.
"""

import asyncio
from collections import deque

from podtick.sources.docker.events import ContainerEvent

MOST_CONTAINERS = 1024
MOST_EVENTS_EACH = 16


class PendingEvents:
    """Events by container, oldest container first; of each container the latest 16."""

    def __init__(self, most_containers: int = MOST_CONTAINERS) -> None:
        self._most = most_containers
        self._by_id: dict[str, deque[ContainerEvent]] = {}
        self._arrived = asyncio.Event()
        self.overflowed = False

    def add(self, event: ContainerEvent) -> None:
        """Keep `event`, or, where too many containers wait, only that something was lost."""
        waiting = self._by_id.get(event.id)
        if waiting is not None:
            waiting.append(event)
        elif len(self._by_id) < self._most:
            self._by_id[event.id] = deque((event,), maxlen=MOST_EVENTS_EACH)
        else:
            self.overflowed = True
        self._arrived.set()

    def take(self) -> tuple[ContainerEvent, ...]:
        """Remove and return the events of the container that waits longest; empty when none does."""
        if not self._by_id:
            return ()
        return tuple(self._by_id.pop(next(iter(self._by_id))))

    async def wait(self, seconds: float) -> None:
        """Return when something waits or was lost since the last `take`, or after `seconds`."""
        self._arrived.clear()
        if self._by_id or seconds <= 0:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._arrived.wait()
        except TimeoutError:
            return
