"""Follow an engine for as long as we live: what exists now, and each change, as one ordered stream.

Nothing is lost for good: the events are subscribed to before the list is asked for, every connection begins
with a whole list, and every 30 s there is another, which repairs whatever an event did not tell. A list
costs one request as long as nothing changed.

That a quiet engine still lives is proven by a ping after 10 s without any answer. The stream itself cannot
prove it, as a stopped engine and an idle one are equally silent; the next list alone would take up to 30 s.
"""

import asyncio
from contextlib import AbstractAsyncContextManager
from functools import partial

from podtick.sources.backoff import Backoff
from podtick.sources.docker.client import EngineClient
from podtick.sources.docker.containers import LabelFilter, is_kubernetes_label
from podtick.sources.docker.endpoint import Endpoint
from podtick.sources.docker.errors import DockerError, EngineUnavailableError, Trouble
from podtick.sources.docker.events import container_events
from podtick.sources.docker.session import Session
from podtick.sources.docker.updates import Unavailable, Update, WatchTiming
from podtick.sources.updates import Updates, watching

DEFAULT_TIMING = WatchTiming()
_CHEAP = {Trouble.MISSING, Trouble.REFUSED, Trouble.DENIED, Trouble.DISCONNECTED}


def watch_containers(
    endpoint: Endpoint,
    *,
    timing: WatchTiming = DEFAULT_TIMING,
    keep_label: LabelFilter = is_kubernetes_label,
) -> AbstractAsyncContextManager[Updates[Update]]:
    """Watch the engine at `endpoint`, there or not, until the context is left."""
    return watching(partial(_watch, endpoint, timing=timing, keep_label=keep_label), "podtick engine watch")


async def _watch(
    endpoint: Endpoint,
    updates: Updates[Update],
    timing: WatchTiming,
    keep_label: LabelFilter,
) -> None:
    backoff = Backoff(timing.retry_first, timing.retry_most)
    said = ""
    while True:
        session: Session | None = None
        wait = 0.0
        try:
            async with (
                EngineClient(endpoint, timeout=timing.request) as client,
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
