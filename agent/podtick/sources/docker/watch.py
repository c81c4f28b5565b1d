"""Follow an engine for as long as we live: what exists now, and each change, as one ordered stream.

Nothing is lost for good: the events are subscribed to before the list is asked for, every connection begins
with a whole list, and every 30 s there is another, which repairs whatever an event did not tell. A list
costs one request as long as nothing changed.

That a quiet engine still lives is proven by a ping after 10 s without any answer. The stream itself cannot
prove it, as a stopped engine and an idle one are equally silent; the next list alone would take up to 30 s.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from ssl import SSLContext
from typing import Self

from podtick.sources.docker.backoff import Backoff
from podtick.sources.docker.client import EngineClient
from podtick.sources.docker.containers import LabelFilter, is_kubernetes_label
from podtick.sources.docker.endpoint import Endpoint
from podtick.sources.docker.errors import DockerError, EngineUnavailableError, Trouble
from podtick.sources.docker.events import container_events
from podtick.sources.docker.session import Session
from podtick.sources.docker.updates import Unavailable, Update, WatchTiming

DEFAULT_TIMING = WatchTiming()
_QUEUE = 256
_CHEAP = {Trouble.MISSING, Trouble.REFUSED, Trouble.DENIED, Trouble.DISCONNECTED}


class Updates:
    """The updates in order; at most 256 wait, then the watch waits for its consumer.

    An iterator without end; it raises what ended the watch, should that ever happen.
    """

    def __init__(self, bound: int = _QUEUE) -> None:
        self._slots = asyncio.Semaphore(bound)
        self._queue: asyncio.Queue[Update | asyncio.Task[None]] = asyncio.Queue()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Update:
        update = await self._queue.get()
        if isinstance(update, asyncio.Task):
            self._queue.put_nowait(update)
            update.result()
            raise StopAsyncIteration
        self._slots.release()
        return update

    async def put(self, update: Update) -> None:
        """Append one update, once there is room."""
        await self._slots.acquire()
        self._queue.put_nowait(update)

    def end(self, watch: "asyncio.Task[None]") -> None:
        """Append the end, for which there is always room."""
        self._queue.put_nowait(watch)


@contextlib.asynccontextmanager
async def watch_containers(
    endpoint: Endpoint,
    *,
    timing: WatchTiming = DEFAULT_TIMING,
    keep_label: LabelFilter = is_kubernetes_label,
    ssl: SSLContext | None = None,
) -> AsyncIterator[Updates]:
    """Watch the engine at `endpoint`, there or not, until the context is left."""
    updates = Updates()
    task = asyncio.create_task(_watch(endpoint, updates, timing, keep_label, ssl), name="podtick engine watch")
    task.add_done_callback(updates.end)
    try:
        yield updates
    finally:
        task.cancel()
        await asyncio.wait({task})


async def _watch(
    endpoint: Endpoint,
    updates: Updates,
    timing: WatchTiming,
    keep_label: LabelFilter,
    ssl: SSLContext | None,
) -> None:
    backoff = Backoff(timing.retry_first, timing.retry_most)
    said = ""
    while True:
        session: Session | None = None
        wait = 0.0
        try:
            async with (
                EngineClient(endpoint, timeout=timing.request, ssl=ssl) as client,
                container_events(client) as events,
            ):
                session = Session(client, updates.put, timing, keep_label)
                await session.run(events)
        except DockerError as fault:
            if session is not None and session.listed:
                backoff.reset()
                said = ""
            if str(fault) != said:
                said = str(fault)
                await updates.put(Unavailable(said))
            cheap = endpoint.socket_path and isinstance(fault, EngineUnavailableError) and fault.trouble in _CHEAP
            wait = backoff.next(timing.retry_local if cheap else None)
        await asyncio.sleep(wait)
