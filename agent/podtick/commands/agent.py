"""`podtick agent`: wires sources, roster, sampler, history and server together, and runs them until a signal."""

import asyncio
import logging
import os
import signal
import sys

from podtick.history.layout import Geometry, Region
from podtick.history.reader import HistoryReader
from podtick.roster.cgroups import CgroupRoster
from podtick.roster.engine import EngineRoster
from podtick.roster.roster import Roster
from podtick.roster.supervisor import Supervisor
from podtick.serve.app import Services, make_app
from podtick.serve.connections import HttpServer
from podtick.serve.exposition.samples import DeviceParsers
from podtick.serve.listen import ListenError, bind, url_of
from podtick.serve.status import Status
from podtick.settings import AgentSettings, DockerChoice
from podtick.sources.cgroup.mounts import read_mounts
from podtick.sources.docker.watch import watch_containers
from podtick.sources.proc.network import real_interfaces
from podtick.sources.proc.node import disks

log = logging.getLogger(__name__)
FAILURE = 1


def run(settings: AgentSettings) -> int:
    """Run the agent until SIGINT or SIGTERM; returns the exit code."""
    return asyncio.run(_Agent(settings).run())


class _Agent:
    def __init__(self, settings: AgentSettings) -> None:
        self._settings = settings
        self._fd = os.memfd_create("podtick-history", os.MFD_CLOEXEC)
        geometry = Geometry.for_budget(settings.history_seconds, settings.history_bytes)
        self._reader = HistoryReader(Region.create(self._fd, geometry))
        self._supervisor = Supervisor(self._fd, settings.proc)
        self._roster = Roster(self._supervisor)
        mounts = read_mounts(settings.proc, settings.cgroup)
        self._engine = EngineRoster(self._roster, mounts, settings.proc)
        self._cgroups = CgroupRoster(self._roster, mounts, self._wants_cgroups) if mounts else None
        docker = settings.docker
        self._status = Status(
            self._reader,
            self._supervisor,
            self._engine,
            str(docker.endpoint) if docker.endpoint else "",
            docker.choice is DockerChoice.CONFIGURED,
            self._cgroups,
            f"there is no cgroup tree at {settings.cgroup} (--cgroup)",
        )

    async def run(self) -> int:
        """Serve until a signal comes."""
        try:
            sockets = await bind(self._settings.listen)
        except ListenError as error:
            print(f"podtick: {error}", file=sys.stderr)
            return FAILURE
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stopped.set)
        parsers = DeviceParsers(disks, real_interfaces)
        services = Services(self._reader, self._roster, self._status, self._status, parsers, self._settings.selection)
        async with HttpServer(make_app(services), sockets):
            urls = " ".join(url_of(one) for one in sockets)
            log.info("serving address=%s", urls)
            await self._work(stopped)
        return 0

    async def _work(self, stopped: asyncio.Event) -> None:
        """Run every part until the signal; the end of any other part is an error that ends the agent."""
        parts = [self._supervisor.run(self._roster.replay, self._roster.answered), self._watch()]
        if self._cgroups:
            parts.append(self._cgroups.follow())
        tasks = [asyncio.ensure_future(part) for part in parts]
        signalled = asyncio.ensure_future(stopped.wait())
        try:
            done, _ = await asyncio.wait([signalled, *tasks], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (signalled, *tasks):
                task.cancel()
            await asyncio.wait([signalled, *tasks])
        log.info("stopped")

    async def _watch(self) -> None:
        endpoint = self._settings.docker.endpoint
        if endpoint is None:
            await asyncio.Event().wait()
            return
        async with watch_containers(endpoint) as updates:
            await self._engine.follow(updates)

    def _wants_cgroups(self) -> bool:
        """Bare cgroups are watched while no engine has a container that runs, once that is known."""
        state = self._engine.state
        known = state.listed or state.lost or self._settings.docker.endpoint is None
        return bool(known) and not state.running
