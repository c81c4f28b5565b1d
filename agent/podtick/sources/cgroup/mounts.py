"""Which cgroup hierarchies there are, and where their folders lie.

Sources: proc(5) (`/proc/PID/mountinfo`, `/proc/PID/cgroup`), the kernel's `cgroup-v1/cgroups.rst` and
`cgroup-v2.rst`. Version 1 is one tree a controller, alone or several in one mount; version 2 is one tree for all.
Both at once is version 1 whose second, "unified" tree has at most pressure to offer.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

V1_CONTROLLERS = ("cpu", "cpuacct", "memory", "blkio", "pids")
"""The version 1 controllers that have anything to read for podtick."""

UNIFIED = ""
"""What stands for the version 2 hierarchy where controllers are named, as in `/proc/PID/cgroup`."""

_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """One hierarchy: the folder where it is mounted, and which of its cgroups that folder shows.

    `root` is `/` when the mount shows the whole hierarchy as far as this process may know; another cgroup's path
    when only a part is mounted; and meaningless, such as `/../..`, when this process sits in a cgroup namespace
    below what is mounted.
    """

    point: Path
    root: str = "/"


@dataclass(frozen=True, slots=True)
class CgroupMounts:
    """The hierarchies of this machine that podtick can read.

    `version` is where limits and usage are read. `v1` maps a controller to its mount, several to the same one
    where they are mounted together, and lacks those that are not mounted; it is empty on version 2. `unified`
    is the version 2 tree: everything on version 2, on version 1 at most pressure, `None` where there is none.
    """

    version: Literal[1, 2]
    v1: Mapping[str, Mount] = field(default_factory=dict, hash=False)
    unified: Mount | None = None

    def hierarchies(self) -> list[tuple[str, Mount]]:
        """Controllers (or `UNIFIED`) with their mounts, the one to search first first."""
        named = [(controller, self.v1[controller]) for controller in V1_CONTROLLERS if controller in self.v1]
        return named if self.unified is None else [*named, (UNIFIED, self.unified)]


@dataclass(frozen=True, slots=True)
class MountLine:
    """One line of mountinfo, as far as it matters here."""

    root: str
    point: str
    kind: str
    options: tuple[str, ...]


def read_mounts(proc: Path, cgroup: Path) -> CgroupMounts | None:
    """Find the hierarchies at and below the folder `cgroup`; `None` when there is none that can be read.

    This process's own mountinfo says it best. Where that cannot be read or shows no cgroup mount there, the folder
    itself is looked at: a controller's tree is known by its name, the unified one by `cgroup.controllers`.
    """
    try:
        text = (proc / "self" / "mountinfo").read_text(errors="surrogateescape")
    except OSError:
        text = ""
    folder = Path(os.path.realpath(cgroup))  # unlike resolve(), at peace with a loop of links
    return _from_mountinfo(parse_mountinfo(text), folder) or _from_folder(folder)


def parse_mountinfo(text: str) -> Iterator[MountLine]:
    """Yield every complete line of a mountinfo file; others are passed over."""
    for line in text.split("\n"):
        before, dash, after = line.partition(" - ")
        mount, source = before.split(" "), after.split(" ")
        if dash and len(mount) >= 6 and len(source) >= 3:
            options = tuple(source[2].split(","))
            yield MountLine(_unescaped(mount[3]), _unescaped(mount[4]), source[0], options)


def parse_process_cgroups(text: str) -> dict[str, str]:
    """Read a `/proc/PID/cgroup` file: controller, or `UNIFIED` -> path, as this process sees it.

    Left out: lines that are none, and paths of cgroups that are already removed.
    """
    paths: dict[str, str] = {}
    for line in text.split("\n"):
        number, _, rest = line.partition(":")
        controllers, colon, path = rest.partition(":")
        if number.isdecimal() and colon and path.startswith("/") and not path.endswith(" (deleted)"):
            paths.update(dict.fromkeys(controllers.split(","), path))
    return paths


def _from_mountinfo(lines: Iterator[MountLine], folder: Path) -> CgroupMounts | None:
    """Take the mounts below the folder: of two of the same hierarchy the whole one, then the one less deep."""
    candidates: dict[str, list[Mount]] = {}
    for line in lines:
        point = Path(line.point)
        if line.kind not in {"cgroup", "cgroup2"} or not point.is_relative_to(folder) or not _is_cgroup(point):
            continue
        names = [UNIFIED] if line.kind == "cgroup2" else [name for name in V1_CONTROLLERS if name in line.options]
        for name in names:
            candidates.setdefault(name, []).append(Mount(point, line.root))
    best = {
        name: min(mounts, key=lambda mount: (mount.root != "/", len(mount.point.parts)))
        for name, mounts in candidates.items()
    }
    return _mounts(best)


def _from_folder(folder: Path) -> CgroupMounts | None:
    """Know the hierarchies by their names, which is how every distribution mounts them."""
    if _is_unified(folder):
        return CgroupMounts(2, unified=Mount(folder))
    found: dict[str, Mount] = {}
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return None
    for name in names:
        point = folder / name
        if _is_unified(point):
            found.setdefault(UNIFIED, Mount(point))
        elif _is_cgroup(point):
            found.update({part: Mount(point) for part in name.split(",") if part in V1_CONTROLLERS})
    return _mounts(found)


def _mounts(found: dict[str, Mount]) -> CgroupMounts | None:
    unified = found.pop(UNIFIED, None)
    if found:
        return CgroupMounts(1, found, unified)
    return None if unified is None else CgroupMounts(2, unified=unified)


def _is_cgroup(folder: Path) -> bool:
    return os.path.exists(folder / "cgroup.procs")  # unlike Path.exists(), at peace with a forbidden folder


def _is_unified(folder: Path) -> bool:
    return os.path.exists(folder / "cgroup.controllers")


def _unescaped(field_text: str) -> str:
    """Undo mountinfo's octal escapes of space, tab, newline and backslash."""
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), field_text)
