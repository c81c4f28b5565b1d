"""Block I/O: exactly what the kernel counts, and no series where it counts nothing."""

from tests.docker.containers import MIB, Containers
from tests.support.agent import Agent
from tests.support.kernel import kernel_text

V1 = {
    "fs_reads_bytes_total": ("blkio.throttle.io_service_bytes_recursive", "Read"),
    "fs_writes_bytes_total": ("blkio.throttle.io_service_bytes_recursive", "Write"),
    "fs_reads_total": ("blkio.throttle.io_serviced_recursive", "Read"),
    "fs_writes_total": ("blkio.throttle.io_serviced_recursive", "Write"),
}
V2 = {
    "fs_reads_bytes_total": "rbytes",
    "fs_writes_bytes_total": "wbytes",
    "fs_reads_total": "rios",
    "fs_writes_total": "wios",
}
WRITE = ("dd", "if=/dev/zero", "of=/direct", "bs=1M", "count=100", "oflag=direct")


def v1_counts(text: str) -> dict[str, int]:
    """Operation -> sum over the devices; empty when nothing was counted at all."""
    rows = [line.split() for line in text.splitlines() if line.count(" ") == 2]
    sums = {operation: sum(int(row[2]) for row in rows if row[1] == operation) for operation in ("Read", "Write")}
    return sums if any(int(row[2]) for row in rows) else {}


def test_direct_writes_are_what_the_kernel_counts(agent: Agent, containers: Containers) -> None:
    containers.run("io-writer")
    paths = containers.paths("io-writer")
    containers.execute("io-writer", *WRITE)
    agent.wait_for(lambda scrape: scrape.value("podtick_container_threads", container="io-writer") == 1)
    scrape = agent.next_tick()
    for level in ("container", "pod"):
        for name, (file, operation) in V1.items():
            value = scrape.value(f"podtick_{level}_{name}", pod="io-writer")
            if paths.version == 1:
                assert value == v1_counts(kernel_text(paths, file)).get(operation)
            else:
                words = [word.split("=") for word in kernel_text(paths, "io.stat").split() if "=" in word]
                assert value == sum(int(text) for key, text in words if key == V2[name])
    written = scrape.value("podtick_pod_fs_writes_bytes_total", pod="io-writer")
    assert written is None or written == 100 * MIB


def test_who_wrote_nothing_has_no_zero_on_v1(agent: Agent, containers: Containers) -> None:
    containers.run("io-idle")
    paths = containers.paths("io-idle")
    agent.wait_for(lambda scrape: scrape.value("podtick_container_threads", container="io-idle") == 1)
    names = {name for name in agent.next_tick().names(pod="io-idle") if "_fs_" in name}
    if paths.version == 1:
        assert v1_counts(kernel_text(paths, "blkio.throttle.io_service_bytes_recursive")) == {}
        assert not names
    else:
        assert len(names) == 8
