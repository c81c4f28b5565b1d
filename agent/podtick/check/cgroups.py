"""The cgroup tree: its version and controllers, whether it is the whole one, what can be read of it."""

import os
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from podtick.check.engine import HOST_TREE, Engine, Located
from podtick.check.finding import Finding, fail, ok, warn
from podtick.model.metrics.row import UNKNOWN
from podtick.sources.cgroup.discovery import CgroupPaths, list_cgroups
from podtick.sources.cgroup.formats import blkio
from podtick.sources.cgroup.mounts import V1_CONTROLLERS, CgroupMounts
from podtick.sources.proc.network import WrongProcessError, open_network

V2_CONTROLLERS = ("cpu", "memory", "io", "pids")
MOST_TRIED = 20
_BLKIO = "blkio.throttle.io_service_bytes_recursive"


def tree(mounts: CgroupMounts | None, folder: Path, engine: Engine | None, located: Iterable[Located]) -> Finding:
    """Version, controllers and driver."""
    if mounts is None:
        todo = f"mount it, or say where it is: --cgroup; in a container {HOST_TREE}"
        return fail("cgroup", f"no cgroup tree at {folder}", todo)
    paths = [each.paths for each in located if each.paths]
    driver = (engine.driver if engine else None) or driver_of(paths) or "not to be told"
    missing = missing_controllers(mounts, paths)
    found = f"version {mounts.version}, driver {driver}"
    if not missing:
        names = V1_CONTROLLERS if mounts.version == 1 else V2_CONTROLLERS
        return ok("cgroup", f"{found}; controllers {', '.join(names)}")
    if mounts.version == 2:
        todo = f"enable them: echo {' '.join(f'+{name}' for name in missing)} > /sys/fs/cgroup/cgroup.subtree_control"
    else:
        todo = "mount them; where the kernel has one switched off, boot with cgroup_enable=NAME"
    return warn("cgroup", f"{found}; without {', '.join(missing)}, whose numbers are unknown", todo)


def missing_controllers(mounts: CgroupMounts, paths: list[CgroupPaths]) -> list[str]:
    """The controllers that containers have not; on version 2 as one of them shows it, else as the root does."""
    if mounts.version == 1:
        return [name for name in V1_CONTROLLERS if name not in mounts.v1]
    assert mounts.unified is not None
    files = [paths[0].unified / "cgroup.controllers"] if paths and paths[0].unified else []
    files.append(mounts.unified.point / "cgroup.subtree_control")
    texts = [text for file in files if (text := _text(file)) is not None]
    return [name for name in V2_CONTROLLERS if texts and name not in texts[0].split()]


def driver_of(paths: Iterable[CgroupPaths]) -> str | None:
    """The cgroup driver that folder names give away: `docker-ID.scope` is systemd's."""
    for folder in (folder for each in paths for folder in each.folders()):
        return "systemd" if folder.name.endswith(".scope") else "cgroupfs"
    return None


def view(mounts: CgroupMounts | None) -> Finding | None:
    """Whether the whole tree is seen, or a container's part of it.

    The kernel's real root alone has `release_agent` (version 1) and lacks `cgroup.type` (version 2), whatever a
    namespace makes of paths.
    """
    if mounts is None:
        return None
    if mounts.version == 2 and mounts.unified:
        point = mounts.unified.point
        whole = not os.path.exists(point / "cgroup.type")
    else:
        point = next(iter(mounts.v1.values())).point
        whole = os.path.exists(point / "release_agent")
    if whole:
        return ok("tree", f"{point} shows the whole machine")
    return warn("tree", f"{point} shows only the part that this container may see", f"show the host's: {HOST_TREE}")


def block_io(mounts: CgroupMounts | None, located: Iterable[Located]) -> Finding | None:
    """Whether the kernel counts block I/O: version 1 may not, and nothing on any device is unknown, not zero."""
    if mounts is None:
        return None
    name = "block I/O"
    if mounts.version == 2 and mounts.unified:
        text = _text(mounts.unified.point / "io.stat")
        if text:
            return ok(name, f"io.stat counts {len(text.splitlines())} devices")
        return warn(name, "io.stat lists no device: unknown, not 0", "enable the io controller, or do some I/O first")
    if "blkio" not in mounts.v1:
        return warn(name, "the controller blkio is not mounted: unknown, not 0", "mount it: -t cgroup -o blkio")
    root = mounts.v1["blkio"].point
    folders = [root, *(each.paths.blkio for each in located if each.paths and each.paths.blkio)]
    for folder in folders[:MOST_TRIED]:
        if UNKNOWN not in blkio([b"Read", b"Write"])((_text(folder / _BLKIO) or "").encode()):
            return ok(name, "counted")
    rule = f"echo 'MAJ:MIN 1000000000000' > {root}/blkio.throttle.read_bps_device"
    return warn(
        name,
        "nothing is counted on any device: unknown, not 0",
        f"some kernels count once a disk has a throttle rule; one that holds nothing back: {rule} (MAJ:MIN: lsblk)",
    )


def permissions(mounts: CgroupMounts | None, located: Iterable[Located], proc: Path) -> Finding | None:
    """Whether numbers of a container can be read: its memory from its cgroup, its network through its process."""
    if mounts is None:
        return None
    name, who = "permissions", "root" if os.geteuid() == 0 else f"user {os.geteuid()}"
    tried = [each for each in located if each.paths][:MOST_TRIED]
    paths = [each.paths for each in tried if each.paths] or [one for _, one in islice(list_cgroups(mounts), 1)]
    if not paths:
        return warn(name, f"{who}: no cgroup to try it on", "start a container and check again")
    if errors := [text for text in map(_unreadable, paths) if text]:
        return fail(name, f"{who}: {errors[0]}", "run as root; with SELinux, as spc_t")
    errors = [text for each in tried if (text := _network_unreadable(each, proc))]
    if errors:
        todo = "run as root; in a container, with the host's /proc: -v /proc:/host/proc:ro --proc /host/proc"
        return warn(name, f"{who}: network unknown: {errors[0]}", todo)
    what = "memory and network" if any(each.container.pid for each in tried) else "memory"
    return ok(name, f"{who} can read {what} of {'a container' if tried else 'a cgroup'}")


def _unreadable(paths: CgroupPaths) -> str | None:
    folder = paths.folder_of("memory.stat")
    if folder is None:
        return None
    try:
        (folder / "memory.stat").read_bytes()
    except FileNotFoundError:  # it has gone, or the controller is off, which another check says
        return None
    except OSError as error:
        return f"{error.strerror}: {error.filename}"
    return None


def _network_unreadable(located: Located, proc: Path) -> str | None:
    container = located.container
    if not container.pid:
        return None
    try:
        os.close(open_network(str(proc), container.pid, container.id).fd)
    except WrongProcessError as error:
        return str(error)
    except OSError as error:
        return f"{error.strerror}: {proc}/{container.pid}/net/dev"
    return None


def _text(file: Path) -> str | None:
    try:
        return file.read_text()
    except OSError:
        return None
