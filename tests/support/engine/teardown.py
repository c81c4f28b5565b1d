"""Leaves nothing behind: ends an engine known only by its folder, however it died."""

import contextlib
import os
import re
import shutil
import signal
from pathlib import Path

from tests.support.engine import programs
from tests.support.engine.errors import EngineError
from tests.support.engine.network import remove_bridge

CGROUPS = Path("/sys/fs/cgroup")
ID = re.compile(r"[0-9a-f]{64}")


def tear_down(root: Path) -> None:
    """End the engine's daemons and containers, and remove its mounts, bridge, cgroups and folder.

    Raises:
        EngineError: something could not be ended or removed; named.
    """
    if not root.exists():
        return
    containers = _containers(root)
    for daemon in ("dockerd", "podman"):
        _end_daemon(root, daemon, patience=30)
    left = _end_containers(containers)
    left += programs.end(programs.shims(root), signal.SIGKILL, 10)
    _end_daemon(root, "containerd", patience=10)
    _remove_cgroups(containers)
    remove_bridge(root)
    for mount in reversed(_mounts(root)):
        with contextlib.suppress(EngineError):  # by one that was ending just now; the folder stays if it is still there
            programs.call(["umount", "--lazy", mount])
    shutil.rmtree(root)
    if left:
        raise EngineError(f"still alive after SIGKILL: {left}")


def _end_daemon(root: Path, name: str, patience: float) -> None:
    """SIGTERM, then SIGKILL; woken first, in case a test had stopped it."""
    pid = programs.pid_of(root, name)
    if pid is None:
        return
    programs.end([pid], signal.SIGCONT, 0)
    programs.end(programs.end([pid], signal.SIGTERM, patience), signal.SIGKILL, 10)


def _containers(root: Path) -> frozenset[str]:
    """Full IDs of all containers that the engine's data names."""
    folders = (root / "data" / "containers", *root.glob("storage/*-containers"))
    return frozenset(entry.name for folder in folders if folder.is_dir() for entry in folder.iterdir())


def _cgroups(containers: frozenset[str]) -> list[Path]:
    """Every cgroup of these containers, in every hierarchy, deepest first."""
    if not containers:
        return []
    folders = (folder for folder, _, _ in os.walk(CGROUPS))  # others come and go meanwhile
    found = [Path(folder) for folder in folders if not containers.isdisjoint(ID.findall(folder))]
    return sorted(found, key=lambda path: len(path.parts), reverse=True)


def _end_containers(containers: frozenset[str]) -> list[int]:
    pids: set[int] = set()
    for folder in _cgroups(containers):
        with contextlib.suppress(FileNotFoundError, OSError):
            pids |= {int(line) for line in (folder / "cgroup.procs").read_text().split()}
    return programs.end(pids - {0}, signal.SIGKILL, 10)


def _remove_cgroups(containers: frozenset[str]) -> None:
    """The containers' cgroups, then their common parents where nobody else is in them."""
    folders = _cgroups(containers)
    parents = {folder.parent for folder in folders if ID.findall(folder.name)}
    for folder in (*folders, *parents):
        with contextlib.suppress(OSError):  # in use by another engine, or gone
            folder.rmdir()


def _mounts(root: Path) -> list[str]:
    """Mount points below the folder, in the order in which they were mounted."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [point for point in (line.split()[4] for line in lines) if point.startswith(f"{root}/")]
