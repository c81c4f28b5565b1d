"""The cgroups of a node's pods, as this host sees them."""

import os
from pathlib import Path

from podtick.sources.cgroup.discovery import CgroupPaths, locate_path
from tests.support.cgroups import host_mounts
from tests.support.cluster.nodes import Node


def path_of(node: Node, container_id: str) -> str:
    """Where a container's cgroup is, from the root of the node's tree; its pod's is around it."""
    tree = node.machine.cgroups[0]
    (found,) = [folder for folder, children, _ in os.walk(tree) if container_id in children]
    return f"{Path(found).relative_to(tree)}/{container_id}"


def paths_of(node: Node, path: str) -> CgroupPaths:
    """The folders of the cgroup at this path of the node's tree, by controller."""
    found = locate_path(host_mounts(), f"{node.machine.cgroups[0].name}/{path}")
    assert found is not None, path
    return found


def made_at(node: Node, path: str) -> float:
    """When a cgroup was made, as Unix time: the moment at which its folder in the first hierarchy was first looked up.

    Whoever makes one opens files in it at once; the kernel has no other time of it.
    """
    folders = [tree / path for tree in node.machine.cgroups]
    return min(folder.stat().st_mtime for folder in folders if folder.exists())
