"""Whose each of the kubelet's containers is, once that is known: the API server, else labels, else its cgroup's path.

Sampling does not wait for a name. A member whose name is not known yet is in the roster, and nobody sees it; after ten
seconds it is served with what is known, until somebody says more. A name that was found is final.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from podtick.model.identity import CGROUP, Identity, bounded
from podtick.model.metrics.state import STATES
from podtick.roster.members import Member
from podtick.roster.members import Pod as RosterPod
from podtick.roster.pods import KnownPods
from podtick.roster.roster import Roster
from podtick.sources.kube.pods import CHOSEN, Container, Pod

WAIT_SECONDS = 10.0
LOOK_SECONDS = 1.0
ID_DIGITS = 12
RUNNING = STATES.index("running")


@dataclass(frozen=True, slots=True)
class Claim:
    """What is known of one of the kubelet's containers without the API server.

    `uid`: its pod's as the node calls it, of a static pod the hash of its configuration. `labelled`: what the engine's
    labels say, with `container` `None` for a sandbox. `name`: the container's, and `sandbox`: that it is one, where
    something else tells it. `empty`: no process of it has been found yet.
    """

    uid: str
    container_id: str
    labelled: Identity | None = None
    name: str | None = None
    sandbox: bool = False
    empty: bool = False

    @property
    def pod_key(self) -> str:
        """By which the members of a pod find each other; labels of another namespace are another pod's."""
        return self.labelled.pod_key if self.labelled else f"/{self.uid}"

    @property
    def static(self) -> bool:
        """Whether the pod is one of those that the API server knows under another UID."""
        return "-" not in self.uid


@dataclass(slots=True)
class _Waiting:
    claim: Claim
    since: float
    stand_in: bool = False
    over: bool = False  # what was known after `WAIT_SECONDS` has been taken


@dataclass(slots=True)
class _Begun:
    """A pod that has a cgroup of its own: of this version, in these folders. `key`: the roster's, once it is there."""

    version: int
    paths: Mapping[str, str]
    engine: bool
    key: str = ""


class Names:
    """Gives the members of the kubelet's pods their names. Without `pods` there is no API server to wait for."""

    def __init__(self, roster: Roster, pods: KnownPods | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._roster = roster
        self._pods = pods
        self._clock = clock
        self._waiting: dict[str, dict[str, _Waiting]] = {}  # by the pod's UID and the member's key
        self._begun: dict[str, _Begun] = {}  # by the pod's UID
        self._any = asyncio.Event()  # set while somebody may be waiting
        if pods:
            pods.on_change(self._learned)

    @property
    def unidentified(self) -> int:
        """How many containers are served with what is known, which is not their name."""
        return sum(each.stand_in for members in self._waiting.values() for each in members.values())

    async def follow(self) -> None:
        """See to it until cancelled that nobody waits for too long."""
        while True:
            await self._any.wait()
            await asyncio.sleep(LOOK_SECONDS)
            self.look()
            if not self._waiting:
                self._any.clear()

    def look(self) -> None:
        """Give those that have waited for long enough what is known; forget those that have left."""
        until = self._clock() - WAIT_SECONDS
        for uid, members in list(self._waiting.items()):
            for key, waiting in list(members.items()):
                if self._roster.member(key) is None:
                    self._forget(uid, key)
                elif not waiting.over and waiting.since <= until:
                    self._name(key, waiting)

    def join(self, key: str, claim: Claim) -> Member:
        """A member of the pod that `claim` tells of, by its name as soon as that is known."""
        member = self._roster.member(key)
        if member and member.settled:
            return member
        before = self._waiting.get(claim.uid, {}).get(key)
        return self._name(key, _Waiting(claim, before.since if before else self._clock()))

    def begin(self, uid: str, version: int, paths: Mapping[str, str], *, engine: bool) -> None:
        """A pod has a cgroup of its own, in these folders, maybe before it has a container: it lives until `end`.

        `engine`: its containers come by an engine's labels, and find it by its namespace too. Before the API server
        tells that, it begins with the first of them.
        """
        self._begun[uid] = _Begun(version, paths, engine)
        self._begin(uid)

    def lacks_cgroup(self, uid: str) -> bool:
        """Whether the cgroup of a pod that was begun has gone since: one that is there now was made anew."""
        begun = self._begun.get(uid)
        pod = self._roster.pod(begun.key) if begun and begun.key else None
        return pod is not None and not pod.attach.paths

    def end(self, uid: str) -> None:
        """The cgroup of a pod that was begun is no more."""
        begun = self._begun.pop(uid, None)
        if begun and begun.key:
            self._roster.release(begun.key)

    def _begin(self, uid: str) -> None:
        begun = self._begun[uid]
        known = self._pods.get(uid) if self._pods else None
        if begun.engine and known is None:
            return
        begun.key = f"{known.namespace if known and begun.engine else ''}/{uid}"
        identity = _identity_of(known) if known and not self._settled(begun) else None
        pod = self._roster.begin(begun.key, identity, begun.version, begun.paths)
        pod.settled = pod.settled or known is not None
        if known:
            self._describe(pod, known)

    def _settled(self, begun: _Begun) -> bool:
        pod = self._roster.pod(begun.key) if begun.key else None
        return pod is not None and pod.settled

    def _learned(self, uids: Iterable[str]) -> None:
        for uid in uids:
            if (begun := self._begun.get(uid)) and not self._settled(begun):
                self._begin(uid)
            if self._pods and (known := self._pods.get(uid)):
                for key in (f"/{uid}", f"{known.namespace}/{uid}"):
                    if pod := self._roster.pod(key):
                        self._describe(pod, known)
            for key, waiting in list(self._waiting.get(uid, {}).items()):
                if self._roster.member(key):
                    self._name(key, waiting)

    def _forget(self, uid: str, key: str) -> None:
        members = self._waiting.get(uid, {})
        members.pop(key, None)
        if not members:
            self._waiting.pop(uid, None)

    def _name(self, key: str, waiting: _Waiting) -> Member:
        """Name a member as far as can be, and have it wait for what is not known yet."""
        claim = waiting.claim
        waited = self._pods is None or self._clock() - waiting.since >= WAIT_SECONDS
        known = self._pods.get(claim.uid) if self._pods else None
        pod, pod_settled = self._pod_of(claim, known, waited=waited)
        name, settled, stand_in = self._container_of(claim, known, waited=waited)
        identity = Identity(pod.namespace, pod.pod, pod.uid, name) if pod else None
        member = self._roster.join(key, identity, claim.pod_key)
        member.pod.settled = member.pod.settled or pod_settled
        member.settled = settled and pod_settled
        member.container_id = claim.container_id
        if known:
            self._describe(member.pod, known)
        if member.settled:
            self._forget(claim.uid, key)
            self._succeed(member)
        else:
            waiting.over = waited
            waiting.stand_in = pod is not None and name is not None and (stand_in or not pod_settled)
            self._waiting.setdefault(claim.uid, {})[key] = waiting
            self._any.set()
        return member

    def _pod_of(self, claim: Claim, known: Pod | None, *, waited: bool) -> tuple[Identity | None, bool]:
        """The pod's identity, and whether it is final."""
        held = self._roster.pod(claim.pod_key)
        if held and held.settled:
            return held.identity, True
        if known:
            return _identity_of(known), True
        if claim.labelled and (self._pods is None or not claim.static):
            return claim.labelled.of_pod, True
        if waited:
            return claim.labelled.of_pod if claim.labelled else _stand_in(claim.uid), False
        return (held.identity if held else None), False

    def _container_of(self, claim: Claim, known: Pod | None, *, waited: bool) -> tuple[str | None, bool, bool]:
        """The container's name, whether it is final, and whether it only stands in for one."""
        if claim.empty and known and "runtime_class" in known.facts:
            return None, False, False  # of a sandbox such as gVisor or Kata, whose containers the kernel does not know
        name = known.containers.get(claim.container_id) if known else None
        if name is None and claim.labelled:
            return claim.labelled.container, True, False
        name = name or claim.name
        if name is not None or claim.sandbox:
            return bounded(name) if name else None, True, False
        if not waited or (known and self._pods and not self._pods.state.lost):
            return None, False, False  # the API server does not know it, who knows all but the sandbox
        return claim.container_id[:ID_DIGITS], False, True

    def _describe(self, pod: RosterPod, known: Pod) -> None:
        """Pass on what the API server knows of a pod and its containers besides their names.

        What an engine tells of starts and restarts it tells at once and more exactly: then that counts.
        """
        engine = not pod.key.startswith("/")
        self._roster.describe(pod, known.facts, CHOSEN)
        self._roster.tell(pod, _known(_of_pod(known, pod, engine=engine)))
        for member in pod.members.values():
            details = known.details.get((member.identity and member.identity.container) or "")
            if details:
                self._roster.describe(member, {"image": details.image} if details.image else {})
                current = not engine and details.id == member.container_id
                self._roster.tell(member, _known(_of_container(details, current=current)))

    def _succeed(self, member: Member) -> None:
        """A container that was made anew goes on as the one of its name: the former one has ended."""
        if member.identity and member.identity.container is not None:
            for other in list(member.pod.members.values()):
                if other is not member and other.identity == member.identity:
                    self._roster.leave(other)


def _identity_of(known: Pod) -> Identity:
    return Identity(bounded(known.namespace), bounded(known.name), bounded(known.uid))


def _of_pod(known: Pod, pod: RosterPod, *, engine: bool) -> dict[str, int | None]:
    values = {"cpu_request_cores": known.cpu_request, "memory_request_bytes": known.memory_request}
    if engine:
        return values
    counts = [each.restarts for each in known.details.values() if each.restarts is not None]
    restarts = max(sum(counts), pod.told.get("restarts_total") or 0) if counts else None
    return values | {"start_time_seconds": known.started, "restarts_total": restarts}


def _of_container(details: Container, *, current: bool) -> dict[str, int | None]:
    """`current`: what the API server says is said of the one that runs now."""
    values = {"cpu_request_cores": details.cpu_request, "memory_request_bytes": details.memory_request}
    if not current:
        return values
    state = None if details.started is None else RUNNING
    return values | {"start_time_seconds": details.started, "restarts_total": details.restarts, "state": state}


def _known(values: Mapping[str, int | None]) -> dict[str, int | None]:
    return {name: value for name, value in values.items() if value is not None}


def _stand_in(uid: str) -> Identity:
    return Identity(CGROUP, bounded(uid), bounded(uid))
