"""The demo's cgroups: made and removed, in every hierarchy, below a folder of its own.

    /podtick-demo-1f2e3d4c/kubepods/burstable/poddemo-cpu-burst/<64 hexadecimal digits>

as the kubelet's driver `cgroupfs` has them, and never in a kubelet's own tree. That folder is locked (flock) for as
long as a process of the demo lives, whatever becomes of it; what nobody has locked is a dead one's and is swept away.
"""

import fcntl
import os
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from podtick.demo.pods import DemoPod
from podtick.sources.cgroup.mounts import CgroupMounts

PREFIX = "podtick-demo-"
PARENT = "kubepods/burstable"
REMOVE_SECONDS, AGAIN_SECONDS = 5.0, 0.02
_CONTROLLERS = ("cpu", "memory", "io", "pids")


class Container:
    """One container's cgroup in every hierarchy."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self._folders = tuple(folders)

    def limit(self, pod: DemoPod) -> None:
        """Write the pod's limits, as far as there is a file for them."""
        for file, text in pod.limits:
            for folder in self._folders:
                if (folder / file).exists():
                    _write(folder / file, text)

    def enter(self) -> None:
        """Move the calling process in."""
        for folder in self._folders:
            _write(folder / "cgroup.procs", "0")

    def remove(self) -> None:
        """Remove container and pod; raises `OSError` while a process is left."""
        for folder in self._folders:
            if folder.exists():
                folder.rmdir()
            if folder.parent.exists():
                folder.parent.rmdir()


@dataclass(frozen=True, slots=True)
class Tree:
    """All cgroups of one demo. `name` is their common folder's, in each of the hierarchies at `points`."""

    name: str
    points: tuple[Path, ...]
    _locks: tuple[int, ...]

    @classmethod
    def make(cls, mounts: CgroupMounts) -> "Tree":
        """Make and lock the common folder in every hierarchy; raises `OSError`, and leaves nothing then."""
        name = PREFIX + secrets.token_hex(4)
        points = _points(mounts)
        locks: list[int] = []
        try:
            for point in points:
                _delegate(point)
                (point / name).mkdir()
                locks.append(_lock(point / name))
        except OSError:
            cls(name, points, tuple(locks)).remove()
            raise
        return cls(name, points, tuple(locks))

    def container(self, uid: str) -> Container:
        """Make the cgroups of a pod with one container."""
        parts = (*PARENT.split("/"), f"pod{uid}", secrets.token_hex(32))
        return Container([_made(point / self.name, parts) for point in self.points])

    def remove(self) -> None:
        """Remove everything; raises `OSError` while a process is left. May be called again."""
        for point in self.points:
            remove_tree(point / self.name)
        for fd in self._locks:
            os.close(fd)


def sweep(mounts: CgroupMounts) -> None:
    """Remove what demos have left that are dead; what cannot be removed stays.

    Their processes are dead too: each ends with its demo.
    """
    for folder in leftovers(mounts):
        try:
            fd = _lock(folder)
        except OSError:  # a living one's, or gone meanwhile
            continue
        try:
            remove_tree(folder)
        except OSError:
            pass  # somebody else has put a process there
        finally:
            os.close(fd)


def leftovers(mounts: CgroupMounts) -> Iterator[Path]:
    """The common folders of all demos, dead or alive."""
    for point in _points(mounts):
        yield from sorted(point.glob(f"{PREFIX}*/"))


def remove_tree(top: Path) -> None:
    """Remove a cgroup, if it is there, and those below it first; raises `OSError` when one has processes."""
    for folder, _, _ in os.walk(top, topdown=False):
        os.rmdir(folder)


def patiently(remove: Callable[[], None]) -> OSError | None:
    """Remove cgroups whose last process is about to be laid to rest, which nothing announces; why not, if not."""
    end = time.monotonic() + REMOVE_SECONDS
    while True:
        try:
            remove()
        except OSError as error:
            if time.monotonic() > end:
                return error
            time.sleep(AGAIN_SECONDS)
        else:
            return None


def _points(mounts: CgroupMounts) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(mount.point for _, mount in mounts.hierarchies()))


def _made(top: Path, parts: Iterable[str]) -> Path:
    folder = top
    for part in parts:
        _delegate(folder)
        folder = folder / part
        folder.mkdir(exist_ok=True)
    return folder


def _delegate(folder: Path) -> None:
    """On version 2: let the cgroups below have controllers. As container runtimes do, and like them for good.

    A controller that cannot be had (this process's own cgroup is no place for it, in a container) leaves the pods
    without its numbers, not the demo without its pods.
    """
    try:
        there = (folder / "cgroup.controllers").read_text().split()
        enabled = (folder / "cgroup.subtree_control").read_text().split()
    except FileNotFoundError:  # version 1
        return
    for controller in _CONTROLLERS:
        if controller in there and controller not in enabled:
            try:
                _write(folder / "cgroup.subtree_control", f"+{controller}")
            except OSError:
                continue


def _lock(folder: Path) -> int:
    """Lock a folder until the descriptor and its copies in children are closed; raises `OSError`."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _write(file: Path, text: str) -> None:
    """One write, as these files want it; the error is raised by it and not later."""
    fd = os.open(file, os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
