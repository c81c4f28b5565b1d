"""What the kernel says of processes and of this machine: CPU time, memory, versions."""

import contextlib
import os
import platform
import re
import time
from collections.abc import Iterable
from pathlib import Path

from podtick.sources.cgroup.mounts import read_mounts

CPUCLOCK_SCHED = 2
TICK_NS = 10**9 // os.sysconf("SC_CLK_TCK")
USER, SYSTEM, CHILDREN_USER, CHILDREN_SYSTEM, CORE = 11, 12, 13, 14, 36
"""Fields of /proc/PID/stat, counted from the one after the name: CPU time, that of children that were waited for,
and the core it ran on last."""
_MAPPING = re.compile(r"^[0-9a-f]+-[0-9a-f]+ \S+ (\S+) \S+ (\d+) *(.*)$")


def cpu_ns(pid: int) -> int:
    """CPU time of a process in nanoseconds, all its threads, those that ended too (clock_getcpuclockid(3))."""
    return time.clock_gettime_ns((~pid << 3) | CPUCLOCK_SCHED)


def cpu_sum_ns(pids: Iterable[int]) -> int:
    """CPU time of several processes; one that has ended counts nothing."""
    total = 0
    for pid in pids:
        try:
            total += cpu_ns(pid)
        except OSError:
            continue
    return total


def busiest_core(pid: int) -> int:
    """The core on which that thread of a process ran last which has used most CPU time (proc(5), stat)."""
    threads = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        fields = (task / "stat").read_text().rpartition(")")[2].split()
        threads.append((int(fields[USER]) + int(fields[SYSTEM]), int(fields[CORE])))
    return max(threads)[1]


def children(pid: int) -> list[int]:
    """The direct children of a process."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found


def tree(pid: int) -> list[int]:
    """A process and all that descend from it, itself first."""
    found = [pid]
    for one in found:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found += children(one)
    return found


def tree_cpu_ns(pid: int) -> int:
    """CPU time of a process and of all that descend from it, those included that have ended and were waited for."""
    total = 0
    for one in tree(pid):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{one}/stat").read_bytes().rpartition(b")")[2].split()
            total += cpu_ns(one) + (int(fields[CHILDREN_USER]) + int(fields[CHILDREN_SYSTEM])) * TICK_NS
    return total


def parse_smaps(text: str) -> dict[str, int]:
    """Resident bytes by what is mapped: `FILE@OFFSET` for a file's mapping, `private` for all else that is private.

    Pages of a file that a process has written to (copies of its own) are `private`; memfd regions are left out.
    """
    found = {"private": 0}
    name, rss, copied = "", 0, 0
    for line in [*text.splitlines(), "0-0 ---p 0 00:00 0 end"]:
        if match := _MAPPING.match(line):
            if name and not name.startswith("/memfd:"):
                found["private"] += copied
                found[name] = found.get(name, 0) + rss - copied
            rss = copied = 0
            inode, path = match[2], match[3]
            name = f"{path}@{match[1]}" if inode != "0" and not path.startswith("/memfd:") else path or "[anon]"
        elif line.startswith("Rss:"):
            rss = int(line.split()[1]) * 1024
        elif line.startswith("Anonymous:"):
            copied = int(line.split()[1]) * 1024
    return {name: size for name, size in found.items() if size}


def resident_bytes(pids: Iterable[int]) -> int:
    """Memory of processes together: each one's own pages, and pages of files that several map once."""
    private, files = 0, dict[str, int]()
    for pid in pids:
        for name, size in parse_smaps(Path(f"/proc/{pid}/smaps").read_text()).items():
            if name == "private":
                private += size
            else:
                files[name] = max(files.get(name, 0), size)
    return private + sum(files.values())


def description() -> dict[str, str]:
    """What a reader must know of this machine to judge the figures."""
    mounts = read_mounts(Path("/proc"), Path("/sys/fs/cgroup"))
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return {
        "cores": str(len(os.sched_getaffinity(0))),
        "processor": model[1] if model else platform.machine(),
        "kernel": platform.release(),
        "cgroup": f"v{mounts.version}" if mounts else "none",
        "python": platform.python_version(),
        "load": " ".join(f"{load:.1f}" for load in os.getloadavg()),
    }
