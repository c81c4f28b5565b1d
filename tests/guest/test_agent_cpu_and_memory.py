"""CPU, memory and pressure on cgroup v2: what the agent serves is what the kernel says."""

import pytest

from tests.guest.agent import GuestAgent, GuestContainers
from tests.guest.kernel import both, keyed, pressure
from tests.support.guest import GuestError

MIB = 1 << 20


def test_counters_lie_between_the_kernels_before_and_after_the_tick(agent: GuestAgent, scene: GuestContainers) -> None:
    before = scene.files("busy", "cpu.stat", "cpu.pressure")
    scrape = agent.next_tick()
    after = scene.files("busy", "cpu.stat", "cpu.pressure")
    low, high = keyed(before["cpu.stat"]), keyed(after["cpu.stat"])
    names = {"cpu_usage_seconds": "usage_usec", "cpu_user_seconds": "user_usec", "cpu_system_seconds": "system_usec"}
    names |= {"cpu_cfs_throttled_seconds": "throttled_usec"}
    for name, key in names.items():
        assert low[key] <= round(both(scrape, f"{name}_total", "busy") * 1e6) <= high[key], name
    for name, key in {"cpu_cfs_periods": "nr_periods", "cpu_cfs_throttled_periods": "nr_throttled"}.items():
        assert low[key] <= both(scrape, f"{name}_total", "busy") <= high[key], name
    for word, key in {"waiting": "some", "stalled": "full"}.items():
        value = both(scrape, f"pressure_cpu_{word}_seconds_total", "busy")
        assert pressure(before["cpu.pressure"])[key] <= value <= pressure(after["cpu.pressure"])[key]


def test_a_cpu_limit_throttles_and_presses(agent: GuestAgent, scene: GuestContainers) -> None:
    before = agent.metrics()
    assert both(before, "spec_cpu_limit_cores", "busy") == 0.05
    after = agent.wait_for(lambda scrape: scrape.tick >= before.tick + 3, "three ticks")
    for name in ("cpu_cfs_throttled_periods", "cpu_cfs_throttled_seconds", "pressure_cpu_waiting_seconds"):
        assert both(after, f"{name}_total", "busy") > both(before, f"{name}_total", "busy"), name
    assert not [name for name in before.names(pod="disk") if "_spec_" in name]
    tasks = scene.files("disk", "pids.max")["pids.max"].strip()  # systemd sets one of its own
    found = before.value("podtick_pod_threads_max", pod="disk")
    assert found == (None if tasks == "max" else int(tasks))


def test_memory_and_its_limits(agent: GuestAgent, scene: GuestContainers) -> None:
    first = agent.metrics()
    assert both(first, "spec_memory_limit_bytes", "small") == 16 * MIB
    assert both(first, "memory_swap_bytes", "small") == 0
    assert (both(first, "threads_max", "small"), both(first, "threads", "small")) == (20, 1)
    assert both(first, "memory_failcnt_total", "small") == 0
    scene.execute("small", "dd", "if=/dev/zero", "of=/dev/shm/file", "bs=1M", "count=40")
    names = ("memory.current", "memory.swap.current", "memory.peak", "memory.events", "memory.pressure")
    before = scene.files("small", *names)
    scrape = agent.next_tick()
    after = scene.files("small", *names)
    for name, file in {"usage": names[0], "swap": names[1], "max_usage": names[2]}.items():
        value = both(scrape, f"memory_{name}_bytes", "small")
        assert min(int(before[file]), int(after[file])) <= value <= max(int(before[file]), int(after[file])), name
    assert both(scrape, "memory_swap_bytes", "small") > 20 * MIB
    assert both(scrape, "memory_max_usage_bytes", "small") == 16 * MIB
    hits = both(scrape, "memory_failcnt_total", "small")
    assert 1 <= keyed(before["memory.events"])["max"] <= hits <= keyed(after["memory.events"])["max"]
    for word, key in {"waiting": "some", "stalled": "full"}.items():
        value = both(scrape, f"pressure_memory_{word}_seconds_total", "small")
        assert both(first, f"pressure_memory_{word}_seconds_total", "small") < value
        assert pressure(before["memory.pressure"])[key] <= value <= pressure(after["memory.pressure"])[key]


def test_memory_by_kind_is_the_kernels(agent: GuestAgent, scene: GuestContainers) -> None:
    names = {"rss": "anon", "cache": "file", "mapped_file": "file_mapped", "inactive_file": "inactive_file"}

    def quiet() -> bool:
        before = scene.files("client", "memory.stat", "memory.current")
        scrape = agent.next_tick()
        if before != scene.files("client", "memory.stat", "memory.current"):
            return False
        stat = keyed(before["memory.stat"])
        read = {name: both(scrape, f"memory_{name}_bytes", "client") for name in names}
        assert read == {name: stat[key] for name, key in names.items()}
        assert both(scrape, "memory_page_faults_total", "client") == stat["pgfault"]
        assert both(scrape, "memory_major_page_faults_total", "client") == stat["pgmajfault"]
        usage = int(before["memory.current"])
        assert both(scrape, "memory_working_set_bytes", "client") == max(usage - stat["inactive_file"], 0)
        return True

    agent.wait_until(quiet, "a tick between two equal readings")


def test_a_killed_child_shows_and_its_container_lives(agent: GuestAgent, scene: GuestContainers) -> None:
    assert both(agent.metrics(), "oom_events_total", "small") == 0
    with pytest.raises(GuestError, match="exit 137"):
        scene.execute("small", "dd", "if=/dev/zero", "of=/dev/null", "bs=200M", "count=1")
    scrape = agent.next_tick()
    assert both(scrape, "oom_events_total", "small") == 1
    assert scrape.state("small") == "running"
