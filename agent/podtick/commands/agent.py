"""`podtick agent`: starts the sampler, and while that starts loads everything else.

Half of the time until the first tick is the loading of the HTTP server and the clients, which the sampler does without.
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from podtick.history.layout import Geometry, HistoryError, Region, Word
from podtick.history.reader import HistoryReader
from podtick.roster.roster import Roster
from podtick.roster.supervisor import Supervisor
from podtick.sampler.protocol import Answer
from podtick.settings import AgentSettings

log = logging.getLogger(__name__)
FAILURE = 1
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Company:
    """What another command has beside the agent that it runs.

    `cgroups`: parts of the cgroup tree that are watched whatever an engine has. `tell`: lines to print once the agent
    works, given its URL.
    """

    cgroups: tuple[str, ...] = ()
    tell: Callable[[str], Iterable[str]] = lambda _: ()


def run(settings: AgentSettings, company: Company = Company()) -> int:
    """Run the agent until SIGINT or SIGTERM; returns the exit code."""
    try:
        sampling = Sampling(settings)
    except HistoryError as error:
        print(f"podtick: {error}", file=sys.stderr)
        return FAILURE
    return asyncio.run(_run(settings, sampling, company))


class Sampling:
    """The history, the sampler that writes it, and who is in it. Raises `HistoryError` where there can be none."""

    def __init__(self, settings: AgentSettings) -> None:
        fd = os.memfd_create("podtick-history", os.MFD_CLOEXEC)
        geometry = Geometry.for_budget(settings.history_seconds, settings.history_bytes)
        self.reader = HistoryReader(Region.create(fd, geometry))
        self.supervisor = Supervisor(fd, settings.proc)
        self.roster = Roster(self.supervisor, namespaces=settings.namespaces)
        self._shortened = False

    async def run(self) -> None:
        """Keep a sampler running until cancelled."""
        await self.supervisor.run(self.roster.replay, self._answered)

    def _answered(self, answer: Answer) -> None:
        self.roster.answered(answer)
        if not self._shortened and self.reader.counter(Word.SHORTENED):
            self._shortened = True
            log.warning("--history-bytes is too little for --history: all targets are remembered for less time")


Serve = Callable[[AgentSettings, Sampling, Company, asyncio.Event, "asyncio.Future[None]"], Awaitable[int]]
"""What is loaded meanwhile: serves until the event is set, or the future, which is the sampler's owner, has ended."""


async def _run(settings: AgentSettings, sampling: Sampling, company: Company) -> int:
    stopped = asyncio.Event()
    for number in SIGNALS:  # before anything else: a container's first process has none of them but with a handler
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    ticking = asyncio.ensure_future(sampling.run())
    try:
        serve = await asyncio.to_thread(_load)
        return await serve(settings, sampling, company, stopped, ticking)
    finally:
        ticking.cancel()
        await asyncio.wait([ticking])


def _load() -> Serve:
    from podtick.commands.serving import serve  # noqa: PLC0415 - not before the sampler has been started

    return serve
