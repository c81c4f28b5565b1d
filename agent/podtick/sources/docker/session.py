"""One connection to one engine: subscribe, list, then follow events until something breaks.

Beside the event stream at most one request is on its way at any time, so that a hanging engine holds two
of ours and no more. Inspecting one after the other costs no time either: four at once took as long in
all (0.73 ms each against Docker 20.10), as the work is the engine's and our own, not the wire's.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from podtick.sources.docker.client import EngineClient
from podtick.sources.docker.containers import (
    ContainerDetails,
    ContainerSummary,
    LabelFilter,
    details_from_summary,
    inspect,
    list_containers,
)
from podtick.sources.docker.errors import (
    DockerError,
    EngineError,
    EngineProtocolError,
    EngineUnavailableError,
    Trouble,
)
from podtick.sources.docker.events import ContainerEvent
from podtick.sources.docker.freshness import still_the_same
from podtick.sources.docker.pending import PendingEvents
from podtick.sources.docker.updates import Changed, Listed, Removed, Update, WatchTiming

_log = logging.getLogger(__name__)
_MOST_STOPPED = 512  # stopped containers that one list asks about, the newest first
_NEVER = float("-inf")
_RUNS = {"running", "paused", "restarting"}


@dataclass(frozen=True, slots=True)
class _Known:
    details: ContainerDetails
    confirmed: float  # monotonic seconds at which they held for certain


class Session:
    """Follows one engine; `listed` tells whether it ever gave a whole list."""

    def __init__(
        self,
        client: EngineClient,
        emit: Callable[[Update], Awaitable[None]],
        timing: WatchTiming,
        keep_label: LabelFilter,
    ) -> None:
        self._client = client
        self._emit = emit
        self._timing = timing
        self._keep_label = keep_label
        self._pending = PendingEvents()
        self._known: dict[str, _Known] = {}
        self._silent: dict[str, None] = {}  # containers that could not be inspected, longest ago first
        self._turn: str | None = None  # the one of them that this list asks again
        self._stopped_asked = 0
        self._list_began = 0.0
        self._answered = 0.0
        self.listed = False

    async def run(self, events: AsyncIterator[ContainerEvent]) -> None:
        """Follow until the engine fails; always ends with an `DockerError`, or cancelled."""
        faults: list[DockerError] = []
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._read(events), name="podtick engine events")
                group.create_task(self._follow(), name="podtick engine follow")
        except* DockerError as several:
            faults += [fault for fault in several.exceptions if isinstance(fault, DockerError)]
        raise faults[0]

    async def _read(self, events: AsyncIterator[ContainerEvent]) -> None:
        async for event in events:
            self._pending.add(event)
        raise EngineUnavailableError(Trouble.DISCONNECTED, "the engine closed its event stream: did it stop?")

    async def _follow(self) -> None:
        await self._relist()
        while True:
            now = time.monotonic()
            every = self._timing.relist_least if self._pending.overflowed else self._timing.relist
            list_due, ping_due = self._list_began + every, self._answered + self._timing.ping
            if now >= list_due:
                await self._relist()
            elif events := self._pending.take():
                await self._look_again(events)
            elif now >= ping_due:
                await self._client.ping(self._timing.ping_answer)
                self._answered = time.monotonic()
            else:
                await self._pending.wait(min(list_due, ping_due) - now)

    async def _relist(self) -> None:
        self._list_began = began = time.monotonic()
        self._pending.overflowed = False
        self._turn = next(iter(self._silent), None)
        self._stopped_asked = 0
        summaries = await list_containers(self._client, keep_label=self._keep_label)
        listed = time.monotonic()
        known: dict[str, _Known] = {}
        for summary in self._in_order(summaries):
            before = self._known.get(summary.id)
            if before and still_the_same(summary, before.details, listed - before.confirmed):
                known[summary.id] = _Known(before.details, began)
            elif entry := await self._find_out(summary):
                known[summary.id] = entry
        self._known = known
        self._silent = {id_: None for id_ in self._silent if id_ in known}
        self._answered = time.monotonic()
        await self._emit(Listed(self._client.engine, tuple(entry.details for entry in known.values())))
        self.listed = True

    def _in_order(self, summaries: list[ContainerSummary]) -> list[ContainerSummary]:
        """Order what is listed: who runs first, then the newest; who did not answer before comes last."""
        return sorted(
            summaries, key=lambda one: (one.id in self._silent, one.state not in _RUNS, -one.created_s, one.id)
        )

    async def _find_out(self, summary: ContainerSummary) -> _Known | None:
        """Inspect a listed container, or make do with its summary where asking is of no use."""
        silent = self._silent
        stopped = summary.state not in _RUNS
        not_now = stopped and self._stopped_asked >= _MOST_STOPPED
        if not_now or (summary.id in silent and summary.id != self._turn):
            return _Known(details_from_summary(summary), _NEVER)
        self._stopped_asked += stopped
        began = time.monotonic()
        try:
            details = await self._inspect(summary.id)
        except _NoDetailsError as error:
            self._note_silent(summary.id, error)
            return _Known(details_from_summary(summary), _NEVER)
        silent.pop(summary.id, None)
        return _Known(details, began) if details else None

    def _note_silent(self, id_: str, error: "_NoDetailsError") -> None:
        if id_ not in self._silent:
            _log.warning("container %s: no details from the engine: %s", id_[:12], error)
        self._silent.pop(id_, None)
        self._silent[id_] = None

    async def _look_again(self, events: tuple[ContainerEvent, ...]) -> None:
        """Tell what became of the one container that `events` are about."""
        id_ = events[0].id
        began = time.monotonic()
        try:
            details = None if events[-1].kind == "destroy" else await self._inspect(id_)
        except _NoDetailsError as error:
            self._note_silent(id_, error)
            if entry := self._known.get(id_):
                self._known[id_] = _Known(entry.details, _NEVER)
                await self._emit(Changed(entry.details, events))
            return
        self._silent.pop(id_, None)
        if details is None:
            self._known.pop(id_, None)
            await self._emit(Removed(id_, events))
            return
        self._known[id_] = _Known(details, began)
        await self._emit(Changed(details, events))

    async def _inspect(self, id_: str) -> ContainerDetails | None:
        """Inspect; one bad container is a `_NoDetailsError`, a bad engine any other `DockerError`.

        An engine holds a lock of each container: one whose runtime hangs does not answer while all
        others do, which a ping tells apart from an engine that hangs.
        """
        try:
            details = await inspect(self._client, id_, keep_label=self._keep_label, within=self._timing.inspect)
        except (EngineError, EngineProtocolError) as error:
            raise _NoDetailsError(str(error)) from None
        except EngineUnavailableError as error:
            if error.trouble is not Trouble.TIMEOUT:
                raise
            await self._client.ping(self._timing.ping_answer)
            raise _NoDetailsError(str(error)) from None
        self._answered = time.monotonic()
        return details


class _NoDetailsError(Exception):
    """One container cannot be inspected though its engine answers."""
