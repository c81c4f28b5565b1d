"""What happens to a container's series as it is created, started, paused, renamed, restarted and removed."""

import time

import pytest

from tests.docker.containers import BUSY, Containers
from tests.support.agent import Agent
from tests.support.scrape import Scrape

USAGE = "podtick_container_cpu_usage_seconds_total"
THREADS = "podtick_container_threads"
STARTED = "podtick_container_start_time_seconds"
RESTARTS = "podtick_{}_restarts_total"


def reads(agent: Agent, name: str) -> Scrape:
    """The first tick that has numbers of a container."""
    return agent.wait_for(lambda scrape: scrape.value(USAGE, container=name) is not None, f"numbers of {name}")


def pod_counters(scrape: Scrape, pod: str) -> dict[str, float]:
    found = scrape.counters(namespace="_docker", pod=pod)
    return {name: value for name, value in found.items() if name.startswith("podtick_pod_")}


def assert_never_falls(ticks: list[Scrape], pod: str) -> None:
    """No counter of a pod is ever below what it has been, whether it was there in between or not."""
    highest: dict[str, float] = {}
    for scrape in ticks:
        for name, value in pod_counters(scrape, pod).items():
            assert value >= highest.get(name, 0), f"{name} fell from {highest[name]} to {value} at {scrape.tick}"
            highest[name] = value
    assert pod_counters(ticks[-1], pod).keys() >= {"podtick_pod_cpu_usage_seconds_total"}


@pytest.mark.parametrize("network", ["none", "bridge"])
def test_no_pod_counter_falls_over_a_restart(agent: Agent, containers: Containers, network: str) -> None:
    name = f"life-again-{network}"
    containers.run(name, *BUSY, options=["--cpus", "0.3"], network=network)
    reads(agent, name)
    if network == "bridge":  # more than the next run's first packets
        gateway = containers.engine.docker("inspect", "--format", "{{.NetworkSettings.Gateway}}", name)
        containers.execute(name, "ping", "-c", "5", "-i", "0.1", "-s", "10000", gateway)
    before = agent.next_tick()
    assert network == "none" or before.known("podtick_pod_network_transmit_bytes_total", pod=name) > 50_000
    restart = containers.engine.docker
    ticks = [before, *agent.ticks_during(lambda: restart("restart", "--time", "0", name), more=3)]
    after = agent.wait_for(
        lambda scrape: scrape.value(STARTED, container=name) != before.value(STARTED, container=name)
    )
    ticks += [after, agent.next_tick()]
    assert_never_falls(ticks, name)
    after = ticks[-1]
    assert after.state(name) == "running"
    assert after.known(STARTED, container=name) > before.known(STARTED, container=name)
    assert after.known(USAGE, container=name) < after.known("podtick_pod_cpu_usage_seconds_total", pod=name)
    assert after.known(RESTARTS.format("container"), container=name) == 0  # nobody's policy restarted it


def test_restarts_by_policy_are_counted(agent: Agent, containers: Containers) -> None:
    script = "echo >>/runs; [ $(wc -l </runs) -gt 2 ] && exec sleep 100000; sleep 1.5; exit 3"
    containers.run("life-flaky", "sh", "-c", script, options=["--restart", "always"])
    ticks: list[Scrape] = []

    def settled(scrape: Scrape) -> bool:
        ticks.append(scrape)
        return scrape.value(RESTARTS.format("pod"), pod="life-flaky") == 2 and scrape.state("life-flaky") == "running"

    agent.wait_for(settled)
    last = reads(agent, "life-flaky")
    assert last.known(RESTARTS.format("container"), container="life-flaky") == 2
    assert_never_falls([*ticks, last, agent.next_tick()], "life-flaky")


def test_pause_and_unpause(agent: Agent, containers: Containers) -> None:
    containers.run("life-pause", *BUSY, options=["--cpus", "0.3"])
    reads(agent, "life-pause")
    containers.pause("life-pause")
    agent.wait_for(lambda scrape: scrape.state("life-pause") == "paused")
    first, second = agent.next_tick(), agent.next_tick()
    assert first.known(USAGE, container="life-pause") == second.known(USAGE, container="life-pause")
    containers.engine.docker("unpause", "life-pause")
    agent.wait_for(lambda scrape: scrape.state("life-pause") == "running")
    third, fourth = agent.next_tick(), agent.next_tick()
    assert third.known(USAGE, container="life-pause") < fourth.known(USAGE, container="life-pause")


def test_a_renamed_container_goes_on_under_its_new_name(agent: Agent, containers: Containers) -> None:
    uid = containers.run("life-old", *BUSY, options=["--cpus", "0.3"])
    before = reads(agent, "life-old").known(USAGE, container="life-old", uid=uid)
    containers.engine.docker("rename", "life-old", "life-new")
    renamed = agent.wait_for(lambda scrape: scrape.value(USAGE, container="life-new") is not None, "the new name")
    assert renamed.known(USAGE, container="life-new", pod="life-new", uid=uid) >= before
    assert not renamed.names(pod="life-old")
    assert not renamed.names(container="life-old")


def test_a_removed_container_is_gone(agent: Agent, containers: Containers) -> None:
    containers.run("life-removed", network="bridge")
    reads(agent, "life-removed")
    containers.engine.remove("life-removed")
    agent.wait_for(lambda scrape: not scrape.names(pod="life-removed"), "its end")


def test_an_exited_container_keeps_its_state_only(agent: Agent, containers: Containers) -> None:
    containers.run("life-exits", *BUSY, options=["--cpus", "0.3"], network="bridge")
    reads(agent, "life-exits")
    containers.engine.docker("kill", "life-exits")
    agent.wait_for(lambda scrape: scrape.state("life-exits") == "exited")
    scrape = agent.next_tick()
    told = {"podtick_container_state", "podtick_container_info", STARTED, RESTARTS.format("container")}
    assert scrape.names(container="life-exits") == told
    assert {name for name in scrape.names(pod="life-exits") if "_pod_" in name} <= {
        "podtick_pod_info",
        "podtick_pod_start_time_seconds",
        RESTARTS.format("pod"),
    }


def test_a_container_that_never_started_has_a_state_and_no_numbers(agent: Agent, containers: Containers) -> None:
    containers.create("life-created")
    agent.wait_for(lambda scrape: scrape.state("life-created") == "created")
    scrape = agent.next_tick()
    told = {"podtick_container_state", "podtick_container_info", "podtick_pod_info"}
    assert scrape.names(pod="life-created") == told
    containers.engine.docker("start", "life-created")
    reads(agent, "life-created")


def test_a_start_is_seen_at_the_time_that_the_engine_tells(agent: Agent, containers: Containers) -> None:
    before = time.time()
    containers.run("life-start")
    after = time.time()
    scrape = reads(agent, "life-start")
    assert before <= scrape.known(STARTED, container="life-start") <= after
    assert scrape.value("podtick_pod_start_time_seconds", pod="life-start") == scrape.value(
        STARTED, container="life-start"
    )


def test_a_renamed_owner_renames_the_pod_of_all(agent: Agent, containers: Containers) -> None:
    uid = containers.run("life-owner", network="bridge")
    containers.run("life-guest", network="container:life-owner")
    agent.wait_for(lambda scrape: len(scrape.all(THREADS, pod="life-owner")) == 2)
    containers.engine.docker("rename", "life-owner", "life-master")
    renamed = agent.wait_for(lambda scrape: len(scrape.all(THREADS, pod="life-master")) == 2, "both under the new name")
    containers.pause("life-guest")  # news of the guest bring no old name back
    renamed = agent.wait_for(lambda scrape: scrape.state("life-guest") == "paused")
    assert {each.labels["container"] for each in renamed.all(THREADS, pod="life-master", uid=uid)} == {
        "life-master",
        "life-guest",
    }
    assert not renamed.names(pod="life-owner")
    containers.engine.docker("unpause", "life-guest")


def test_a_pod_keeps_the_restarts_of_who_left(agent: Agent, containers: Containers) -> None:
    script = "echo >>/runs; [ $(wc -l </runs) -gt 1 ] && exec sleep 100000; exit 3"
    containers.run("life-keeps", network="bridge")
    options = ["--restart", "always"]
    containers.run("life-leaves", "sh", "-c", script, options=options, network="container:life-keeps")
    agent.wait_for(lambda scrape: scrape.value(RESTARTS.format("pod"), pod="life-keeps") == 1)
    containers.engine.remove("life-leaves")
    agent.wait_for(lambda scrape: not scrape.names(container="life-leaves"))
    containers.pause("life-keeps")
    last = agent.wait_for(lambda scrape: scrape.state("life-keeps") == "paused")
    assert last.known(RESTARTS.format("pod"), pod="life-keeps") == 1
    containers.engine.docker("unpause", "life-keeps")
