"""The numbers of containers whose cgroups cannot be read here: from the engine's stats API, a stream each.

A second without a new frame is unknown: what a frame says is told to the sampler for the next tick alone.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from podtick.model.dockerstats import Frame, columns, network_columns
from podtick.model.metrics.row import MAX_VALUE
from podtick.roster.members import Member
from podtick.roster.roster import Roster
from podtick.sources.backoff import Backoff
from podtick.sources.docker.client import EngineClient
from podtick.sources.docker.endpoint import Endpoint
from podtick.sources.docker.errors import DockerError, EngineError
from podtick.sources.docker.frames import STALL_SECONDS, frames

log = logging.getLogger(__name__)

MOST_STREAMS = 500
"""Each costs the engine some 8 ms of CPU a second, and a connection here and there."""
OPENING_AT_ONCE = 8
MARK = "engine"
"""Stands in a member's paths where there is no folder."""
RETRY_FIRST, RETRY_MOST = 0.5, 30.0
FRAME_SECONDS = 0.05
"""The least time from one frame of a stream to the next: an engine that sends more is held up, and not its readers."""
QUIET_SECONDS = 10.0
"""So long after a warning that a stream broke no other is logged: an engine that dies breaks all of them."""
_NOT_FOUND = 404


@dataclass(slots=True)
class _Stream:
    member: Member
    task: "asyncio.Task[None]"
    network: bool
    seen: dict[str, int] = field(default_factory=dict)
    totals: dict[str, int] = field(default_factory=dict)


class StatsStreams:
    """Owns the streams; `run` has to run while they are wanted."""

    def __init__(self, roster: Roster, endpoint: Endpoint, stall: float = STALL_SECONDS) -> None:
        self._roster = roster
        self._endpoint = endpoint
        self._stall = stall
        self._streams: dict[str, _Stream] = {}
        self._opening = asyncio.Semaphore(OPENING_AT_ONCE)
        self._totals: dict[str, dict[str, int]] = {}
        self._broken = asyncio.Event()
        self._error: BaseException | None = None
        self._warned = -QUIET_SECONDS  # monotonic seconds
        self._unsaid = 0

    async def run(self) -> None:
        """Wait for a stream that fails in a way nobody foresaw, and raise what it raised; end all when cancelled."""
        try:
            await self._broken.wait()
            if self._error:
                raise self._error
        finally:
            tasks = [stream.task for stream in self._streams.values()]
            self._streams.clear()
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks)

    @property
    def followed(self) -> int:
        """How many containers are followed."""
        return len(self._streams)

    def follow(self, member: Member, id_: str, limits: Mapping[str, int], *, fresh: bool, network: bool = True) -> bool:
        """Have a member that runs read through the engine as container `id_`, this run of it from now on.

        `False`: there are too many.

        `network`: it has one of its own. Of the others Podman's frames tell 0, or what is its neighbour's.
        """
        if id_ not in self._streams:
            if len(self._streams) >= MOST_STREAMS:
                return False
            task = asyncio.create_task(self._stream(id_), name=f"podtick stats {id_[:12]}")
            task.add_done_callback(self._ended)
            self._streams[id_] = _Stream(member, task, network, totals=self._totals.pop(id_, {}))
        self._roster.start(member, 0, {MARK: id_}, None, fresh=fresh, container_id=id_)
        self._roster.tell(member, limits)
        return True

    def leave(self, id_: str, *, gone: bool) -> None:
        """A container does not run any more, or is read in another way; `gone`: it never will run again."""
        stream = self._streams.pop(id_, None)
        if stream:
            stream.task.cancel()
            if stream.totals and not gone:
                self._totals[id_] = stream.totals  # of the pod that goes on
        if gone:
            self._totals.pop(id_, None)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        error = None if task.cancelled() else task.exception()
        if error:
            self._error = error
            self._broken.set()

    async def _stream(self, key: str) -> None:
        backoff = Backoff(RETRY_FIRST, RETRY_MOST)
        said = ""
        while True:
            try:
                async with contextlib.AsyncExitStack() as stack:
                    async with self._opening:
                        client = await stack.enter_async_context(EngineClient(self._endpoint, connections=1))
                    found = await stack.enter_async_context(contextlib.aclosing(frames(client, key, stall=self._stall)))
                    async for frame in found:
                        backoff.reset()
                        said = ""
                        self._take(key, frame)
                        await asyncio.sleep(FRAME_SECONDS)
            except EngineError as fault:
                if fault.status != _NOT_FOUND:
                    said = self._say(said, key, fault)
            except DockerError as fault:
                said = self._say(said, key, fault)
            await asyncio.sleep(backoff.next())

    def _say(self, said: str, key: str, fault: DockerError) -> str:
        """Log why a stream broke: of one stream once for one reason, of all now and then, with how many were not."""
        now = time.monotonic()
        if str(fault) == said:
            pass
        elif now < self._warned + QUIET_SECONDS:
            self._unsaid += 1
            log.debug("a stats stream broke container=%s reason=%s", key[:12], fault)
        else:
            log.warning(
                "a stats stream broke, trying again container=%s reason=%s others=%d", key[:12], fault, self._unsaid
            )
            self._warned, self._unsaid = now, 0
        return str(fault)

    def _take(self, key: str, frame: Frame) -> None:
        stream = self._streams.get(key)
        if stream is None:
            return
        known = {name: value for name, value in columns(frame).items() if value is not None}
        self._roster.tell_once(stream.member, known)
        network = {name: value for name, value in network_columns(frame).items() if value is not None}
        if network and stream.network:
            self._roster.tell_once(stream.member.pod, _totals(stream, network))


def _totals(stream: _Stream, counters: Mapping[str, int]) -> dict[str, int]:
    """What the pod has moved in all: its container's counters begin anew when it is started again.

    Without those that have become more than a column holds.
    """
    for name, value in counters.items():
        before = stream.seen.get(name, 0)
        stream.totals[name] = stream.totals.get(name, 0) + (value - before if value >= before else value)
    stream.seen.update(counters)
    return {name: value for name, value in stream.totals.items() if value <= MAX_VALUE}
