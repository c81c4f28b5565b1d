"""Pods and their members as the roster keeps them, and as they are served."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from podtick.model.identity import Identity
from podtick.model.metrics.row import Level
from podtick.sampler.protocol import Attach

NOBODY = Identity("", "", "")
"""Whose a cgroup around pods is."""


@dataclass(slots=True)
class RosterTarget:
    """A target as it is served: a container, a pod, or a cgroup around pods, which has no names (`NOBODY`).

    `slot` is its place in the history's planes, from tick `first` on.

    `facts`: what else is known of it, by the label that tells it.
    """

    slot: int
    first: int
    level: Level
    identity: Identity
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def namespace(self) -> str:
        """The pod's namespace."""
        return self.identity.namespace

    @property
    def pod(self) -> str:
        """The pod's name."""
        return self.identity.pod

    @property
    def uid(self) -> str:
        """The pod's UID."""
        return self.identity.uid

    @property
    def container(self) -> str | None:
        """The container's name; `None` for a pod."""
        return self.identity.container


@dataclass(slots=True)
class Member:
    """A container of a pod. `process`: through which its network can be read; `None`: stopped, or it has none.

    `identity`: `None` as long as nobody knows it, then it is not served. `container_id` is the engine's ID of the one
    that runs now: a kubelet makes a container anew at each restart. `settled`: its identity is final.
    """

    id: int
    key: str
    identity: Identity | None
    pod: "Pod"
    attach: Attach
    process: int | None = None
    container_id: str = ""
    settled: bool = False
    slot: int | None = None
    first: int = 0
    told: dict[str, int | None] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def owns_network(self) -> bool:
        """Whether the pod's network is this container's, which the others share: a sandbox's, or on plain Docker."""
        return self.identity is None or self.identity.container is None or self.key == self.identity.uid

    @property
    def running(self) -> bool:
        """Whether the sampler has files of it to read."""
        return bool(self.attach.paths)


@dataclass(slots=True)
class Pod:
    """A pod: `network_owner` is the member through which its network is read now; `identity` as a member's.

    `held`: its own cgroup is there, so that it lives without members too.
    """

    id: int
    key: str
    identity: Identity | None
    attach: Attach
    members: dict[str, Member] = field(default_factory=dict)
    network_owner: int | None = None
    settled: bool = False
    held: bool = False
    slot: int | None = None
    first: int = 0
    told: dict[str, int | None] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)


def text_of(identity: Identity | None) -> str:
    """An identity as the history keeps it; of one that nobody knows yet it keeps nothing."""
    return identity.text() if identity else ""
