"""Who a target is: the labels under which its numbers are served and kept."""

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
    """A pod, or with `container` a container of it. `uid`: the pod's; on plain Docker the container's full ID."""

    namespace: str
    pod: str
    uid: str
    container: str | None = None

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
