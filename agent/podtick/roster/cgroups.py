"""Where no engine has a container: whatever cgroups with processes there are, each a pod of one in `_cgroup`."""

import asyncio
import time
from collections.abc import Callable
from itertools import islice

from podtick.model.identity import CGROUP, Identity, bounded
from podtick.roster.paths import folders_by_controller
from podtick.roster.roster import Roster
from podtick.sources.cgroup.discovery import CgroupPaths, list_cgroups
from podtick.sources.cgroup.mounts import CgroupMounts

SCAN_SECONDS = 5.0
REST = 1000
"""Scans take no more than one in so many seconds of a core."""
MOST_CGROUPS = 500


class CgroupRoster:
    """Keeps the roster in step with the cgroup tree while `wanted` says so."""

    def __init__(self, roster: Roster, mounts: CgroupMounts, known: asyncio.Event, wanted: Callable[[], bool]) -> None:
        self._known = known
        self._roster = roster
        self._mounts = mounts
        self._wanted = wanted
        self.listed = asyncio.Event()
        self._followed: dict[str, str] = {}

    async def follow(self) -> None:
        """Scan until cancelled, from when it is known whether there is an engine."""
        await self._known.wait()
        while True:
            found, cost = await asyncio.to_thread(self._scan) if self._wanted() else ({}, 0.0)
            self.apply(found if self._wanted() else {})
            self.listed.set()
            await asyncio.sleep(max(SCAN_SECONDS, cost * REST))

    def _scan(self) -> tuple[dict[str, CgroupPaths], float]:
        """The cgroups there are, and the CPU seconds that it took to find them."""
        began = time.thread_time()
        found = dict(islice(list_cgroups(self._mounts), MOST_CGROUPS))
        return found, time.thread_time() - began

    def give_way(self) -> None:
        """Let go of every cgroup once an engine has a container: it may be one of them."""
        if self._followed and not self._wanted():
            self.apply({})

    def apply(self, found: dict[str, CgroupPaths]) -> None:
        """Let those who are not among `found` (folders by path) leave, and the new ones join."""
        for path in [path for path in self._followed if path not in found]:
            member = self._roster.member(self._followed.pop(path))
            if member:
                self._roster.leave(member)
        for path, paths in found.items():
            key = f"{CGROUP}{path}"
            known = self._roster.member(key)
            if path == "/" or (known and known.running):  # one made anew under its old path runs no more: it is told
                continue
            name = bounded(path)
            member = self._roster.join(key, Identity(CGROUP, name, name, bounded(path.rpartition("/")[2])))
            self._followed[path] = key
            self._roster.start(member, paths.version, folders_by_controller(paths), None, fresh=True)

    @property
    def followed(self) -> int:
        """How many cgroups are followed."""
        return len(self._followed)
