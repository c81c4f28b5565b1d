"""Which targets exist now and who they are; what each change means to the sampler.

A pod has members: containers, or bare cgroups. Sources of membership (`engine.py`, `cgroups.py`) call `join`, `start`,
`tell`, `leave`; the sampler's answers come in through `answered`. Whatever is true now can be said again to a new
sampler: `replay`.
"""

import errno
import logging
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Protocol

from podtick.history.records import TargetKind
from podtick.model.identity import Identity, bounded
from podtick.model.metrics.row import Level
from podtick.model.metrics.state import STATES
from podtick.roster.members import Member, Pod, RosterTarget, text_of
from podtick.roster.networks import Networks
from podtick.roster.paths import class_of
from podtick.roster.qos import QosCgroups
from podtick.sampler.protocol import Answer, Attach, Command, Detach, Keep, Limits, Rename, Told

log = logging.getLogger(__name__)
NODE_ID = 1
NO_PATHS: Mapping[str, str] = {}
RUNNING_STATES = tuple(STATES.index(state) for state in ("running", "paused"))


class Sink(Protocol):
    """Whoever passes commands to the sampler."""

    def send(self, command: Command) -> None:
        """Pass one command on, in order; does not wait."""
        ...


class Roster:
    """All pods and their members."""

    def __init__(self, sink: Sink, first_id: int = NODE_ID + 1, namespaces: Collection[str] | None = None) -> None:
        """`namespaces`: the pods of all others have no identity here, so that nobody ever sees them."""
        self._sink = sink
        self._namespaces = namespaces
        self._next_id = max(first_id, NODE_ID + 1)
        self._pods: dict[str, Pod] = {}
        self._members: dict[str, Member] = {}
        self._by_id: dict[int, Pod | Member] = {}
        self._refused: set[int] = set()
        self._networks = Networks(self._by_id, self._send)
        self._qos = QosCgroups(self._take_id, self._send)
        self._problems: set[str] = set()  # of a file and a reason: as many as the kernel has of both
        self.version = 0

    # -- what is served --------------------------------------------------------------------------------------------

    def targets(self, level: Level) -> list[RosterTarget]:
        """All targets of a level that have a place in the history and a name; sandboxes have none."""
        found = self._pods.values() if level is Level.POD else self._members.values()
        if level not in (Level.POD, Level.CONTAINER):
            return self._qos.targets(level)
        return [
            RosterTarget(entry.slot, entry.first, level, entry.identity, entry.facts)
            for entry in found
            if entry.slot is not None
            and entry.identity
            and (level is Level.POD or entry.identity.container is not None)
        ]

    def member(self, key: str) -> Member | None:
        """The member of this key: a container's full ID, or what else its source calls it."""
        return self._members.get(key)

    def pod(self, key: str) -> Pod | None:
        """The pod of this key."""
        return self._pods.get(key)

    def members(self) -> list[Member]:
        """All members."""
        return list(self._members.values())

    # -- what sources of membership say ----------------------------------------------------------------------------

    def join(self, key: str, identity: Identity | None, pod: str = "") -> Member:
        """A member of a pod, or what one is called from now on; the pod begins with its first one.

        `identity`: `None` as long as nobody knows it: then neither is served. `pod`: the key of its pod, by which its
        members find each other; the pod that the identity names if nothing is given.
        """
        if identity and not self._shows(identity):
            pod, identity = pod or identity.pod_key, None
        member = self._members.get(key)
        if member:
            self._rename(member, identity)
            return member
        whose = self._pod(pod or (identity.pod_key if identity else key), identity)
        attach = Attach(self._take_id(), TargetKind.CONTAINER, whose.id, identity=text_of(identity))
        member = Member(attach.id, key, identity, whose, attach)
        whose.members[key] = self._members[key] = member
        self._by_id[member.id] = member
        self._send(attach)
        return member

    def begin(self, key: str, identity: Identity | None, version: int, paths: Mapping[str, str]) -> Pod:
        """A pod by the folders of its own cgroup, maybe before it has a member: it lives until it is released.

        `identity`: `None` as long as nobody knows it.
        """
        pod = self._pod(key, identity if identity and self._shows(identity) else None)
        pod.held = True
        self._found_pod(pod, version, paths)
        return pod

    def _pod(self, key: str, member: Identity | None) -> Pod:
        pod = self._pods.get(key)
        identity = member.of_pod if member else None
        if pod is None:
            id_ = self._take_id()
            pod = Pod(id_, key, identity, Attach(id_, TargetKind.POD, identity=text_of(identity)))
            self._pods[key] = self._by_id[pod.id] = pod
            self._send(pod.attach)
        else:
            self._rename_pod(pod, identity)
        return pod

    def _shows(self, identity: Identity) -> bool:
        return self._namespaces is None or identity.namespace in self._namespaces

    def _take_id(self) -> int:
        self._next_id += 1
        return self._next_id - 1

    def start(
        self,
        member: Member,
        version: int,
        paths: Mapping[str, str],
        process: int | None,
        *,
        fresh: bool,
        container_id: str = "",
        pod_paths: Mapping[str, str] = NO_PATHS,
    ) -> None:
        """A member runs: these are its cgroup folders. `fresh`: it was started while its pod was watched.

        `version` 0: it has none here; `paths` only marks it as running, and its numbers are told. `container_id`: the
        engine's, where it is not the member's key. `pod_paths`: the folders of the pod's own cgroup, where it has one.
        """
        member.container_id = container_id or member.key
        if container_id:
            self.describe(member, {"container_id": container_id})
        self._found_pod(member.pod, version, pod_paths)
        member.attach = Attach(
            member.id,
            TargetKind.CONTAINER,
            member.pod.id,
            version,
            paths,
            text_of(member.identity),
            fresh,
            member.attach.run + 1,
        )
        member.process = process
        self._send(member.attach)
        self._networks.started(member)

    def _found_pod(self, pod: Pod, version: int, paths: Mapping[str, str]) -> None:
        """The pod has a cgroup of its own: read what is right there.

        A member that is in fewer hierarchies than others of its pod takes none of them away: the sum of its containers,
        which would take the place of what the pod's cgroup has counted, may be less.
        """
        if paths.items() & pod.attach.paths.items():
            paths = {**pod.attach.paths, **paths}
        if paths and paths != pod.attach.paths:
            self.describe(pod, class_of(paths))
            self._qos.found(pod.id, version, paths)
            pod.attach = replace(
                pod.attach, version=version, paths=paths, identity=text_of(pod.identity), run=pod.attach.run + 1
            )
            self._send(pod.attach)

    def found_process(self, member: Member, process: int | None) -> None:
        """The process of a member that runs has become known."""
        if process and member.running and member.process is None:
            member.process = process
            if member.pod.network_owner is None:
                self._networks.choose(member.pod)

    def stop(self, member: Member) -> None:
        """A member no longer runs. Where it has files to read the sampler finds that out by itself, and earlier."""
        told = member.running and not member.attach.version
        member.attach = replace(member.attach, version=0, paths={}, fresh=False)
        if told:
            self._send(member.attach)
        member.process = None

    def leave(self, member: Member) -> None:
        """A member is no more; its pod ends with its last one, unless it is held."""
        pod = member.pod
        del self._members[member.key], pod.members[member.key], self._by_id[member.id]
        self._send(Detach(member.id))
        if not pod.members and not pod.held:
            self._end(pod)
        elif pod.network_owner == member.id:
            self._networks.choose(pod)
        self._left()

    def release(self, key: str) -> None:
        """A pod's own cgroup is no more, and neither is the pod as soon as it has no member."""
        pod = self._pods.get(key)
        if pod:
            pod.held = False
            if not pod.members:
                self._end(pod)
                self._left()

    def _end(self, pod: Pod) -> None:
        del self._pods[pod.key], self._by_id[pod.id]
        self._qos.ended(pod.id)
        self._send(Detach(pod.id))

    def _left(self) -> None:
        self._ask_again()
        self._networks.ask_sharing()
        self.version += 1

    def _ask_again(self) -> None:
        """Somebody left: there may be room now for those for whom there was none."""
        refused, self._refused = self._refused, set()
        for entry in (entry for id_ in refused if (entry := self._by_id.get(id_))):
            self._send(entry.attach)
            if entry.told:
                self._send(Told(entry.id, entry.told))
            if isinstance(entry, Pod):
                self._networks.choose(entry)

    def limits_changed(self, member: Member) -> None:
        """The limits of a member are others than they were."""
        self._send(Limits(member.id))

    def tell(self, entry: Pod | Member, values: Mapping[str, int | None]) -> None:
        """Columns that no file tells. What was told before is not said again."""
        news = {key: value for key, value in values.items() if entry.told.get(key, -1) != value}
        if news:
            entry.told.update(news)
            self._send(Told(entry.id, news))

    def tell_once(self, entry: Pod | Member, values: Mapping[str, int]) -> None:
        """Columns for the next tick alone: at the one after it they are unknown again."""
        self._send(Told(entry.id, values, once=True))

    def describe(self, entry: Pod | Member, facts: Mapping[str, str], whole: tuple[str, ...] = ()) -> None:
        """What else is known of a target, besides what was said of it before.

        `whole`: of facts whose names begin so these are all there are, whatever was said before.
        """
        before = {name: text for name, text in entry.facts.items() if not name.startswith(whole)}
        facts = before | {name: bounded(text) for name, text in facts.items()}
        if facts != entry.facts:
            entry.facts = facts
            self.version += 1

    def _rename(self, member: Member, identity: Identity | None) -> None:
        if identity is None or member.identity == identity:
            return
        member.identity = identity
        self._send(Rename(member.id, identity.text()))
        self._rename_pod(member.pod, identity.of_pod)
        self.version += 1

    def _rename_pod(self, pod: Pod, identity: Identity | None) -> None:
        if identity and pod.identity != identity:
            pod.identity = identity
            self._send(Rename(pod.id, identity.text()))
            self.version += 1

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
            case "gone" if entry and answer.text == str(entry.attach.run):
                self._gone(entry)
            case "network" if isinstance(entry, Pod):
                self._networks.answered(entry, answer.text)
            case "full" if entry:
                self._refused.add(entry.id)
                log.error("no room for a target target=%s reason=%s", text_of(entry.identity), answer.text)
            case "tick":
                self._qos.ticked()
            case "error":
                log.error("the sampler refused a command reason=%s", answer.text)
            case _ if self._qos.answered(answer):
                self.version += 1
            case _:
                pass

    def _gone(self, entry: Pod | Member) -> None:
        """The cgroup of a target that was read is no more."""
        if isinstance(entry, Pod):
            entry.attach = replace(entry.attach, version=0, paths=NO_PATHS)  # until a member brings another one
            self._qos.ended(entry.id)
            return
        self.stop(entry)
        if entry.told.get("state") in RUNNING_STATES:  # until the engine says what became of it
            self.tell(entry, {"state": None})
        self._networks.ended(entry)

    def _tell_problem(self, entry: Pod | Member, problem: str) -> None:
        """Log why a file cannot be read: once for all targets; not at all one that is absent, or has just gone."""
        path, _, reason = problem.rpartition(": ")
        known = f"{path.rpartition('/')[2]}: {reason}"
        ordinary = reason == os.strerror(errno.ENOENT) or known in self._problems
        level = logging.DEBUG if ordinary else logging.WARNING
        log.log(level, "target is not wholly readable target=%s problem=%s", text_of(entry.identity), problem)
        self._problems.add(known)

    def replay(self) -> Iterator[Command]:
        """Everything that a new sampler has to know; what an earlier one read goes on."""
        yield Attach(NODE_ID, TargetKind.NODE)
        around = self._qos.replay()
        yield from around
        for pod in self._pods.values():
            yield replace(pod.attach, identity=text_of(pod.identity))
            for member in pod.members.values():
                yield replace(member.attach, identity=text_of(member.identity), fresh=False)
            entries: tuple[Pod | Member, ...] = (pod, *pod.members.values())
            yield from (Told(entry.id, entry.told) for entry in entries if entry.told)
            self._networks.choose(pod)
        yield Keep((NODE_ID, *self._by_id, *(each.id for each in around)))

    def _send(self, command: Command) -> None:
        self._sink.send(command)
