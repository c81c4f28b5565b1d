"""A scripted engine: gives updates one by one, and keeps what the sampler is told of them."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from podtick.model.identity import Identity
from podtick.roster.engine import EngineRoster
from podtick.roster.members import Member, Pod
from podtick.roster.names import Names
from podtick.roster.roster import Roster
from podtick.sampler.protocol import Attach, Command, Detach, Told
from podtick.sources.cgroup.mounts import CgroupMounts, Mount
from podtick.sources.docker.containers import ContainerDetails
from podtick.sources.docker.updates import Changed, Listed, Removed, Update
from podtick.sources.docker.versions import EngineInfo

INFO = EngineInfo("20.10.24", "1.41")
LATER = 4_000_000_000 * 10**9
NEVER = 60.0


@dataclass
class RecordingSink:
    """Stands for the sampler: what it was told, in order."""

    sent: list[Command] = field(default_factory=list)

    def send(self, command: Command) -> None:
        self.sent.append(command)

    def take(self, *kinds: type) -> list[Any]:
        """What was said since the last call, of some kinds only if they are given."""
        taken, self.sent = self.sent, []
        return [command for command in taken if not kinds or isinstance(command, kinds)]


def container_id(name: str) -> str:
    return name.encode().hex().ljust(64, "0")[:64]


def details(name: str, /, **changes: Any) -> ContainerDetails:
    """A container that runs."""
    made = ContainerDetails(
        id=container_id(name),
        name=name,
        image="image",
        labels={},
        state="running",
        pid=300,
        started_at_ns=LATER,
        finished_at_ns=None,
        exit_code=None,
        oom_killed=False,
        restart_count=0,
        network_mode="bridge",
        cgroup_parent="",
    )
    if "shares" in changes:
        changes["network_mode"] = f"container:{container_id(changes.pop('shares'))}"
    return replace(made, **changes)


def stopped(name: str, /, **changes: Any) -> ContainerDetails:
    return details(name, **{"state": "exited", "pid": None, "exit_code": 0, **changes})


def who(entry: Member | Pod) -> Identity:
    """Its identity, which is known."""
    assert entry.identity is not None
    return entry.identity


class Node:
    """A machine with an engine: its cgroup tree, the roster that follows it, and the sampler's ear."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.sink = RecordingSink()
        self.roster = Roster(self.sink)
        (root / "docker").mkdir(parents=True)
        for folder in (root, root / "docker"):
            (folder / "cgroup.procs").touch()
        self.engine = EngineRoster(
            self.roster, Names(self.roster, None), CgroupMounts(2, unified=Mount(root)), root / "proc"
        )
        self._updates: asyncio.Queue[Update] = asyncio.Queue(1)
        self._asked = asyncio.Semaphore(0)
        self._following: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._following = asyncio.create_task(self.engine.follow(self._feed()))
        async with asyncio.timeout(NEVER):
            await self._asked.acquire()
        return self

    async def __aexit__(self, *exception: object) -> None:
        assert self._following
        self._following.cancel()
        await asyncio.gather(self._following, return_exceptions=True)

    async def _feed(self) -> AsyncIterator[Update]:
        while True:
            self._asked.release()
            yield await self._updates.get()

    async def give(self, update: Update) -> None:
        """Give one update, and wait until it has been applied."""
        await self._updates.put(update)
        async with asyncio.timeout(NEVER):
            await self._asked.acquire()

    async def list(self, *containers: ContainerDetails, cgroups: bool = True) -> None:
        """A full list; running containers have cgroups."""
        for container in containers if cgroups else ():
            self.make_cgroup(container)
        await self.give(Listed(INFO, containers))

    async def change(self, container: ContainerDetails) -> None:
        self.make_cgroup(container)
        await self.give(Changed(container, ()))

    async def remove(self, name: str) -> None:
        await self.give(Removed(container_id(name), ()))

    def make_cgroup(self, container: ContainerDetails) -> None:
        folder = self.root / (container.cgroup_parent.strip("/") or "docker") / container.id
        if container.pid and not folder.exists():
            folder.mkdir(parents=True)
            for each in (folder, folder.parent):
                (each / "cgroup.procs").touch()

    def member(self, name: str) -> Member:
        member = self.roster.member(container_id(name))
        assert member is not None
        return member

    def told(self, id_: int) -> dict[str, int | None]:
        """All that the sampler was told of a target, the newest of each."""
        return {
            key: value
            for each in self.sink.sent
            if isinstance(each, Told) and each.id == id_
            for key, value in each.values.items()
        }

    def known_to_sampler(self) -> set[int]:
        """The targets that a sampler which heard everything has."""
        known: set[int] = set()
        for command in self.sink.sent:
            if isinstance(command, Attach):
                known.add(command.id)
            elif isinstance(command, Detach):
                known.discard(command.id)
        return known
