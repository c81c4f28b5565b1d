"""Which targets exist now and who they are; what each change means to the sampler.

A pod has members: containers, or bare cgroups. Sources of membership (`engine.py`, `cgroups.py`) call `join`, `start`,
`tell`, `leave`; the sampler's answers come in through `answered`. Whatever is true now can be said again to a new
sampler: `replay`.
"""

import errno
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Protocol

from podtick.history.records import TargetKind
from podtick.model.identity import Identity
from podtick.model.metrics.row import Level
from podtick.model.metrics.state import STATES
from podtick.roster.members import Member, Pod, RosterTarget
from podtick.sampler.protocol import Answer, Attach, Command, Detach, Keep, Limits, Network, Rename, Told

log = logging.getLogger(__name__)
NODE_ID = 1
RUNNING_STATES = tuple(STATES.index(state) for state in ("running", "paused"))
PodKey = tuple[str, str]
"""Namespace and UID."""


class Sink(Protocol):
    """Whoever passes commands to the sampler."""

    def send(self, command: Command) -> None:
        """Pass one command on, in order; does not wait."""
        ...


class Roster:
    """All pods and their members."""

    def __init__(self, sink: Sink, first_id: int = NODE_ID + 1) -> None:
        self._sink = sink
        self._next_id = max(first_id, NODE_ID + 1)
        self._pods: dict[PodKey, Pod] = {}
        self._members: dict[str, Member] = {}
        self._by_id: dict[int, Pod | Member] = {}
        self._refused: set[int] = set()
        self._problems: set[str] = set()  # of a file and a reason: as many as the kernel has of both
        self.version = 0

    # -- what is served --------------------------------------------------------------------------------------------

    def targets(self, level: Level) -> list[RosterTarget]:
        """All targets of a level that have a place in the history."""
        found = self._pods.values() if level is Level.POD else self._members.values()
        if level is Level.NODE:
            return []
        return [
            RosterTarget(entry.slot, entry.first, level, entry.identity) for entry in found if entry.slot is not None
        ]

    def member(self, key: str) -> Member | None:
        """The member of this key (a container's full ID)."""
        return self._members.get(key)

    def members(self) -> list[Member]:
        """All members."""
        return list(self._members.values())

    # -- what sources of membership say ----------------------------------------------------------------------------

    def join(self, key: str, container: Identity) -> Member:
        """A member of the pod that its identity names; the pod begins with its first one."""
        member = self._members.get(key)
        if member:
            self._rename(member, container)
            return member
        pod = self._pod(container)
        attach = Attach(self._take_id(), TargetKind.CONTAINER, pod.id, identity=container.text())
        member = Member(attach.id, key, container, pod, attach)
        pod.members[key] = self._members[key] = member
        self._by_id[member.id] = member
        self._send(attach)
        return member

    def _pod(self, container: Identity) -> Pod:
        key = (container.namespace, container.uid)
        pod = self._pods.get(key)
        if pod is None:
            identity = Identity(container.namespace, container.pod, container.uid)
            pod = Pod(self._take_id(), identity, Attach(self._next_id - 1, TargetKind.POD, identity=identity.text()))
            self._pods[key] = self._by_id[pod.id] = pod
            self._send(pod.attach)
        return pod

    def _take_id(self) -> int:
        self._next_id += 1
        return self._next_id - 1

    def start(
        self, member: Member, version: int, paths: Mapping[str, str], process: int | None, *, fresh: bool
    ) -> None:
        """A member runs: these are its cgroup folders. `fresh`: it was started while its pod was watched."""
        member.attach = Attach(
            member.id,
            TargetKind.CONTAINER,
            member.pod.id,
            version,
            paths,
            member.identity.text(),
            fresh,
            member.attach.run + 1,
        )
        member.process = process
        self._send(member.attach)
        if member.pod.network_owner in (None, member.id) or member.owns_network:
            self._choose_network(member.pod)

    def found_process(self, member: Member, process: int | None) -> None:
        """The process of a member that runs has become known."""
        if process and member.running and member.process is None:
            member.process = process
            if member.pod.network_owner is None:
                self._choose_network(member.pod)

    def stop(self, member: Member) -> None:
        """A member no longer runs. The sampler finds that out by itself, and earlier."""
        member.attach = replace(member.attach, version=0, paths={}, fresh=False)
        member.process = None

    def leave(self, member: Member) -> None:
        """A member is no more; its pod ends with its last one."""
        pod = member.pod
        del self._members[member.key], pod.members[member.key], self._by_id[member.id]
        self._send(Detach(member.id))
        if not pod.members:
            del self._pods[pod.identity.namespace, pod.identity.uid], self._by_id[pod.id]
            self._send(Detach(pod.id))
        elif pod.network_owner == member.id:
            self._choose_network(pod)
        self._ask_again()
        self.version += 1

    def _ask_again(self) -> None:
        """Somebody left: there may be room now for those for whom there was none."""
        refused, self._refused = self._refused, set()
        for entry in (entry for id_ in refused if (entry := self._by_id.get(id_))):
            self._send(entry.attach)
            if entry.told:
                self._send(Told(entry.id, entry.told))
            if isinstance(entry, Pod):
                self._choose_network(entry)

    def limits_changed(self, member: Member) -> None:
        """The limits of a member are others than they were."""
        self._send(Limits(member.id))

    def tell(self, entry: Pod | Member, values: Mapping[str, int | None]) -> None:
        """Columns that no file tells. What was told before is not said again."""
        news = {key: value for key, value in values.items() if entry.told.get(key, -1) != value}
        if news:
            entry.told.update(news)
            self._send(Told(entry.id, news))

    def _rename(self, member: Member, container: Identity) -> None:
        if member.identity == container:
            return
        member.identity = container
        pod = member.pod
        self._send(Rename(member.id, container.text()))
        if pod.identity.pod != container.pod:
            pod.identity = Identity(container.namespace, container.pod, pod.identity.uid)
            self._send(Rename(pod.id, pod.identity.text()))
        self.version += 1

    # -- network ---------------------------------------------------------------------------------------------------

    def _choose_network(self, pod: Pod) -> None:
        """Have the pod's network read through one of its running members.

        Best through the one whose network it is: when that one is started again, the others stay in a namespace from
        which the engine has taken the interfaces.
        """
        able = [each for each in pod.members.values() if each.process]
        chosen = min(able, key=lambda each: not each.owns_network, default=None)
        pod.network_owner = chosen.id if chosen else None
        if chosen and chosen.process:
            self._send(Network(pod.id, chosen.id, chosen.process, chosen.key))

    # -- what the sampler says -------------------------------------------------------------------------------------

    def answered(self, answer: Answer) -> None:
        """Take in one answer of the sampler."""
        entry = self._by_id.get(answer.id)
        match answer.kind:
            case "attached" if entry:
                slot, first, problem = (*answer.text.split(" ", 2), "")[:3]
                if (entry.slot, entry.first) != (int(slot), int(first)):
                    entry.slot, entry.first = int(slot), int(first)
                    self.version += 1
                if problem:
                    self._tell_problem(entry, problem)
            case "gone" if isinstance(entry, Member) and answer.text == str(entry.attach.run):
                self.stop(entry)
                if entry.told.get("state") in RUNNING_STATES:  # until the engine says what became of it
                    self.tell(entry, {"state": None})
                if entry.pod.network_owner == entry.id:
                    self._choose_network(entry.pod)
            case "network" if isinstance(entry, Pod):
                self._network_answered(entry, answer.text)
            case "full" if entry:
                self._refused.add(entry.id)
                log.error("no room for a target target=%s reason=%s", entry.identity.text(), answer.text)
            case "error":
                log.error("the sampler refused a command reason=%s", answer.text)
            case _:
                pass

    def _tell_problem(self, entry: Pod | Member, problem: str) -> None:
        """Log why a file cannot be read: once for all targets; not at all one that is absent, or has just gone."""
        path, _, reason = problem.rpartition(": ")
        known = f"{path.rpartition('/')[2]}: {reason}"
        ordinary = reason == os.strerror(errno.ENOENT) or known in self._problems
        level = logging.DEBUG if ordinary else logging.WARNING
        log.log(level, "target is not wholly readable target=%s problem=%s", entry.identity.text(), problem)
        self._problems.add(known)

    def _network_answered(self, pod: Pod, text: str) -> None:
        if text.startswith("gone"):
            owner = self._by_id.get(pod.network_owner or 0)
            if isinstance(owner, Member):
                owner.process = None  # not asked for again until the engine names one
            self._choose_network(pod)
        elif text.startswith("unreadable"):
            log.warning("network of a pod cannot be read pod=%s reason=%s", pod.identity.text(), text)

    def replay(self) -> Iterator[Command]:
        """Everything that a new sampler has to know; what an earlier one read goes on."""
        yield Attach(NODE_ID, TargetKind.NODE)
        for pod in self._pods.values():
            yield replace(pod.attach, identity=pod.identity.text())
            for member in pod.members.values():
                yield replace(member.attach, identity=member.identity.text(), fresh=False)
            entries: tuple[Pod | Member, ...] = (pod, *pod.members.values())
            yield from (Told(entry.id, entry.told) for entry in entries if entry.told)
            self._choose_network(pod)
        yield Keep((NODE_ID, *self._by_id))

    def _send(self, command: Command) -> None:
        self._sink.send(command)
