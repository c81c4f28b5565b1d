"""Where a container's files are: its cgroup in each hierarchy, found by its ID.

A container is known by the name of its folder, never by a path alone: what `/proc/PID/cgroup` says depends on the
cgroup namespace of whoever reads it (`/../..` in a container), and a PID may be another process's by now.

Whole trees are looked through, once a second where nobody names containers: folders are texts here until they are a
result, as a `Path` for each of a thousand cgroups costs several times what the kernel does.
"""

import os
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from podtick.sources.cgroup.mounts import (
    UNIFIED,
    V1_CONTROLLERS,
    CgroupMounts,
    Mount,
    parse_process_cgroups,
)

WALK_DEPTH = 12
WALK_FOLDERS = 20_000
_LEAF_LINKS = 2
_BEGINNING = 64  # bytes that tell whether there is a process at all
_ID = re.compile(r"[0-9a-f]{64}")
_SHAPES = (
    *("docker/{0}", "system.slice/docker-{0}.scope"),
    *("machine.slice/libpod-{0}.scope", "libpod_parent/libpod-{0}"),
)


@dataclass(frozen=True, slots=True)
class CgroupPaths:
    """One cgroup's folders. On version 2 `unified` alone; on version 1 a folder a controller.

    `None`: the controller is not mounted, or the cgroup is not in its hierarchy.
    """

    version: Literal[1, 2]
    cpu: Path | None = None
    cpuacct: Path | None = None
    memory: Path | None = None
    blkio: Path | None = None
    pids: Path | None = None
    unified: Path | None = None

    def folder_of(self, file: str) -> Path | None:
        """Return the folder that has the kernel's file of this name, `memory.stat` for one; `None` if none has."""
        if self.version == 2 or file.endswith(".pressure"):
            return self.unified
        controller = file.partition(".")[0]
        folder: Path | None = getattr(self, controller) if controller in V1_CONTROLLERS else None
        return folder

    def folders(self) -> Iterator[Path]:
        """Every folder, each once."""
        every = (self.cpu, self.cpuacct, self.memory, self.blkio, self.pids, self.unified)
        yield from dict.fromkeys(path for path in every if path is not None)


def locate_container(mounts: CgroupMounts, container_id: str, pid: int | None, proc: Path) -> CgroupPaths | None:
    """Find a container's cgroup in every hierarchy; `None` when none has it (any more).

    `container_id` has 64 hexadecimal digits, or nothing is found. With the PID of any of its processes it takes a
    few system calls; without, or when that PID's cgroup is seen from elsewhere, the usual places are tried and
    then the tree is walked, `WALK_DEPTH` levels and `WALK_FOLDERS` folders at most.
    """
    if _ID.fullmatch(container_id) is None:
        return None
    views = {} if pid is None else _process_cgroups(proc, pid)
    shapes = [shape.format(container_id) for shape in _SHAPES]
    found = _guessed(mounts, container_id, views, shapes)
    if not found and (walked := _walked(mounts, container_id)) is not None:
        found = _guessed(mounts, container_id, views, [walked])
    return _paths(mounts, found) if found else None


def locate_path(mounts: CgroupMounts, path: str) -> CgroupPaths | None:
    """Find the cgroup of this path from the mounts down (`/` is the root) in every hierarchy that has it."""
    relative = path.strip("/")
    if ".." in relative.split("/"):
        return None
    found: dict[str, str] = {}
    for point, names in _trees(mounts).items():
        if (folder := _first_cgroup(point, [relative])) is not None:
            found.update(dict.fromkeys(names, folder))
    return _paths(mounts, found) if found else None


def list_cgroups(mounts: CgroupMounts, root: str = "/", depth: int = WALK_DEPTH) -> Iterator[tuple[str, CgroupPaths]]:
    """Yield path and folders of the cgroups below `root` that have processes and no child, each once.

    For a machine whose containers nobody can name. Bounded like the walk for a container, in each hierarchy.
    """
    seen: set[str] = set()
    for point, names in _trees(mounts).items():
        if names == [UNIFIED] and mounts.version == 1:
            continue
        for folder, children in _folders(_below(point, root.strip("/")), depth):
            path = f"/{_relative(folder, point)}"
            if children or path in seen or folder == point or not _populated(folder):
                continue
            seen.add(path)
            if (paths := locate_path(mounts, path)) is not None:
                yield path, paths


def carries_id(name: str, container_id: str) -> bool:
    """Say whether a folder of this name is the container's cgroup: `ID`, `docker-ID.scope`, `crio-ID`...

    Not those of its helpers: `crio-conmon-ID.scope` is the monitor's.
    """
    stem = name.removesuffix(".scope")
    before = stem.removesuffix(container_id)
    return before != stem and (not before or (before[-1] in "-:" and "conmon" not in before))


def _process_cgroups(proc: Path, pid: int) -> dict[str, str]:
    try:
        text = (proc / str(pid) / "cgroup").read_text(errors="surrogateescape")
    except OSError:  # the process has ended
        return {}
    return parse_process_cgroups(text)


def _joined(mount: Mount, view: str, container_id: str) -> list[str]:
    """Where below the mount point the path that a process shows may be, cut after the container's own folder.

    Leading `..` are dropped: they count from a namespace that need not be where the mount begins. Whatever is
    wrong about a guess, the folder's name decides.
    """
    parts = [part for part in view.split("/") if part not in {"", ".."}]
    ends = [end for end, part in enumerate(parts, 1) if carries_id(part, container_id)]
    if not ends:
        return []
    path = "/".join(parts[: ends[0]])
    inside = mount.root.strip("/")
    return [path.removeprefix(f"{inside}/"), path] if inside else [path]


def _trees(mounts: CgroupMounts) -> dict[str, list[str]]:
    """The mount points, each with the controllers that are mounted there, in the order to search them."""
    trees: dict[str, list[str]] = {}
    for name, mount in mounts.hierarchies():
        trees.setdefault(str(mount.point), []).append(name)
    return trees


def _below(folder: str, relative: str) -> str:
    return f"{folder}/{relative}" if relative else folder


def _relative(folder: str, point: str) -> str:
    return folder[len(point) :].lstrip("/")


def _first_cgroup(point: str, tried: list[str]) -> str | None:
    """Return the first of these folders below the mount point that is a cgroup."""
    for relative in tried:
        folder = _below(point, relative)
        try:
            os.stat(f"{folder}/cgroup.procs")
        except OSError:  # not there, not ours to see, or a name too long to exist
            continue
        return folder
    return None


def _guessed(mounts: CgroupMounts, container_id: str, views: dict[str, str], shapes: list[str]) -> dict[str, str]:
    """Try in every hierarchy what its process shows, then where it was found in another one, then the shapes."""
    found: dict[str, str] = {}
    likely: list[str] = []
    for name, mount in mounts.hierarchies():
        point = str(mount.point)
        tried = [*_joined(mount, views.get(name, ""), container_id), *likely, *shapes]
        if (folder := _first_cgroup(point, tried)) is not None:
            found[name] = folder
            likely.append(_relative(folder, point))
    return found


def _walked(mounts: CgroupMounts, container_id: str) -> str | None:
    """Look through the hierarchies, each once, for the container's folder; its path in the first that has it."""
    for point in _trees(mounts):
        for folder, _ in _folders(point, WALK_DEPTH):
            if container_id in folder and carries_id(folder.rpartition("/")[2], container_id):
                return _relative(folder, point)
    return None


def _folders(top: str, depth: int) -> Iterator[tuple[str, bool]]:
    """Yield `top` and the folders below, the less deep first, and whether each has children of its own."""
    waiting = deque([(top, 0)])
    left = WALK_FOLDERS
    while waiting and left:
        folder, level = waiting.popleft()
        left -= 1
        try:
            if os.stat(folder).st_nlink == _LEAF_LINKS:  # a folder's links tell its children, without listing files
                yield folder, False
                continue
            with os.scandir(folder) as entries:
                children = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
        except OSError:  # removed since it was listed
            continue
        yield folder, bool(children)
        if level < depth:
            waiting.extend((f"{folder}/{name}", level + 1) for name in children)


def _populated(folder: str) -> bool:
    """Say whether a cgroup has processes: `cgroup.procs`, empty in a foreign PID namespace, or `pids.current`."""
    for name in ("cgroup.procs", "pids.current"):
        try:
            with open(f"{folder}/{name}", "rb", buffering=0) as file:
                text = file.read(_BEGINNING).strip()
        except OSError:
            continue
        if text and (name == "cgroup.procs" or text != b"0"):
            return True
    return False


def _paths(mounts: CgroupMounts, found: dict[str, str]) -> CgroupPaths:
    made = {folder: Path(folder) for folder in found.values()}
    if mounts.version == 2:
        return CgroupPaths(2, unified=made[found[UNIFIED]])
    named = {controller: made.get(found.get(controller, "")) for controller in V1_CONTROLLERS}
    return CgroupPaths(1, **named, unified=made.get(found.get(UNIFIED, "")))
