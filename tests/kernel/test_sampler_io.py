"""Block I/O on a disk of the test's own: exactly what the kernel counts, and unknown where version 1 counts nothing."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from podtick.model.metrics.row import UNKNOWN
from tests.kernel.sampler import Sampler
from tests.support.cgroups import Cgroup, host_mounts

MIB = 1 << 20
POD, CONTAINER = 2, 3
KEYS = ("fs_reads_bytes_total", "fs_writes_bytes_total", "fs_reads_total", "fs_writes_total")
UNREACHABLE = 10**12  # bytes a second: a rule that holds nothing back


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A block device on a file."""
    (tmp_path / "image").write_bytes(bytes(8 * MIB))
    command = ["losetup", "--find", "--show", str(tmp_path / "image")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no loop device to be had: {done.stderr.strip()}")
    device = Path(done.stdout.strip())
    try:
        yield device
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


def move(cgroup: Cgroup, source: Path, target: Path, flag: str) -> None:
    """Copy 4 MiB past the page cache, by a process in the cgroup."""
    words = [f"if={source}", f"of={target}", "bs=1M", "count=4", flag, "conv=notrunc", "status=none"]
    process = cgroup.run("dd", *words)
    assert process.wait(60) == 0
    cgroup.end(process)


def test_direct_reads_and_writes_are_counted_to_the_byte(disk: Path) -> None:
    version = host_mounts().version
    subprocess.run(
        ["dd", "if=/dev/null", "of=/dev/null", "status=none"], check=True
    )  # so that it need not be read later
    with Sampler() as sampler, Cgroup() as cgroup:
        cgroup.run("sleep", "100000")
        if version == 1:  # without a rule on the disk this version may count nothing
            numbers = Path(f"/sys/block/{disk.name}/dev").read_text().strip()
            cgroup.write("blkio.throttle.write_bps_device", f"{numbers} {UNREACHABLE}")
        sampler.pod(POD, cgroup.paths)
        before = [sampler.tick()[POD][key] for key in KEYS]
        move(cgroup, Path("/dev/zero"), disk, "oflag=direct")
        move(cgroup, disk, Path("/dev/null"), "iflag=direct")
        rows = sampler.tick()
    if version == 1:
        assert before == [UNKNOWN] * 4  # nothing on any device: nobody can tell that from a kernel that counts nothing
        before = [0] * 4
    for id_ in (CONTAINER, POD):
        grown = [rows[id_][key] - earlier for key, earlier in zip(KEYS, before, strict=True)]
        assert grown[:2] == [4 * MIB, 4 * MIB]
        assert min(grown[2:]) >= 4
