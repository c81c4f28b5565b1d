"""CPU of real containers: the rate of a limited one, the kernel's own counter around a tick, throttling."""

import time

import pytest

from tests.docker.containers import BUSY, Containers
from tests.support.agent import Agent
from tests.support.engine.choice import CGROUP, source
from tests.support.kernel import cpu_usage_ns

USAGE = "podtick_container_cpu_usage_seconds_total"
POD_USAGE = "podtick_pod_cpu_usage_seconds_total"
SPAN = 15  # s
OFF = 0.01 if source() == CGROUP else 0.04  # an engine's reading may be a second older at one end than at the other


def test_a_share_of_a_core_reads_as_that_share(agent: Agent, containers: Containers) -> None:
    """What the kernel gave, that is: a host that is busy with other things gives less than was asked for."""
    containers.run("cpu-third", *BUSY, options=["--cpus", "0.3"])
    paths = containers.paths("cpu-third")
    agent.wait_for(lambda scrape: scrape.value(USAGE, container="cpu-third") is not None, "its first reading")
    first, began, used = agent.next_tick(), time.monotonic(), cpu_usage_ns(paths)
    last = agent.wait_for(lambda scrape: scrape.tick >= first.tick + SPAN)
    given = (cpu_usage_ns(paths) - used) / 1e9 / (time.monotonic() - began)
    rate = last.known(USAGE, container="cpu-third") - first.known(USAGE, container="cpu-third")
    rate /= last.tick - first.tick
    assert 0.1 < given < 0.31
    assert abs(rate - given) <= OFF


@pytest.mark.needs("kernel")
def test_a_counter_lies_between_the_kernels_before_and_after_its_tick(agent: Agent, containers: Containers) -> None:
    uid = containers.run("cpu-between", *BUSY, options=["--cpus", "0.5"])
    paths = containers.paths("cpu-between")
    agent.wait_for(lambda scrape: scrape.value(USAGE, container="cpu-between") is not None, "its first reading")
    for _ in range(3):
        before = cpu_usage_ns(paths)
        scrape = agent.next_tick()
        after = cpu_usage_ns(paths)
        value = scrape.known(USAGE, container="cpu-between", pod="cpu-between", namespace="_docker", uid=uid)
        assert before <= round(value * 1e9) <= after
        assert scrape.value(POD_USAGE, pod="cpu-between", namespace="_docker", uid=uid) == value


def test_container_and_pod_of_one_are_equal(agent: Agent, containers: Containers) -> None:
    containers.run("cpu-equal", *BUSY, options=["--cpus", "0.2", "--memory", "64m"])
    agent.wait_for(lambda scrape: scrape.value(USAGE, container="cpu-equal") is not None, "its first reading")
    scrape = agent.next_tick()
    labels = {"namespace": "_docker", "pod": "cpu-equal"}
    own = {each.name.replace("_container_", "_"): each.value for each in scrape.of(**labels, container="cpu-equal")}
    del own["podtick_state"]
    pods = {
        each.name.replace("_pod_", "_"): each.value for each in scrape.of(**labels) if "container" not in each.labels
    }
    assert len(own) > (20 if source() == CGROUP else 5)
    assert own == pods


@pytest.mark.needs("throttling")
def test_throttling_shows_at_both_levels(agent: Agent, containers: Containers) -> None:
    containers.run("cpu-held", *BUSY, options=["--cpus", "0.1"])
    for level in ("container", "pod"):
        throttled = f"podtick_{level}_cpu_cfs_throttled_periods_total"
        scrape = agent.wait_for(lambda scrape, name=throttled: (scrape.value(name, pod="cpu-held") or 0) >= 5)  # type: ignore[misc]
        periods = scrape.known(f"podtick_{level}_cpu_cfs_periods_total", pod="cpu-held")
        assert scrape.known(throttled, pod="cpu-held") <= periods
        assert scrape.known(f"podtick_{level}_cpu_cfs_throttled_seconds_total", pod="cpu-held") > 0.1
        assert scrape.known(f"podtick_{level}_spec_cpu_limit_cores", pod="cpu-held") == 0.1


def test_no_limit_is_no_series_and_no_zero(agent: Agent, containers: Containers) -> None:
    containers.run("cpu-free")
    scrape = agent.wait_for(lambda scrape: scrape.value(USAGE, container="cpu-free") is not None, "its first reading")
    names = scrape.names(pod="cpu-free")
    assert not {name for name in names if "_spec_" in name}
    assert {USAGE, POD_USAGE} <= names
