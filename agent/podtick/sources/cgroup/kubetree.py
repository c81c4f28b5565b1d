"""The kubelet's part of the cgroup tree: its pods and their containers, wherever it is rooted.

One hierarchy tells: the kubelet and its runtime make the same folders in each.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from podtick.sources.cgroup.kubepods import KubepodsPath, parse_kubepods_path
from podtick.sources.cgroup.mounts import CgroupMounts

ROOT_DEPTH = 5
"""How deep the kubelet's folder is looked for: a kubelet in a container has it below that."""
MOST_FOLDERS = 20_000
_ROOTS = ("kubepods", "kubepods.slice")


@dataclass(slots=True)
class KubeletTree:
    """What one look found. Paths begin at the mount point.

    `folders`: those in which pods and containers are made. `pods`: their own cgroups, by path. `containers`: likewise.
    """

    folders: set[str] = field(default_factory=set)
    pods: dict[str, KubepodsPath] = field(default_factory=dict)
    containers: dict[str, KubepodsPath] = field(default_factory=dict)


def kubelet_roots(mounts: CgroupMounts) -> list[str]:
    """The folders below which kubelets have their pods: whole paths, in the first hierarchy that has any."""
    for _, mount in mounts.hierarchies():
        if found := list(_roots(str(mount.point), ROOT_DEPTH)):
            return found
    return []


def look(roots: list[str], mounts: CgroupMounts) -> KubeletTree:
    """Everything below these roots."""
    points = [f"{mount.point}/" for _, mount in mounts.hierarchies()]
    tree = KubeletTree()
    waiting = list(roots)
    while waiting and len(tree.folders) + len(tree.containers) < MOST_FOLDERS:
        folder = waiting.pop()
        path = _path(folder, points)
        whose = parse_kubepods_path(path)
        if whose and whose.container_id:
            tree.containers[path] = whose
            continue
        try:
            children = _children(folder)
        except OSError:  # removed since it was listed
            continue
        tree.folders.add(folder)
        if whose and parse_kubepods_path(path.rpartition("/")[0]) is None:  # not what lies in it, as CRI-O's monitor
            tree.pods[path] = whose
        waiting += (f"{folder}/{name}" for name in children)
    return tree


def _roots(folder: str, depth: int) -> Iterator[str]:
    try:
        children = _children(folder)
    except OSError:
        return
    for name in children:
        if name in _ROOTS or name.endswith("-kubepods.slice"):
            yield f"{folder}/{name}"
        elif depth > 1:
            yield from _roots(f"{folder}/{name}", depth - 1)


def _children(folder: str) -> list[str]:
    """The folders in one; raises `OSError`."""
    if os.stat(folder).st_nlink == 2:  # a folder's links tell its children, without listing files
        return []
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))


def _path(folder: str, points: list[str]) -> str:
    point = next(point for point in points if folder.startswith(point))
    return folder[len(point) - 1 :]
