"""Cgroup folders as the sampler is told them."""

from podtick.sources.cgroup.discovery import CgroupPaths

CONTROLLERS = ("cpu", "cpuacct", "memory", "blkio", "pids", "unified")


def folders_by_controller(paths: CgroupPaths) -> dict[str, str]:
    """The folders that there are, by controller (`unified` on v2, and for pressure on v1)."""
    folders = {controller: getattr(paths, controller) for controller in CONTROLLERS}
    return {controller: str(folder) for controller, folder in folders.items() if folder is not None}
