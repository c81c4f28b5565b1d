"""Labels as cAdvisor has them in a kubelet, made once per version of the roster.

An `id` there is the path of the cgroup. Here it is made of what is known, so that it is the same on every kind of node
and stays what it is: `/kubepods/podUID/CONTAINER_ID`, on plain Docker `/docker/ID`.
"""

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from podtick.model.identity import CGROUP, DOCKER
from podtick.model.metrics.row import Level
from podtick.serve.exposition.format import label_pair
from podtick.serve.interfaces import Roster, Target

UNKNOWN_IMAGE = "unknown"
"""The image of a container of which it is not known: what asks for `image!=""` asks for containers."""
SANDBOX = "POD"
"""What cAdvisor calls the container that has the pod's network."""


class Placed(NamedTuple):
    """A target's slot, its first tick, its namespace, and its labels as they stand between name and value: `{...} `."""

    slot: int
    first: int
    namespace: str
    text: str


def cadvisor_labels(target: Target) -> str:
    """Such as `{container="app",id="/kubepods/podUID/ID",image="web:1",name="ID",namespace="shop",pod="cart-1"} `.

    Of a pod `container`, `image` and `name` are empty.
    """
    container = target.container or ""
    if target.level is Level.POD:
        return _text(target, "", _pod_id(target), "", "")
    id_ = target.facts.get("container_id", "")
    image = target.facts.get("image", UNKNOWN_IMAGE)
    if target.namespace == DOCKER:
        return _text(target, container, f"/docker/{id_ or target.uid}", image, container)
    if _bare(target):
        return _text(target, container, target.pod, "", "")
    return _text(target, container, f"{_pod_id(target)}/{id_ or container}", image, id_ or container)


def network_labels(target: Target) -> str:
    """The labels of a pod's network: its sandbox's; on plain Docker, where there is none, its container's."""
    if alone(target):
        image = "" if _bare(target) else target.facts.get("image", UNKNOWN_IMAGE)
        id_, name = (target.pod, "") if _bare(target) else (f"/docker/{target.uid}", target.pod)
        return _text(target, target.pod, id_, image, name)
    return _text(target, SANDBOX, f"{_pod_id(target)}/{SANDBOX}", UNKNOWN_IMAGE, SANDBOX)


def alone(target: Target) -> bool:
    """Whether it is in no Kubernetes pod: cAdvisor has nothing around such a container."""
    return target.namespace == DOCKER or _bare(target)


def _bare(target: Target) -> bool:
    """Whether it is a cgroup and no container: it has its path for a name."""
    return target.namespace == CGROUP and target.pod.startswith("/")


def _pod_id(target: Target) -> str:
    return f"/kubepods/pod{target.uid}"


def _text(target: Target, container: str, id_: str, image: str, name: str) -> str:
    pairs = (
        ("container", container),
        ("id", id_),
        ("image", image),
        ("name", name),
        ("namespace", target.namespace),
        ("pod", target.pod),
    )
    return "{" + ",".join(label_pair(*pair) for pair in pairs) + "} "


class CadvisorLabels:
    """The labels of every target, kept until the roster's version changes."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._version: int | None = None
        self._containers: list[Placed] = []
        self._pods: list[Placed] = []
        self._networks: list[Placed] = []

    def at(self, number: int, namespaces: Collection[str] | None) -> "Labels":
        """Who has a row in tick `number`, of some namespaces or of all.

        At an earlier tick than its first, a target's slot may have been another's.
        """
        if self._roster.version != self._version:
            self._version = self._roster.version
            pods = self._roster.targets(Level.POD)
            self._containers = _placed(self._roster.targets(Level.CONTAINER), cadvisor_labels)
            self._pods = _placed([pod for pod in pods if not alone(pod)], cadvisor_labels)
            self._networks = _placed(pods, network_labels)
        return Labels(
            *(
                [one for one in some if one.first <= number and (namespaces is None or one.namespace in namespaces)]
                for some in (self._containers, self._pods, self._networks)
            )
        )


class Labels(NamedTuple):
    """Containers, pods, and pods once more by the labels of their networks."""

    containers: list[Placed]
    pods: list[Placed]
    networks: list[Placed]


def _placed(targets: Sequence[Target], labels: Callable[[Target], str]) -> list[Placed]:
    return [Placed(target.slot, target.first, target.namespace, labels(target)) for target in targets]
