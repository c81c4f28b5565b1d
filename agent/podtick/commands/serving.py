"""What `podtick agent` is besides its sampler: sources, roster and server wired together, until a signal."""

import asyncio
import gc
import logging
import sys

from podtick.commands.agent import FAILURE, Company, Sampling
from podtick.flags import DockerChoice, SourceChoice
from podtick.roster.cgroups import CgroupRoster
from podtick.roster.engine import EngineRoster
from podtick.roster.kubepods import KubepodsRoster
from podtick.roster.names import Names
from podtick.roster.pods import KnownPods
from podtick.roster.streams import StatsStreams
from podtick.sampler.descriptors import DescriptorBudget
from podtick.serve.app import Services, make_app
from podtick.serve.connections import HttpServer, Limits
from podtick.serve.exposition.samples import DeviceParsers
from podtick.serve.listen import ListenError, bind, url_of
from podtick.serve.status import Status
from podtick.settings import AgentSettings
from podtick.sources.cgroup.devices import block_devices
from podtick.sources.cgroup.mounts import CgroupMounts, read_mounts
from podtick.sources.docker.watch import watch_containers
from podtick.sources.kube.access import KubeAccess
from podtick.sources.proc.network import pod_interfaces, real_interfaces
from podtick.sources.proc.node import device_names, disks

log = logging.getLogger(__name__)
YOUNG_OBJECTS = 20_000
"""Objects made before the collector looks: a body of 20,000 samples is made and gone without it."""


async def serve(
    settings: AgentSettings,
    sampling: Sampling,
    company: Company,
    stopped: asyncio.Event,
    ticking: "asyncio.Future[None]",
) -> int:
    """Find out who is there and serve what is sampled until `stopped` is set; returns the exit code.

    `ticking` is the sampler's owner at work: its end is an error.
    """
    gc.freeze()  # what the imports left is never garbage
    gc.set_threshold(YOUNG_OBJECTS)
    budget = DescriptorBudget.of_process()  # each connection takes a descriptor
    most = max(1, min(Limits().connections, budget.limit))
    return await _Agent(settings, sampling, Limits(connections=most), company).run(stopped, ticking)


class _Agent:
    def __init__(self, settings: AgentSettings, sampling: Sampling, limits: Limits, company: Company) -> None:
        self._settings = settings
        self._company = company
        self._limits = limits
        self._reader = sampling.reader
        self._supervisor = sampling.supervisor
        self._roster = sampling.roster
        self._pods = KnownPods() if settings.kubernetes else None
        self._names = Names(self._roster, self._pods)
        mounts = read_mounts(settings.proc, settings.cgroup)
        self._engine = self._engine_roster(mounts)
        self._cgroups = CgroupRoster(self._roster, mounts, self._engine.known, self._wants_cgroups) if mounts else None
        self._kubepods = None
        if mounts and settings.kubernetes:
            self._kubepods = KubepodsRoster(
                self._roster,
                self._names,
                mounts,
                settings.proc,
                self._engine.known,
                self._wants_kubepods,
                beside=settings.source is not SourceChoice.ENGINE,
            )
        docker = settings.docker
        self._status = Status(
            self._reader,
            self._supervisor,
            self._engine,
            str(docker.endpoint) if docker.endpoint else "",
            docker.choice is DockerChoice.CONFIGURED,
            self._cgroups,
            f"there is no cgroup tree at {settings.cgroup} (--cgroup)",
            self._names,
            self._pods,
            self._kubepods,
            "no API server is asked: this is no pod of a cluster, or --kubernetes off",
        )

    def _engine_roster(self, mounts: CgroupMounts | None) -> EngineRoster:
        settings, endpoint = self._settings, self._settings.docker.endpoint
        streams = None
        if endpoint and settings.source is not SourceChoice.CGROUP:
            streams = StatsStreams(self._roster, endpoint)
        searched = None if settings.source is SourceChoice.ENGINE else mounts
        remote = endpoint is not None and not endpoint.local
        return EngineRoster(
            self._roster, self._names, searched, settings.proc, self._engine_changed, streams, remote=remote
        )

    async def run(self, stopped: asyncio.Event, ticking: "asyncio.Future[None]") -> int:
        """Serve until `stopped` is set."""
        try:
            sockets = await bind(self._settings.listen)
        except ListenError as error:
            print(f"podtick: {error}", file=sys.stderr)
            return FAILURE
        parsers = DeviceParsers(disks, real_interfaces, block_devices, pod_interfaces, device_names)
        services = Services(
            self._reader,
            self._roster,
            self._status,
            self._status,
            parsers,
            self._settings.node,
            self._settings.selection,
        )
        async with HttpServer(make_app(services), sockets, self._limits):
            urls = [url_of(one) for one in sockets]
            log.info("serving address=%s", " ".join(urls))
            await self._work(stopped, urls[0], ticking)
        return 0

    async def _work(self, stopped: asyncio.Event, url: str, ticking: "asyncio.Future[None]") -> None:
        """Run every part until `stopped` is set; the end of any other part is an error that ends the agent."""
        parts = [ticking, self._watch(), self._names.follow()]
        if self._cgroups:
            parts.append(self._cgroups.follow())
        if self._kubepods:
            parts.append(self._kubepods.follow())
        if self._pods is not None and self._settings.kubernetes:
            parts.append(self._watch_pods(self._pods, self._settings.kubernetes))
        tasks = [asyncio.ensure_future(part) for part in parts]
        signalled = asyncio.ensure_future(stopped.wait())
        announced = asyncio.ensure_future(self._announce(url))
        try:
            done, _ = await asyncio.wait([signalled, *tasks], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (signalled, announced, *tasks):
                task.cancel()
            await asyncio.wait([signalled, announced, *tasks])
        log.info("stopped")

    async def _announce(self, url: str) -> None:
        """Say on standard output, once the first tick is out, where to look and what is watched."""
        await self._supervisor.ticked.wait()
        await (self._cgroups.listed if self._cgroups else self._engine.known).wait()
        if self._kubepods:
            await self._kubepods.listed.wait()
        print(f"podtick ticks once a second: {url}metrics (health: {url}readyz)", flush=True)
        for source in self._status.sources():
            print(f"  {source.name}: {source.reason}", flush=True)
        for line in self._company.tell(url):
            print(line, flush=True)

    async def _watch(self) -> None:
        endpoint = self._settings.docker.endpoint
        if endpoint is None:
            self._engine.known.set()
            await asyncio.Event().wait()
            return
        async with watch_containers(endpoint) as updates:
            await self._engine.follow(updates)

    async def _watch_pods(self, pods: KnownPods, access: KubeAccess) -> None:
        from podtick.sources.kube.watch import watch_pods  # noqa: PLC0415 - where it is needed: it takes 21 MiB

        async with watch_pods(access, self._settings.node, kept=self._settings.kept) as updates:
            await pods.follow(updates)

    def _engine_changed(self) -> None:
        if self._cgroups:
            self._cgroups.give_way()
        if self._kubepods:
            self._kubepods.give_way()

    def _wants_kubepods(self) -> bool:
        """Whether pods are found by the cgroup tree, as no engine has them."""
        return not self._engine.has_pods

    def _wants_cgroups(self) -> tuple[str, ...]:
        """Which parts of the cgroup tree are watched: our company's, and all while nobody names containers."""
        everything = () if self._engine.state.running or self._settings.kubernetes else ("/",)
        return (*everything, *self._company.cgroups)
