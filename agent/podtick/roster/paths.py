"""Cgroup folders as the sampler is told them."""

from collections.abc import Mapping

from podtick.sources.cgroup.discovery import CgroupPaths
from podtick.sources.cgroup.kubepods import parse_kubepods_path

CONTROLLERS = ("cpu", "cpuacct", "memory", "blkio", "pids", "unified")


def folders_by_controller(paths: CgroupPaths) -> dict[str, str]:
    """The folders that there are, by controller (`unified` on v2, and for pressure on v1)."""
    folders = {controller: getattr(paths, controller) for controller in CONTROLLERS}
    return {controller: str(folder) for controller, folder in folders.items() if folder is not None}


def pod_folders(paths: CgroupPaths, uid: str) -> dict[str, str]:
    """The folders of the pod's own cgroup, around those of its container: those that a kubelet named after this UID."""
    found: dict[str, str] = {}
    for controller, folder in folders_by_controller(paths).items():
        around = folder.rpartition("/")[0]
        whose = parse_kubepods_path(around)
        if whose and whose.container_id is None and whose.pod_uid == uid:
            found[controller] = around
    return found


def class_of(paths: Mapping[str, str]) -> dict[str, str]:
    """A pod's class of service, as its own cgroup's path tells it."""
    for folder in paths.values():
        if whose := parse_kubepods_path(folder):
            return {"qos": whose.qos}
    return {}
