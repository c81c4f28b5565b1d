"""The sampler killed under a running agent: it ticks again, the gap is marked, and no counter falls."""

import os
import select
import signal
from pathlib import Path

from podtick.history.ticks import AFTER_START, Tick
from tests.docker.agents import watching
from tests.docker.containers import BUSY, Containers
from tests.support.agent import Agent
from tests.support.kernel import cpu_usage_ns
from tests.support.scrape import Scrape
from tests.support.served import PATIENCE

USAGE = "podtick_container_cpu_usage_seconds_total"
POD_USAGE = "podtick_pod_cpu_usage_seconds_total"
STARTS = "podtick_agent_sampler_starts_total"
MISSED = "podtick_agent_ticks_missed_total"


def kill_sampler(agent: Agent) -> Scrape:
    """End the sampler with SIGKILL; the last tick before."""
    last = agent.next_tick()
    pid = agent.sampler_pid()
    os.kill(pid, signal.SIGKILL)
    agent.wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the end of the sampler")
    return last


def ticks_of(agent: Agent) -> list[Tick]:
    """Every tick that the history has, oldest first."""
    with agent.history() as history:
        found = [history.tick(number) for number in range(1, history.latest_number() + 1)]
    return [tick for tick in found if tick]


def living(agent: Agent, pod: str) -> list[str]:
    """Who of a pod is alive as the history says."""
    with agent.history() as history:
        return [text for one in history.targets() if not one.last and pod in (text := one.identity.decode())]


def test_it_ticks_again_and_the_gap_is_marked(agent: Agent, containers: Containers) -> None:
    containers.run("smp-busy", *BUSY, options=["--cpus", "0.3"])
    agent.wait_for(lambda scrape: scrape.value(USAGE, container="smp-busy") is not None, "numbers")
    before, own_before = agent.sampler_pid(), agent.metrics("level=agent")
    last = kill_sampler(agent)
    agent.wait_for(lambda scrape: scrape.tick > last.tick and bool(scrape.value(USAGE, container="smp-busy")))
    assert agent.sampler_pid() != before
    own = agent.metrics("level=agent")
    assert own.known(STARTS) == own_before.known(STARTS) + 1
    ticks = ticks_of(agent)
    (first,) = (tick for tick in ticks if tick.timestamp > last.tick and tick.flags & AFTER_START)
    previous = max((tick for tick in ticks if tick.number < first.number), key=lambda tick: tick.number)
    assert first.number == previous.number + 1
    assert first.missed == first.timestamp - previous.timestamp - 1
    assert own.known(MISSED) >= own_before.known(MISSED) + first.missed
    seconds = [tick.timestamp for tick in ticks]
    assert seconds == sorted(set(seconds))


def test_counters_go_on_where_they_were(agent: Agent, containers: Containers) -> None:
    containers.run("smp-counts", *BUSY, options=["--cpus", "0.3"], network="bridge")
    agent.wait_for(lambda scrape: scrape.value(USAGE, container="smp-counts") is not None, "numbers")
    containers.engine.docker("restart", "--time", "0", "smp-counts")  # its pod is more than its container from now on
    agent.wait_for(
        lambda scrape: (
            (scrape.value(USAGE, container="smp-counts") or 9) < (scrape.value(POD_USAGE, pod="smp-counts") or 0)
        )
    )
    highest: dict[str, float] = {}
    for _ in range(2):
        last = kill_sampler(agent)
        again = agent.wait_for(
            lambda scrape, tick=last.tick: scrape.tick > tick and bool(scrape.value(POD_USAGE, pod="smp-counts"))  # type: ignore[misc]
        )
        for scrape in (last, again, agent.next_tick()):
            for name, value in scrape.counters(namespace="_docker", pod="smp-counts").items():
                assert value >= highest.get(name, 0), name
                highest[name] = value
    assert highest[POD_USAGE] > highest[USAGE]


def test_what_a_pod_used_in_the_gap_is_counted(agent: Agent, containers: Containers) -> None:
    containers.run("smp-gap", *BUSY, options=["--cpus", "0.3"])
    paths = containers.paths("smp-gap")
    agent.wait_for(lambda scrape: scrape.value(USAGE, container="smp-gap") is not None, "numbers")
    last = kill_sampler(agent)
    agent.wait_for(lambda scrape: scrape.tick > last.tick and bool(scrape.value(POD_USAGE, pod="smp-gap")))
    before = cpu_usage_ns(paths)
    scrape = agent.next_tick()
    for name in (USAGE, POD_USAGE):
        assert before <= round(scrape.known(name, pod="smp-gap") * 1e9) <= cpu_usage_ns(paths)


def test_who_ended_while_nobody_sampled_is_gone(agent: Agent, containers: Containers) -> None:
    containers.run("smp-stays")
    containers.run("smp-ends")
    agent.wait_for(lambda scrape: {"smp-stays", "smp-ends"} <= {each.labels["pod"] for each in scrape.all(USAGE)})
    sampler = agent.sampler_pid()
    os.kill(sampler, signal.SIGSTOP)
    try:
        containers.engine.remove("smp-ends")
    finally:
        os.kill(sampler, signal.SIGKILL)
    agent.wait_until(lambda: agent.sampler_pid() != sampler, "another sampler")
    agent.wait_until(lambda: not living(agent, "smp-ends"), "the end of what ended")
    last = agent.next_tick()
    assert not last.names(pod="smp-ends")
    assert last.value(USAGE, container="smp-stays") is not None
    assert len(living(agent, "smp-stays")) == 2


def test_a_sampler_ends_with_its_agent(containers: Containers) -> None:
    with watching(containers.engine) as doomed:
        ended = os.pidfd_open(doomed.sampler_pid())
        try:
            doomed.kill()
            assert select.select([ended], [], [], PATIENCE)[0]
        finally:
            os.close(ended)
