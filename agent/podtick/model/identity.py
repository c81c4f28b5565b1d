"""Who a target is: the labels under which its numbers are served and kept."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from json import dumps

DOCKER = "_docker"
"""Namespace of containers that belong to no Kubernetes pod. No Kubernetes name begins with an underscore."""
CGROUP = "_cgroup"
"""Namespace of cgroups that belong to no container known."""
NAME_BYTES = 253
"""The longest name served: what Kubernetes allows. A longer one is cut and told apart by a hash."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A pod, or with `container` a container of it. `uid`: the pod's; on plain Docker the container's full ID.

    A pod's sandbox is a member of the pod without a name of its own: it counts in the pod and is never shown.
    """

    namespace: str
    pod: str
    uid: str
    container: str | None = None

    @property
    def of_pod(self) -> "Identity":
        """The pod's own."""
        return Identity(self.namespace, self.pod, self.uid)

    @property
    def pod_key(self) -> str:
        """Of all identities of one pod the same."""
        return f"{self.namespace}/{self.uid}"

    def text(self) -> str:
        """The identity as the history keeps it: JSON."""
        return dumps({key: value for key, value in asdict(self).items() if value is not None}, ensure_ascii=False)


def bounded(name: str) -> str:
    """A foreign name as it is served: at most `NAME_BYTES` of UTF-8, changed ones told apart by a hash of the whole."""
    whole = name.encode("utf-8", "surrogatepass")
    encoded = name.encode("utf-8", "replace")
    if len(whole) <= NAME_BYTES and whole == encoded:
        return name
    digest = sha256(whole).hexdigest()[:8]
    return encoded[: NAME_BYTES - 9].decode("utf-8", "ignore") + "~" + digest


@dataclass(frozen=True, slots=True)
class KubeletContainer:
    """A container as its kubelet labelled it. `container` is `None` for the pod's sandbox.

    `uid` is the pod's, of a static pod the hash of its configuration. `restarts`: how often the container was made anew
    in its pod; `None` where that is not said.
    """

    namespace: str
    pod: str
    uid: str
    container: str | None
    restarts: int | None

    @property
    def identity(self) -> Identity:
        """Under whose name it is served."""
        return Identity(self.namespace, self.pod, self.uid, self.container)


def from_labels(labels: Mapping[str, str]) -> KubeletContainer | None:
    """Whose container it is by the labels of dockershim and cri-dockerd; `None` where they do not say it wholly.

    Anybody may label a container: namespaces that cannot be Kubernetes' are nobody's.
    """
    said = [
        labels.get(f"io.kubernetes.{key}", "") for key in ("pod.namespace", "pod.name", "pod.uid", "container.name")
    ]
    if not all(said) or said[0].startswith("_"):
        return None
    namespace, pod, uid, container = map(bounded, said)
    kind = labels.get("io.kubernetes.docker.type") or ("podsandbox" if container == "POD" else "container")
    count = labels.get("annotation.io.kubernetes.container.restartCount", "")
    restarts = int(count) if count.isascii() and count.isdigit() and len(count) < 10 else None
    return KubeletContainer(namespace, pod, uid, None if kind == "podsandbox" else container, restarts)
