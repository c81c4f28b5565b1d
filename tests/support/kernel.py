"""What the kernel itself says of a cgroup and of a network, read in the plainest way."""

from pathlib import Path

from podtick.sources.cgroup.discovery import CgroupPaths


def kernel_text(paths: CgroupPaths, file: str) -> str:
    """One of a cgroup's files."""
    folder = paths.folder_of(file)
    assert folder is not None, file
    return (folder / file).read_text()


def cpu_usage_ns(paths: CgroupPaths) -> int:
    """CPU time as the kernel counts it, in ns (on v2 it is rounded down to us)."""
    if paths.version == 1:
        return int(kernel_text(paths, "cpuacct.usage"))
    return int(kernel_text(paths, "cpu.stat").split()[1]) * 1000


def network_bytes(pid: int) -> tuple[int, int]:
    """Bytes received and sent where this process is, on all interfaces but lo."""
    rows = [line.replace(":", " ").split() for line in Path(f"/proc/{pid}/net/dev").read_text().splitlines()[2:]]
    kept = [row for row in rows if row[0] != "lo"]
    return sum(int(row[1]) for row in kept), sum(int(row[9]) for row in kept)
