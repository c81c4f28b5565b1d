"""Leaves nothing behind: ends a cluster known only by its folder, however it died."""

import os
import shutil
import signal
import time
from pathlib import Path

from tests.support.cluster.errors import ClusterError
from tests.support.cluster.network import remove_network
from tests.support.engine import programs

CGROUPS = Path("/sys/fs/cgroup")
PATIENCE = 10.0  # s for what was killed to be gone


def tear_down(root: Path) -> None:
    """End a cluster's programs, its machines with all that is in them; remove cgroups, bridge and folder.

    Raises:
        ClusterError: something could not be ended or removed; named.
    """
    if not root.exists():
        return
    files = list(root.glob("*.pid"))
    machines = [file.parent.name for file in root.glob("*/boot.sh")]
    inits = [pid for name in machines if (pid := first_process(root, name)) is not None]
    left = programs.end(inits, signal.SIGKILL, PATIENCE)  # over when all in the machine are
    pids = [pid for file in files if (pid := programs.pid_of(root, file.stem)) is not None]
    left += programs.end(pids, signal.SIGKILL, PATIENCE)
    for file in files:  # also those that had ended before
        programs.reap(int(file.read_text().split()[0]))
    remove_network(root)
    cgroups = [str(folder) for folder in CGROUPS.glob(f"*/{root.name}-*") if not _removed(folder)]
    shutil.rmtree(root)
    if left or cgroups:
        raise ClusterError(f"a cluster left behind: {left} {cgroups}")


def first_process(root: Path, machine: str) -> int | None:
    """The pid, as this host counts, of a machine's first process while there is one."""
    starter = programs.pid_of(root, machine)
    if starter is None:
        return None
    try:
        return int(Path(f"/proc/{starter}/task/{starter}/children").read_text())
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return None


def _removed(folder: Path) -> bool:
    """Remove a cgroup and all below it; the kernel may be a moment behind with those that ended in it."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        for path, _, _ in os.walk(folder, topdown=False):
            try:
                os.rmdir(path)
            except FileNotFoundError:
                pass
            except OSError:
                time.sleep(0.02)
        if not folder.exists():
            return True
    return False
