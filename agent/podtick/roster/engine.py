"""An engine's containers as pods and members of the roster.

A container is a pod of one, in the namespace `_docker`, named as the container. Containers that share the network
namespace of another one (`--network container:X`) are members of X's pod.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

from podtick.model.identity import DOCKER, Identity, bounded
from podtick.model.metrics.state import STATES
from podtick.roster.members import Member
from podtick.roster.paths import folders_by_controller
from podtick.roster.roster import Roster
from podtick.sources.cgroup.discovery import locate_container
from podtick.sources.cgroup.mounts import CgroupMounts
from podtick.sources.docker.containers import ContainerDetails
from podtick.sources.docker.updates import Changed, Listed, Removed, Unavailable, Update

log = logging.getLogger(__name__)
MOST_STOPPED = 100
"""Containers that do not run are followed up to this many, the newest ends first."""
RUNNING = ("running", "paused")
SHARED = "container:"
RETRIES = (0.2, 1.0, 5.0)
"""Seconds after which a running container whose cgroup was not there is looked for again; then at each list."""
MOST_HOPS = 8


@dataclass(slots=True)
class Followed:
    """What is known of one container: its details, its pod's identity (final once found), and the run being sampled.

    `started`: when that run began, in unix ns, as far as the engine has said.
    """

    details: ContainerDetails
    pod: Identity
    sampled: bool = False
    started: int | None = None
    restarts: int = 0
    tried: int = 0


@dataclass(slots=True)
class EngineState:
    """What `/readyz` says of the engine."""

    listed: bool = False
    lost: str = ""
    name: str = ""
    running: int = 0
    unreadable: set[str] = field(default_factory=set)


class EngineRoster:
    """Applies a watch's updates to the roster, in their order."""

    def __init__(
        self, roster: Roster, mounts: CgroupMounts | None, proc: Path, applied: Callable[[], None] = lambda: None
    ) -> None:
        """`applied` is called after each update."""
        self._roster = roster
        self._applied = applied
        self._mounts = mounts
        self._proc = proc
        self._followed: dict[str, Followed] = {}
        self._began_ns = time.time_ns()
        self._since_ns = 0  # of the first list all count wholly in their pods, from then on who is started later
        self._retry: asyncio.Queue[str] = asyncio.Queue()  # at most a few entries for each container followed
        self.state = EngineState()
        self.known = asyncio.Event()  # set once it is known whether there is an engine, and what it has

    async def follow(self, updates: AsyncIterator[Update]) -> None:
        """Apply updates until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._retry_later(), name="podtick cgroup retry")
            async for update in updates:
                await self._apply(update)

    async def _apply(self, update: Update) -> None:
        match update:
            case Listed(engine, containers):
                self.state.listed, self.state.lost = True, ""
                self.state.name = engine.version
                await self._list(containers)
                self._since_ns = self._began_ns
            case Changed(container, events):
                await self._change(container)
                member = self._roster.member(container.id)
                if member and any(event.kind == "update" for event in events):
                    self._roster.limits_changed(member)
            case Removed(id_, _):
                self._remove(id_)
            case Unavailable(reason):
                self.state.lost = reason
                level = logging.WARNING if self.state.listed else logging.INFO
                log.log(level, "the engine does not answer reason=%s", reason)
        self.state.running = sum(followed.details.state in RUNNING for followed in self._followed.values())
        self.known.set()
        self._applied()

    async def _list(self, containers: tuple[ContainerDetails, ...]) -> None:
        stopped = sorted((each for each in containers if each.state not in RUNNING), key=_ended, reverse=True)
        kept = [each for each in containers if each.state in RUNNING] + stopped[:MOST_STOPPED]
        wanted = {each.id: each for each in kept}
        for id_ in [id_ for id_ in self._followed if id_ not in wanted]:
            self._remove(id_)
        for details in sorted(kept, key=lambda each: each.network_mode.startswith(SHARED)):
            await self._change(details, known=wanted)

    async def _change(self, details: ContainerDetails, known: dict[str, ContainerDetails] | None = None) -> None:
        followed = self._followed.get(details.id)
        if followed is None:
            followed = self._followed[details.id] = Followed(details, self._pod_of(details, known or {}))
            followed.restarts = details.restart_count or 0
        elif followed.details.name != details.name and followed.pod.uid == details.id:
            self._rename_pod(_pod_of_one(details))
        before, followed.details = followed.details, details
        member = self._roster.join(details.id, _container(followed))
        if details.state in RUNNING:
            await self._start(member, followed)
        else:
            self._roster.stop(member)
            followed.sampled = False
        self._tell(member, followed, before)

    def _rename_pod(self, pod: Identity) -> None:
        """The container that others share the network of has another name: so has the pod of all of them."""
        for id_, followed in self._followed.items():
            if followed.pod.uid == pod.uid:
                followed.pod = pod
                self._roster.join(id_, _container(followed))

    def _pod_of(self, details: ContainerDetails, known: dict[str, ContainerDetails]) -> Identity:
        """The pod that a container belongs to: the one whose network namespace it shares, else its own."""
        current = details
        for _ in range(MOST_HOPS):
            if not current.network_mode.startswith(SHARED):
                break
            other = current.network_mode.removeprefix(SHARED)
            if other in self._followed:
                return self._followed[other].pod
            if other not in known:
                break
            current = known[other]
        return _pod_of_one(current)

    async def _start(self, member: Member, followed: Followed) -> None:
        details = followed.details
        started = details.started_at_ns
        process = details.pid if details.network_mode not in ("host", "none") else None
        if followed.sampled and (started is None or followed.started in (None, started)):
            followed.started = started or followed.started  # an engine that hangs tells it only later
            self._roster.found_process(member, process)
            return
        if self._mounts is None:
            return
        paths = await asyncio.to_thread(locate_container, self._mounts, details.id, details.pid, self._proc)
        if self._roster.member(details.id) is not member or followed.details.state not in RUNNING:
            return  # it has left, or ended, meanwhile
        if followed.sampled and followed.started == started:
            return  # found meanwhile by another look
        if paths is None:
            self._try_again(followed)
            return
        self.state.unreadable.discard(details.id)
        fresh = (details.started_at_ns or 0) >= self._since_ns
        followed.sampled, followed.started, followed.tried = True, started, 0
        self._roster.start(member, paths.version, folders_by_controller(paths), process, fresh=fresh)

    def _try_again(self, followed: Followed) -> None:
        self.state.unreadable.add(followed.details.id)
        if followed.tried < len(RETRIES):
            asyncio.get_running_loop().call_later(RETRIES[followed.tried], self._retry.put_nowait, followed.details.id)
        elif followed.tried == len(RETRIES):
            log.warning("no cgroup found container=%s id=%s", followed.details.name, followed.details.id[:12])
        followed.tried += 1

    async def _retry_later(self) -> None:
        while True:
            id_ = await self._retry.get()
            member = self._roster.member(id_)
            if member and (followed := self._followed.get(id_)) and followed.details.state in RUNNING:
                await self._start(member, followed)

    def _tell(self, member: Member, followed: Followed, before: ContainerDetails) -> None:
        details = followed.details
        restarts = None if details.state == "created" else details.restart_count  # it never was started at all
        if restarts is not None:
            followed.restarts += max(0, restarts - (before.restart_count or 0))
        started = details.started_at_ns
        state = STATES.index(details.state) if details.state else None
        self._roster.tell(member, {"start_time_seconds": started, "restarts_total": restarts, "state": state})
        pod = member.pod
        others = [other for key in pod.members if (other := self._followed.get(key))]
        total = sum(other.restarts for other in others) if restarts is not None else pod.told.get("restarts_total")
        values: dict[str, int | None] = {"restarts_total": total}
        if started is not None and pod.told.get("start_time_seconds") is None:
            values["start_time_seconds"] = started
        self._roster.tell(pod, values)

    def _remove(self, id_: str) -> None:
        self.state.unreadable.discard(id_)
        followed = self._followed.pop(id_, None)
        if followed and (member := self._roster.member(id_)):
            heirs = (heir for key in member.pod.members if (heir := self._followed.get(key)))
            if heir := next(heirs, None):
                heir.restarts += followed.restarts  # the pod's sum never falls
            self._roster.leave(member)


def _pod_of_one(details: ContainerDetails) -> Identity:
    return Identity(DOCKER, bounded(details.name or details.id[:12]), details.id)


def _container(followed: Followed) -> Identity:
    name = bounded(followed.details.name or followed.details.id[:12])
    return Identity(followed.pod.namespace, followed.pod.pod, followed.pod.uid, name)


def _ended(details: ContainerDetails) -> int:
    return details.finished_at_ns or 0
