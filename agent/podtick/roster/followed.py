"""What is known of an engine's containers, and which of them is a member now.

A container is a pod of one, in the namespace `_docker`, named as the container; those that share the network namespace
of another one (`--network container:X`) are members of X's pod. Where a kubelet's labels say whose a container is, that
is what it is; the kubelet makes a container anew at each restart, so that several may be one member, one after the
other.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from podtick.model.identity import DOCKER, Identity, KubeletContainer, bounded, from_labels
from podtick.roster.names import Claim
from podtick.sources.docker.containers import ContainerDetails

RUNNING = ("running", "paused")
SHARED = "container:"
MOST_HOPS = 8


@dataclass(slots=True)
class Followed:
    """What is known of one container: its details, its pod's identity (final once found), and the run being read.

    `kubelet`: whose it is by its labels. `guest`: it uses the network of a pod that it is no part of. `sampled`: from
    its cgroup; `streamed`: by the engine. `started`: when that run began, in unix ns, as far as the engine has said.
    """

    details: ContainerDetails
    pod: Identity
    kubelet: KubeletContainer | None = None
    guest: bool = False
    sampled: bool = False
    streamed: bool = False
    started: int | None = None
    restarts: int = field(init=False)
    tried: int = 0

    def __post_init__(self) -> None:
        self.restarts = self.restarted or 0

    @property
    def key(self) -> str:
        """Its member's key."""
        return f"{self.kubelet.uid}/{self.kubelet.container or ''}" if self.kubelet else self.details.id

    @property
    def claim(self) -> Claim | None:
        """What is known of one of the kubelet's containers."""
        return Claim(self.kubelet.uid, self.details.id, self.kubelet.identity) if self.kubelet else None

    @property
    def member(self) -> Identity:
        """Its member's identity, of one that is none of the kubelet's."""
        name = bounded(self.details.name or self.details.id[:12])
        return Identity(self.pod.namespace, self.pod.pod, self.pod.uid, name)

    @property
    def runs(self) -> bool:
        """Whether it runs, or is paused."""
        return self.details.state in RUNNING

    @property
    def process(self) -> int | None:
        """The process through which its network can be read; a sandbox without one is given one by its CNI plugin."""
        mode = self.details.network_mode
        sandbox = self.kubelet is not None and self.kubelet.container is None
        return None if mode == "host" or self.guest or (mode == "none" and not sandbox) else self.details.pid

    @property
    def own_network(self) -> bool:
        """Whether the engine's stats of it tell a network, and that of nobody else."""
        mode = self.details.network_mode
        return mode not in ("host", "none") and not mode.startswith(SHARED)

    @property
    def restarted(self) -> int | None:
        """How often it was started again, as far as its kubelet or its engine say; `None` when it never was at all."""
        if self.kubelet:
            return self.kubelet.restarts
        return None if self.details.state == "created" else self.details.restart_count

    @property
    def rank(self) -> tuple[bool, int, int]:
        """Of several containers that are one member: the one that runs, else the newest."""
        restarts = self.kubelet.restarts if self.kubelet else 0
        return self.runs, restarts or 0, self.details.started_at_ns or 0

    def update(self, details: ContainerDetails) -> None:
        """Take in newer details; restarts are added up, as engines forget them."""
        before, self.details = self.details.restart_count or 0, details
        if not self.kubelet:
            self.restarts += max(0, (self.restarted or 0) - before)


class FollowedContainers:
    """All containers followed, by ID, and which of them stand for a member."""

    def __init__(self) -> None:
        self._by_id: dict[str, Followed] = {}
        self._by_key: dict[str, dict[str, Followed]] = {}

    def __iter__(self) -> Iterator[Followed]:
        return iter(self._by_id.values())

    def ids(self) -> list[str]:
        """The IDs of all of them."""
        return list(self._by_id)

    def get(self, id_: str) -> Followed | None:
        """The container of this ID."""
        return self._by_id.get(id_)

    def add(self, details: ContainerDetails, known: Mapping[str, ContainerDetails]) -> Followed:
        """Follow one more; `known` are those that are not followed yet, by ID."""
        followed = self._made(details, known)
        self._by_id[details.id] = followed
        self._by_key.setdefault(followed.key, {})[details.id] = followed
        return followed

    def pop(self, id_: str) -> Followed | None:
        """Follow one no more."""
        followed = self._by_id.pop(id_, None)
        if followed:
            alike = self._by_key[followed.key]
            del alike[id_]
            if not alike:
                del self._by_key[followed.key]
        return followed

    def alike(self, key: str) -> list[Followed]:
        """The containers that are this member; the one that stands for it now comes first."""
        return sorted(self._by_key.get(key, {}).values(), key=lambda each: each.rank, reverse=True)

    def holder(self, key: str) -> Followed | None:
        """The container that stands for this member now."""
        return next(iter(self.alike(key)), None)

    def _made(self, details: ContainerDetails, known: Mapping[str, ContainerDetails]) -> Followed:
        kubelet = from_labels(details.labels)
        if kubelet:
            return Followed(details, Identity(kubelet.namespace, kubelet.pod, kubelet.uid), kubelet)
        host = self._network_host(details, known)
        followed = self._by_id.get(host.id)
        if from_labels(host.labels):
            return Followed(details, pod_of_one(details), guest=True)
        if followed:
            return Followed(details, followed.pod, guest=followed.guest)
        return Followed(details, pod_of_one(host))

    def _network_host(self, details: ContainerDetails, known: Mapping[str, ContainerDetails]) -> ContainerDetails:
        """The container whose network namespace another one shares, else that one itself."""
        for _ in range(MOST_HOPS):
            if not details.network_mode.startswith(SHARED):
                break
            other = details.network_mode.removeprefix(SHARED)
            followed = self._by_id.get(other)
            if followed:
                return followed.details
            if other not in known:
                break
            details = known[other]
        return details


def pod_of_one(details: ContainerDetails) -> Identity:
    """The pod that a container is on plain Docker."""
    return Identity(DOCKER, bounded(details.name or details.id[:12]), details.id)
