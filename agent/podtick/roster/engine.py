"""An engine's containers as pods and members of the roster: `followed.py` says whose each of them is."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

from podtick.model.identity import Identity
from podtick.model.metrics.state import STATES
from podtick.roster.followed import RUNNING, SHARED, Followed, FollowedContainers, pod_of_one
from podtick.roster.members import Member
from podtick.roster.names import Names
from podtick.roster.paths import folders_by_controller, pod_folders
from podtick.roster.roster import Roster
from podtick.roster.streams import StatsStreams
from podtick.sources.cgroup.discovery import CgroupPaths, locate_container
from podtick.sources.cgroup.mounts import CgroupMounts
from podtick.sources.docker.containers import ContainerDetails
from podtick.sources.docker.updates import Changed, Listed, Removed, Unavailable, Update

log = logging.getLogger(__name__)
MOST_STOPPED = 100
"""Containers that do not run are followed up to this many, the newest ends first."""
RETRIES = (0.2, 1.0, 5.0)
"""Seconds after which a running container whose cgroup was not there is looked for again; then at each list."""


@dataclass(slots=True)
class EngineState:
    """What `/readyz` says of the engine."""

    listed: bool = False
    lost: str = ""
    name: str = ""
    running: int = 0
    streamed: int = 0
    unreadable: set[str] = field(default_factory=set)


class EngineRoster:
    """Applies a watch's updates to the roster, in their order."""

    def __init__(
        self,
        roster: Roster,
        names: Names,
        mounts: CgroupMounts | None,
        proc: Path,
        applied: Callable[[], None] = lambda: None,
        streams: StatsStreams | None = None,
        *,
        remote: bool = False,
    ) -> None:
        """`applied` is called after each update, and when a container of a kubelet is about to join.

        Without `mounts` no cgroup is looked for; `streams` has the numbers of those for which none is found. `remote`:
        the engine is likely another machine's, so that it does not pay to look again and again.
        """
        self._roster = roster
        self._names = names
        self._applied = applied
        self._streams = streams
        self._tries = 0 if remote or mounts is None else len(RETRIES)
        self._mounts = mounts
        self._proc = proc
        self._followed = FollowedContainers()
        self._began_ns = time.time_ns()
        self._since_ns = 0  # of the first list all count wholly in their pods, from then on who is started later
        self._retry: asyncio.Queue[str] = asyncio.Queue()  # at most a few entries for each container followed
        self.state = EngineState()
        self.known = asyncio.Event()  # set once it is known whether there is an engine, and what it has

    @property
    def has_pods(self) -> bool:
        """Whether the engine has containers of a kubelet."""
        return any(followed.kubelet for followed in self._followed)

    async def follow(self, updates: AsyncIterator[Update]) -> None:
        """Apply updates until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._retry_later(), name="podtick cgroup retry")
            if self._streams:
                group.create_task(self._streams.run(), name="podtick stats streams")
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
                followed = self._followed.get(container.id)
                member = self._roster.member(followed.key) if followed else None
                if member and any(event.kind == "update" for event in events):
                    self._roster.limits_changed(member)
            case Removed(id_, _):
                await self._remove(id_)
            case Unavailable(reason):
                self.state.lost = reason
                level = logging.WARNING if self.state.listed else logging.INFO
                log.log(level, "the engine does not answer reason=%s", reason)
                self._forget_states()
        self.state.running = sum(followed.runs for followed in self._followed)
        self.state.streamed = self._streams.followed if self._streams else 0
        self.known.set()
        self._applied()

    def _forget_states(self) -> None:
        """Of whom only the engine tells, nobody knows now whether they run; of the others their cgroups tell it."""
        for followed in self._followed:
            member = None if followed.sampled else self._roster.member(followed.key)
            if member and self._stands(followed, member):
                self._roster.tell(member, {"state": None})

    async def _list(self, containers: tuple[ContainerDetails, ...]) -> None:
        stopped = sorted((each for each in containers if each.state not in RUNNING), key=_ended, reverse=True)
        kept = [each for each in containers if each.state in RUNNING] + stopped[:MOST_STOPPED]
        wanted = {each.id: each for each in kept}
        for details in sorted(kept, key=lambda each: each.network_mode.startswith(SHARED)):
            await self._change(details, known=wanted)
        for id_ in self._followed.ids():  # afterwards: who has a successor hands its member over
            if id_ not in wanted:
                await self._remove(id_)

    async def _change(self, details: ContainerDetails, known: dict[str, ContainerDetails] | None = None) -> None:
        followed = self._followed.get(details.id)
        if followed is None:
            followed = self._followed.add(details, known or {})
            if followed.kubelet:
                self._applied()  # whoever has found it in another way gives way before it is here
        elif followed.details.name != details.name and followed.pod.uid == details.id:
            self._rename_pod(pod_of_one(details))
        followed.update(details)
        self._join(followed)
        await self._show(followed.key)

    def _join(self, followed: Followed) -> None:
        claim = followed.claim
        member = self._names.join(followed.key, claim) if claim else self._roster.join(followed.key, followed.member)
        if followed.details.image and "image" not in member.facts:
            self._roster.describe(member, {"image": followed.details.image})

    async def _show(self, key: str) -> None:
        """Have a member be what the container is that stands for it now."""
        holder, *others = self._followed.alike(key)
        for other in others:
            self._let_go(other)
        member = self._roster.member(key)
        assert member is not None
        if holder.runs:
            await self._start(member, holder)
        else:
            self._let_go(holder)
            self._roster.stop(member)
        self._tell(member, holder)

    def _let_go(self, followed: Followed) -> None:
        """A container does not run any more, or another one stands for its member."""
        if self._streams:
            self._streams.leave(followed.details.id, gone=False)
        followed.sampled = followed.streamed = False

    def _rename_pod(self, pod: Identity) -> None:
        """The container that others share the network of has another name: so has the pod of all of them."""
        for followed in self._followed:
            if followed.pod.uid == pod.uid:
                followed.pod = pod
                self._join(followed)

    async def _start(self, member: Member, followed: Followed) -> None:
        details = followed.details
        started = details.started_at_ns
        if followed.sampled and (started is None or followed.started in (None, started)):
            followed.started = started or followed.started  # an engine that hangs tells it only later
            self._roster.found_process(member, followed.process)
            return
        if followed.streamed and followed.started == started and not self._tries:
            return  # of another machine: there is nothing to find, and each look may go through the whole tree
        paths = None
        if self._mounts:
            paths = await asyncio.to_thread(locate_container, self._mounts, details.id, details.pid, self._proc)
        if not self._stands(followed, member):
            return  # it has left, or ended, meanwhile
        if followed.sampled and followed.started == started:
            return  # found meanwhile by another look
        fresh = (details.started_at_ns or 0) >= self._since_ns
        if paths is None:
            self._start_without(member, followed, fresh=fresh)
        else:
            self._start_from(paths, member, followed, fresh=fresh)

    def _stands(self, followed: Followed, member: Member | None) -> bool:
        """Whether a container still runs and stands for this member."""
        current = self._roster.member(followed.key)
        return current is member is not None and followed.runs and self._followed.holder(followed.key) is followed

    def _start_from(self, paths: CgroupPaths, member: Member, followed: Followed, *, fresh: bool) -> None:
        details = followed.details
        if self._streams and followed.streamed:
            self._streams.leave(details.id, gone=False)
            followed.streamed = False
        self.state.unreadable.discard(details.id)
        followed.sampled, followed.started, followed.tried = True, details.started_at_ns, 0
        pod = pod_folders(paths, followed.kubelet.uid) if followed.kubelet else {}
        self._roster.start(
            member,
            paths.version,
            folders_by_controller(paths),
            followed.process,
            fresh=fresh,
            container_id=details.id,
            pod_paths=pod,
        )

    def _start_without(self, member: Member, followed: Followed, *, fresh: bool) -> None:
        """No cgroup of a container that runs is to be found: ask the engine for its numbers, or look again later."""
        started = followed.details.started_at_ns
        if followed.streamed and followed.started == started:
            return
        if self._streams and followed.tried >= self._tries:
            details, network = followed.details, followed.own_network
            followed.streamed = self._streams.follow(member, details.id, details.limits, fresh=fresh, network=network)
            if followed.streamed:
                followed.started = started
                self.state.unreadable.discard(details.id)
                return
        self._try_again(followed)

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
            followed = self._followed.get(id_)
            member = self._roster.member(followed.key) if followed else None
            if member and followed and self._stands(followed, member):
                await self._start(member, followed)

    def _tell(self, member: Member, followed: Followed) -> None:
        details = followed.details
        if followed.streamed:
            self._roster.tell(member, details.limits)
        started = details.started_at_ns
        state = STATES.index(details.state) if details.state else None
        restarts = followed.restarted
        self._roster.tell(member, {"start_time_seconds": started, "restarts_total": restarts, "state": state})
        pod = member.pod
        others = [other for key in pod.members if (other := self._followed.holder(key))]
        total = sum(other.restarts for other in others) if restarts is not None else pod.told.get("restarts_total")
        values: dict[str, int | None] = {"restarts_total": total}
        if started is not None and pod.told.get("start_time_seconds") is None:
            values["start_time_seconds"] = started
        self._roster.tell(pod, values)

    async def _remove(self, id_: str) -> None:
        self.state.unreadable.discard(id_)
        if self._streams:
            self._streams.leave(id_, gone=True)
        followed = self._followed.pop(id_)
        if followed is None:
            return
        if self._followed.holder(followed.key):
            await self._show(followed.key)
        elif member := self._roster.member(followed.key):
            heirs = (heir for key in member.pod.members if (heir := self._followed.holder(key)))
            if heir := next(heirs, None):
                heir.restarts += followed.restarts  # the pod's sum never falls
            self._roster.leave(member)


def _ended(details: ContainerDetails) -> int:
    return details.finished_at_ns or 0
