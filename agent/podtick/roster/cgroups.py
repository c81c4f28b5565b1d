"""Where no engine has a container: whatever cgroups with processes there are.

Those that are named as the kubelet names them are containers of their pods, under the pod's UID as nobody tells its
name; every other one is a pod of one, under its path. All are in the namespace `_cgroup`.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable
from itertools import islice

from podtick.model.identity import CGROUP, Identity, bounded
from podtick.roster.paths import folders_by_controller, pod_folders
from podtick.roster.roster import Roster
from podtick.sources.cgroup.discovery import CgroupPaths, list_cgroups, locate_path
from podtick.sources.cgroup.kubepods import parse_kubepods_path
from podtick.sources.cgroup.mounts import CgroupMounts

SCAN_SECONDS = 1.0
REST = 1000
"""Scans take no more than one in so many seconds of a core."""
MOST_CGROUPS = 500
ID_DIGITS = 12


class CgroupRoster:
    """Keeps the roster in step with the parts of the cgroup tree that `wanted` names, by path; `/` is all of it.

    Each part is looked through at its own pace: a small one often, whatever lies around it.
    """

    def __init__(
        self, roster: Roster, mounts: CgroupMounts, known: asyncio.Event, wanted: Callable[[], tuple[str, ...]]
    ) -> None:
        self._known = known
        self._roster = roster
        self._mounts = mounts
        self._wanted = wanted
        self.listed = asyncio.Event()
        self._asked = asyncio.Event()  # what is wanted may be something else since
        self._found: dict[str, dict[str, CgroupPaths]] = {}  # by part
        self._due: dict[str, float] = {}
        self._followed: dict[str, str] = {}

    async def follow(self) -> None:
        """Scan until cancelled, from when it is known whether there is an engine."""
        await self._known.wait()
        while True:
            self._asked.clear()
            scanned = []
            for part in self._wanted():
                now = time.monotonic()
                if now >= self._due.get(part, now):
                    self._found[part], cost = await asyncio.to_thread(self._scan, part)
                    self._due[part] = now + max(SCAN_SECONDS, cost * REST)
                    scanned.append(part)
            self.apply(self._merged(scanned))
            self.listed.set()
            if not self._wanted():
                await self._asked.wait()
            await asyncio.sleep(SCAN_SECONDS)

    def _scan(self, part: str) -> tuple[dict[str, CgroupPaths], float]:
        """The cgroups there are, and the CPU seconds that it took to find them."""
        began = time.thread_time()
        found: dict[str, CgroupPaths] = {}
        for path, paths in islice(list_cgroups(self._mounts, part), MOST_CGROUPS):
            whole = container_path(path)
            if whole == path:
                found[path] = paths
            elif whole not in found and (outer := locate_path(self._mounts, whole)):
                found[whole] = outer
        return found, time.thread_time() - began

    def _merged(self, scanned: Collection[str] = ()) -> dict[str, CgroupPaths]:
        """What was found in the parts that are wanted now; of one within another, by its own scan.

        Of parts that were not scanned just now, what has gone since is not found any more.
        """
        parts = self._wanted()
        self._found = {part: found for part, found in self._found.items() if part in parts}
        merged: dict[str, CgroupPaths] = {}
        for part, found in self._found.items():
            inner = tuple(f"{other}/" for other in self._found if other != part and other.startswith(part))
            fresh = part in scanned
            kept = (path for path in found if fresh or self._runs(self._followed.get(path)))
            merged.update({path: found[path] for path in kept if not path.startswith(inner)})
        return merged

    def give_way(self) -> None:
        """Let go of what is wanted no more, once an engine has a container: it may be one of them.

        To be called whenever what is wanted may have changed.
        """
        self._asked.set()
        merged = self._merged()
        self._leave([path for path in self._followed if path not in merged])

    def apply(self, found: dict[str, CgroupPaths]) -> None:
        """Let those who are not among `found` (folders by path) leave, and the new ones join."""
        self._leave([path for path in self._followed if path not in found])
        for path, paths in found.items():
            if path == "/" or self._runs(self._followed.get(path)):
                continue
            key, identity = _who(path)
            if self._runs(key):  # under another path, in another hierarchy
                continue
            member = self._roster.join(key, identity)
            self._followed[path] = key
            folders, pod = folders_by_controller(paths), pod_folders(paths, identity.uid)
            self._roster.start(member, paths.version, folders, None, fresh=True, pod_paths=pod)

    def _leave(self, paths: Iterable[str]) -> None:
        for path in paths:
            member = self._roster.member(self._followed.pop(path))
            if member:
                self._roster.leave(member)

    def _runs(self, key: str | None) -> bool:
        """Whether a member is read. One made anew under its old path is not: it has to be told again."""
        member = self._roster.member(key) if key else None
        return member is not None and member.running

    @property
    def followed(self) -> int:
        """How many cgroups are followed."""
        return len(self._followed)


def container_path(path: str) -> str:
    """The path of the kubelet's container that a cgroup is in: what it made below is part of it; else the path."""
    kubelet = parse_kubepods_path(path)
    if kubelet is None or kubelet.container_id is None:
        return path
    before, id_, after = path.partition(kubelet.container_id)
    return before + id_ + after.partition("/")[0]


def _who(path: str) -> tuple[str, Identity]:
    """Under which key the roster has a cgroup, and whose it is."""
    kubelet = parse_kubepods_path(path)
    if kubelet is None or kubelet.container_id is None:
        name = bounded(path)
        return f"{CGROUP}{path}", Identity(CGROUP, name, name, bounded(path.rpartition("/")[2]))
    pod = bounded(kubelet.pod_uid)
    return f"{CGROUP}{pod}/{kubelet.container_id}", Identity(CGROUP, pod, pod, kubelet.container_id[:ID_DIGITS])
