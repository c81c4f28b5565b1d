"""Reads what the kubelet writes into the paths of its cgroups: class of service, pod and container.

Source: the kubelet's container manager, cgroup drivers `cgroupfs` and `systemd`, with or without a `cgroupRoot`.
"""

import re
from typing import Literal, NamedTuple

QosClass = Literal["Guaranteed", "Burstable", "BestEffort"]

QOS_CGROUPS: dict[QosClass, str] = {"Burstable": "burstable", "BestEffort": "besteffort"}
"""The classes that have a cgroup of their own. Guaranteed pods lie beside these, in that of all pods."""
_CLASSES: dict[str | None, QosClass] = {None: "Guaranteed", "burstable": "Burstable", "besteffort": "BestEffort"}
_CGROUPFS_POD = re.compile(r"/kubepods(?:/(burstable|besteffort))?/pod([0-9A-Za-z_-]+)(?=/|$)")
# systemd repeats every ancestor's name in a slice's; a dash separates, so the UID's own dashes are underscores.
_SYSTEMD_POD = re.compile(r"/(?:[^/]*-)?kubepods(?:-(burstable|besteffort))?-pod([0-9A-Za-z_]+)\.slice(?=[/:]|$)")
# Not of CRI-O's monitor, which may lie beside its container: crio-conmon-ID.scope.
_CONTAINER = re.compile(r"[/:](?!crio-conmon-)(?:[a-z][a-z-]*[-:])?([0-9a-f]{64})(?:\.scope)?(?=/|$)")


class KubepodsPath(NamedTuple):
    """Whose cgroup it is. `container_id` is `None` for the pod's own."""

    qos: QosClass
    pod_uid: str
    container_id: str | None


def parse_kubepods_path(path: str) -> KubepodsPath | None:
    """Say whose cgroup a path is, wherever the kubelet's tree is rooted; `None` when it is no pod's.

    Whatever a container made below its own cgroup is the container's, even pods. The UID is the kubelet's, for a
    static pod the hash of its configuration.
    """
    pods = [match for shape in (_CGROUPFS_POD, _SYSTEMD_POD) if (match := shape.search(path)) is not None]
    if not pods:
        return None
    pod = min(pods, key=lambda match: match.start())
    uid = pod[2].replace("_", "-") if pod.re is _SYSTEMD_POD else pod[2]
    container = _CONTAINER.match(path, pod.end())
    return KubepodsPath(_CLASSES[pod[1]], uid, container[1] if container else None)


def kubepods_folder(pod: str) -> str | None:
    """The folder of the cgroup of all pods, around the folder of one pod's own cgroup; `None` where it is not so."""
    whose = parse_kubepods_path(pod)
    if whose is None or whose.container_id is not None:
        return None
    around = pod.rpartition("/")[0]
    folder = around.rpartition("/")[0] if whose.qos in QOS_CGROUPS else around
    return folder if re.search(r"/(?:kubepods|(?:[^/]*-)?kubepods\.slice)$", folder) else None


def qos_folder(kubepods: str, qos: QosClass) -> str:
    """The folder of a class's cgroup, in that of all pods."""
    name = kubepods.rpartition("/")[2]
    stem = name.removesuffix(".slice")
    return f"{kubepods}/{QOS_CGROUPS[qos]}" if stem == name else f"{kubepods}/{stem}-{QOS_CGROUPS[qos]}.slice"
