"""Pods by the kubelet's part of the cgroup tree; on nodes of containerd and CRI-O their containers too.

Where an engine has the containers, a pod's own cgroup is there before the engine can tell of it. Folders that come and
go are told by inotify, and looked for now and then besides, for what it did not tell. Whose they are say the API
server, and the mounts of a container's first process.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from podtick.roster.members import Member
from podtick.roster.names import Claim, Names
from podtick.roster.paths import folders_by_controller, pod_folders
from podtick.roster.roster import Roster
from podtick.sources.cgroup.discovery import CgroupPaths, locate_path
from podtick.sources.cgroup.inotify import Inotify
from podtick.sources.cgroup.kubepods import KubepodsPath
from podtick.sources.cgroup.kubetree import KubeletTree, kubelet_roots, look
from podtick.sources.cgroup.mounts import CgroupMounts
from podtick.sources.proc.process import ContainerProcess, container_processes

log = logging.getLogger(__name__)
LOOK_SECONDS = 1.0
"""From one look to the next where nothing is told; `TOLD_SECONDS` where inotify tells."""
TOLD_SECONDS = 10.0
REST = 50
"""Looks, and scans of /proc, take no more than one in so many seconds of a core."""
STORM = 10
"""However much there is to be told, nine of ten such seconds are left to others."""
SETTLE_SECONDS = 0.05
"""Runtimes make a folder in one hierarchy after the other: so long after the first one, most have all."""
EARLY_SECONDS = 1.0
"""So long a container or a pod is waited for that has not got all yet."""
TRIES = (0.0, 0.2, 0.5, 1.0, 3.0)
"""Seconds after which a container's process is looked for again: its mounts come before its program."""
MOST_CONTAINERS = 2000
MOST_PODS = 1000


@dataclass(slots=True)
class _Container:
    path: str
    whose: KubepodsPath
    id: str
    key: str
    since: float
    tries: int = 0
    found: ContainerProcess | None = field(default=None)


class KubepodsRoster:
    """Keeps the roster in step with the kubelet's cgroups: pods', and containers' while `wanted` says so."""

    def __init__(
        self,
        roster: Roster,
        names: Names,
        mounts: CgroupMounts,
        proc: Path,
        known: asyncio.Event,
        wanted: Callable[[], bool] = lambda: True,
        *,
        beside: bool = True,
    ) -> None:
        """`beside`: pods are followed where containers are not wanted, as an engine has them."""
        self._roster = roster
        self._names = names
        self._mounts = mounts
        self._proc = proc
        self._known = known
        self._wanted = wanted
        self._beside = beside
        self._alone = True  # containers were wanted at the last look
        self._roots: list[str] = []
        self._containers: dict[str, _Container] = {}  # by path
        self._early: dict[str, float] = {}  # since when a container's folders are being made, by path
        self._pods: dict[str, str] = {}  # the UID of each pod that has a folder, by its path
        self._news = asyncio.Event()
        self._scan_after = 0.0
        self.listed = asyncio.Event()
        self.told = False

    @property
    def followed(self) -> int:
        """How many containers are followed, sandboxes too."""
        return len(self._containers)

    async def follow(self) -> None:
        """Follow the tree until cancelled, from when it is known whether there is an engine."""
        await self._known.wait()
        with self._inotify() as inotify:
            news = False
            while True:
                tree, cost = await asyncio.to_thread(self._look, everywhere=not news)
                if inotify:
                    self._watch(inotify, tree.folders)
                self.apply(tree)
                await self._find_processes()
                self.listed.set()
                await asyncio.sleep(cost * STORM)
                news = await self._wait(max(TOLD_SECONDS if self.told else LOOK_SECONDS, cost * REST))

    # ------------------------------------------------------------------ when to look

    @contextlib.contextmanager
    def _inotify(self) -> Iterator[Inotify | None]:
        """An instance whose news wake us; `None` where the system has no more of them."""
        try:
            inotify = Inotify()
        except OSError as error:
            log.warning("no inotify, so the cgroup tree is looked through each second reason=%s", error)
            yield None
            return
        loop = asyncio.get_running_loop()

        def wake() -> None:
            if inotify.read():
                self._news.set()

        loop.add_reader(inotify.descriptor, wake)
        try:
            yield inotify
        finally:
            loop.remove_reader(inotify.descriptor)
            inotify.close()

    def _watch(self, inotify: Inotify, folders: set[str]) -> None:
        told = bool(folders)
        try:
            if inotify.watch(folders):
                self._news.set()  # what was made in them between the look and now
        except OSError as error:
            told = False
            if self.told:
                log.warning("too few inotify watches, so the tree is looked through each second reason=%s", error)
        self.told = told

    async def _wait(self, seconds: float) -> bool:
        """Until so many seconds have passed; whether there was news, or a process to be looked for, before."""
        due = [each.since + TRIES[each.tries] for each in self._unfinished()]
        now = time.monotonic()
        until = min([now + (2 * SETTLE_SECONDS if self._early else seconds), *due])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(until, self._scan_after if due else 0.0) - now):
                await self._news.wait()
                await asyncio.sleep(SETTLE_SECONDS)
        self._news.clear()
        return time.monotonic() < now + seconds

    def _look(self, *, everywhere: bool) -> tuple[KubeletTree, float]:
        """What there is, and the CPU seconds that it took to look; `everywhere`: kubelets' folders are new too."""
        began = time.thread_time()
        tree = KubeletTree()
        if self._wanted() or self._beside:
            self._roots = kubelet_roots(self._mounts) if everywhere or not self._roots else self._roots
            tree = look(self._roots, self._mounts)
        return tree, time.thread_time() - began

    # ------------------------------------------------------------------ what was found

    def apply(self, tree: KubeletTree) -> None:
        """Let those whose folders are gone leave, and the new ones join."""
        if self._wanted() is not self._alone:
            self._alone = not self._alone
            self._keep(KubeletTree())
        if not self._alone:
            tree = KubeletTree(pods=tree.pods if self._beside else {})
        self._keep(tree)
        for path, whose in tree.pods.items():
            new = path not in self._pods and len(self._pods) < MOST_PODS
            if new or self._names.lacks_cgroup(whose.pod_uid):
                self._begin(path, whose.pod_uid)
        for path, whose in tree.containers.items():
            if path not in self._containers and len(self._containers) < MOST_CONTAINERS and whose.container_id:
                key = f"{whose.pod_uid}/{whose.container_id}"
                self._start(_Container(path, whose, whose.container_id, key, time.monotonic()))

    def _keep(self, tree: KubeletTree) -> None:
        """Let those leave who are not in this tree."""
        for path in [path for path in self._containers if path not in tree.containers]:
            self._leave(self._containers.pop(path))
        for path in [path for path in self._pods if path not in tree.pods]:
            uid = self._pods.pop(path)
            if uid not in self._pods.values():  # under another root, as after a change of the cgroup driver
                self._names.end(uid)
        self._early = {
            path: since for path, since in self._early.items() if path in tree.containers or path in tree.pods
        }

    def give_way(self) -> None:
        """Let all leave at once if they are not wanted any more: an engine has them."""
        if self._alone and not self._wanted():
            self.apply(KubeletTree())
            self._news.set()  # its pods are looked for again

    def _begin(self, path: str, uid: str) -> None:
        """A pod's own cgroup is there."""
        paths = locate_path(self._mounts, path)
        if paths and self._whole(path, paths):
            self._pods[path] = uid
            self._names.begin(uid, paths.version, folders_by_controller(paths), engine=not self._alone)

    def _leave(self, container: _Container) -> None:
        member = self._roster.member(container.key)
        if member:
            self._roster.leave(member)

    def _start(self, container: _Container) -> None:
        paths = locate_path(self._mounts, container.path)
        if paths is None or not self._whole(container.path, paths):
            return
        member = self._join(container)
        folders, pod = folders_by_controller(paths), pod_folders(paths, container.whose.pod_uid)
        self._containers[container.path] = container
        self._roster.start(member, paths.version, folders, None, fresh=True, container_id=container.id, pod_paths=pod)

    def _whole(self, path: str, paths: CgroupPaths) -> bool:
        """Whether a container or pod has a folder wherever what is around it has one, or will not get one any more."""
        around = locate_path(self._mounts, path.rpartition("/")[0])
        early = around is not None and len(folders_by_controller(around)) > len(folders_by_controller(paths))
        now = time.monotonic()
        if early and now - self._early.setdefault(path, now) < EARLY_SECONDS:
            return False
        self._early.pop(path, None)
        return True

    def _join(self, container: _Container) -> Member:
        found = container.found
        name = found.name if found and found.pod_uid == container.whose.pod_uid else None
        over = container.tries == len(TRIES)
        sandbox = over and found is not None and found.name is None
        return self._names.join(
            container.key, Claim(container.whose.pod_uid, container.id, name=name, sandbox=sandbox, empty=found is None)
        )

    # ------------------------------------------------------------------ whose they are

    def _unfinished(self) -> list[_Container]:
        return [each for each in self._containers.values() if each.tries < len(TRIES)]

    async def _find_processes(self) -> None:
        """Look for the processes of those that are due, and for the names that their mounts tell."""
        now = time.monotonic()
        due = {each.id: each for each in self._unfinished() if now >= each.since + TRIES[each.tries]}
        if not due or now < self._scan_after:
            return
        found, cost = await asyncio.to_thread(self._scan, due)
        self._scan_after = time.monotonic() + cost * REST
        for id_, container in due.items():
            container.tries += 1
            container.found = found.get(id_, container.found)
            if container.found and container.found.name is not None:
                container.tries = len(TRIES)
            member = self._roster.member(container.key)
            if member and container.path in self._containers:
                self._join(container)
                self._roster.found_process(member, container.found.pid if container.found else None)

    def _scan(self, wanted: dict[str, _Container]) -> tuple[dict[str, ContainerProcess], float]:
        began = time.thread_time()
        return container_processes(self._proc, wanted), time.thread_time() - began
