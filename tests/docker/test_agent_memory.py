"""Memory of real containers: the limit, its hits, and an out-of-memory kill that the container survives."""

import pytest

from podtick.sources.cgroup.discovery import CgroupPaths
from tests.docker.containers import MIB, Containers
from tests.support.agent import Agent
from tests.support.engine.choice import ENGINE, source
from tests.support.kernel import kernel_text

USAGE = "podtick_container_memory_usage_bytes"
OOM = "podtick_{}_oom_events_total"
HITS = "podtick_{}_memory_failcnt_total"
FILL = ("dd", "if=/dev/zero", "of=/tmp/filling", "bs=1M", "count=100")
LEVELS = ("container", "pod")


def kernel_hits(paths: CgroupPaths) -> int:
    """How often the limit was hit, by the kernel's own count: 0 for ever on some kernels' v1."""
    if paths.version == 1:
        return int(kernel_text(paths, "memory.failcnt"))
    words = kernel_text(paths, "memory.events").split()
    return int(words[words.index("max") + 1])


@pytest.mark.needs("memory-stat")
def test_a_limit_is_kept_and_shown(agent: Agent, containers: Containers) -> None:
    containers.run("mem-limit", options=["--memory", "64m", "--memory-swap", "64m"])
    scrape = agent.wait_for(lambda scrape: scrape.value(USAGE, container="mem-limit") is not None, "its first reading")
    for level in LEVELS:
        assert scrape.known(f"podtick_{level}_spec_memory_limit_bytes", pod="mem-limit") == 64 * MIB
        hits = scrape.value(HITS.format(level), pod="mem-limit")
        assert hits == 0 or (source() == ENGINE and hits is None)  # an engine leaves a count of 0 out
    containers.execute("mem-limit", *FILL)
    scrape = agent.next_tick()
    for level in LEVELS:
        usage = scrape.known(f"podtick_{level}_memory_usage_bytes", pod="mem-limit")
        assert 32 * MIB < usage <= 64 * MIB
        assert scrape.known(f"podtick_{level}_memory_max_usage_bytes", pod="mem-limit") >= usage
        working = scrape.known(f"podtick_{level}_memory_working_set_bytes", pod="mem-limit")
        inactive = scrape.known(f"podtick_{level}_memory_inactive_file_bytes", pod="mem-limit")
        assert working == usage - inactive < usage


@pytest.mark.needs("memory-stat")
def test_numbers_are_the_kernels(agent: Agent, containers: Containers) -> None:
    containers.run("mem-quiet", "sh", "-c", "dd if=/dev/zero of=/tmp/file bs=1M count=10; exec sleep 100000")
    paths = containers.paths("mem-quiet")
    agent.wait_for(lambda scrape: (scrape.value("podtick_pod_memory_cache_bytes", pod="mem-quiet") or 0) >= 10 * MIB)
    names = {"rss": "anon", "cache": "file", "mapped_file": "file_mapped", "inactive_file": "inactive_file"}

    def quiet() -> bool:
        before = kernel_text(paths, "memory.stat")
        scrape = agent.next_tick()
        if before != kernel_text(paths, "memory.stat"):
            return False  # pages written once may become active a second later: the kernel moves them in batches
        words = before.split()
        stat = dict(zip(words[::2], map(int, words[1::2]), strict=True))
        read = {name: scrape.known(f"podtick_pod_memory_{name}_bytes", pod="mem-quiet") for name in names}
        assert read == {name: stat[f"total_{name}" if paths.version == 1 else on_v2] for name, on_v2 in names.items()}
        return True

    agent.wait_until(quiet, "a tick between two equal readings")


@pytest.mark.needs("kernel")
def test_an_oom_kill_and_the_hits_before_it_show(agent: Agent, containers: Containers) -> None:
    hungry = "until [ -e /go ]; do sleep 0.1; done; dd if=/dev/zero of=/dev/null bs=64M count=1; exec sleep 100000"
    containers.run("mem-killed", "sh", "-c", hungry, options=["--memory", "16m", "--memory-swap", "16m"])
    calm = agent.wait_for(lambda scrape: scrape.value(OOM.format("pod"), pod="mem-killed") is not None)
    for level in LEVELS:
        assert calm.known(OOM.format(level), pod="mem-killed") == 0
        assert calm.known(HITS.format(level), pod="mem-killed") == 0
    containers.execute("mem-killed", "touch", "/go")
    killed = agent.wait_for(lambda scrape: (scrape.value(OOM.format("pod"), pod="mem-killed") or 0) >= 1, "the kill")
    hits = kernel_hits(containers.paths("mem-killed"))
    for level in LEVELS:
        assert killed.known(OOM.format(level), pod="mem-killed") == 1
        assert killed.known(HITS.format(level), pod="mem-killed") == hits
    assert killed.state("mem-killed") == "running"


@pytest.mark.needs("update")
def test_a_changed_limit_is_read_again(agent: Agent, containers: Containers) -> None:
    containers.run("mem-update", options=["--memory", "64m", "--memory-swap", "64m"])
    limit = "podtick_pod_spec_memory_limit_bytes"
    agent.wait_for(lambda scrape: scrape.value(limit, pod="mem-update") == 64 * MIB)
    containers.engine.docker("update", "--memory", "96m", "--memory-swap", "96m", "mem-update")
    agent.wait_for(lambda scrape: scrape.value(limit, pod="mem-update") == 96 * MIB, "the new limit")
