"""Many containers, odd names, and containers that go faster than anybody can look."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.docker.containers import Containers
from tests.support.agent import Agent
from tests.support.kernel import cpu_usage_ns

USAGE = "podtick_container_cpu_usage_seconds_total"
THREADS = "podtick_container_threads"
MANY = 60
AT_ONCE = 4
STORM = 40
WORK = "i=0; while [ $i -lt $(({} * 200)) ]; do i=$((i + 1)); done; exec sleep 100000"
ODD_NAMES = ("Odd.Name-with_all", "9-begins-with-a-digit", "o.", "o" * 200)


def names_there(agent: Agent, prefix: str) -> set[str]:
    samples = agent.metrics().all(USAGE)
    return {each.labels["container"] for each in samples if each.labels["container"].startswith(prefix)}


def open_files(agent: Agent) -> int:
    """Kernel files and everything else that the sampler holds."""
    return len(os.listdir(f"/proc/{agent.sampler_pid()}/fd"))


def test_odd_names_are_served_as_they_are(agent: Agent, containers: Containers) -> None:
    ids = {name: containers.run(name) for name in ODD_NAMES}
    agent.wait_for(lambda scrape: all(scrape.value(USAGE, uid=uid) is not None for uid in ids.values()))
    scrape = agent.next_tick()
    for name, uid in ids.items():
        (sample,) = scrape.all(USAGE, uid=uid)
        assert sample.labels == {"namespace": "_docker", "pod": name, "container": name, "uid": uid}


def test_names_too_long_for_a_label_stay_apart(agent: Agent, containers: Containers) -> None:
    ids = [containers.run("l" * 300 + end) for end in ("-a", "-b")]
    agent.wait_for(lambda scrape: all(scrape.value(USAGE, uid=uid) is not None for uid in ids))
    scrape = agent.next_tick()
    served = [scrape.all(USAGE, uid=uid)[0].labels["pod"] for uid in ids]
    assert served[0] != served[1]
    assert [len(name) for name in served] == [253, 253]


@pytest.mark.needs("every-second")
def test_each_of_sixty_has_its_own_numbers(agent: Agent, containers: Containers) -> None:
    containers.run("stays")  # while none runs, the agent watches whatever cgroups its neighbours make
    agent.wait_for(lambda scrape: scrape.value(USAGE, container="stays") is not None, "the one that stays")
    agent.next_tick()
    before_files = open_files(agent)
    # each does some work of its own, so that no two have the same counters
    with ThreadPoolExecutor(AT_ONCE) as pool:
        ids = list(pool.map(lambda n: containers.run(f"many-{n}", "sh", "-c", WORK.format(n)), range(MANY)))
    agent.wait_until(lambda: len(names_there(agent, "many-")) == MANY, "all of them")
    paths = containers.paths_of([f"many-{number}" for number in range(MANY)])
    before = [cpu_usage_ns(each) for each in paths]
    scrape = agent.next_tick()
    after = [cpu_usage_ns(each) for each in paths]
    for number, uid in enumerate(ids):
        labels = {"pod": f"many-{number}", "container": f"many-{number}", "uid": uid}
        assert before[number] <= round(scrape.known(USAGE, **labels) * 1e9) <= after[number]
        assert scrape.known(THREADS, **labels) == 1
        (usage,) = scrape.all("podtick_pod_cpu_usage_seconds_total", pod=labels["pod"], uid=uid)
        assert usage.value == scrape.known(USAGE, **labels)
    containers.engine.remove(*ids)
    agent.wait_until(lambda: open_files(agent) <= before_files, "all their files to be closed")
    agent.next_tick()  # what is served until then was read before
    assert not names_there(agent, "many-")


@pytest.mark.needs("every-second")
def test_containers_removed_between_list_and_look(agent: Agent, containers: Containers) -> None:
    """Some live for a few ms only, and are gone before anybody can inspect them or find their cgroup."""
    stays = [containers.run(f"storm-stays{number}") for number in range(3)]
    agent.wait_for(lambda scrape: all(scrape.value(USAGE, uid=uid) is not None for uid in stays))
    files = open_files(agent)
    targets = agent.metrics("level=agent").known("podtick_agent_history_targets")

    def come_and_go(number: int) -> None:
        name = f"storm-{number}"
        if number % 2:
            containers.engine.docker("run", "--rm", "--network", "none", "--name", name, "busybox:test", "true")
            return
        containers.run(name)
        containers.engine.remove(name)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(come_and_go, range(STORM)))
        newest = containers.run("storm-newest")
    agent.wait_for(lambda scrape: scrape.value(USAGE, uid=newest) is not None, "who came last")
    containers.engine.remove("storm-newest")
    agent.wait_until(lambda: names_there(agent, "storm-") == {f"storm-stays{number}" for number in range(3)}, "rest")
    agent.wait_until(lambda: open_files(agent) <= files, "files to be closed")
    agent.wait_until(
        lambda: agent.metrics("level=agent").known("podtick_agent_history_targets") <= targets, "targets to leave"
    )
    scrape = agent.next_tick()
    for number, uid in enumerate(stays):
        assert scrape.known(THREADS, container=f"storm-stays{number}", uid=uid) == 1
    pods = {each.labels["pod"] for each in scrape.of(namespace="_docker") if each.labels["pod"].startswith("storm-")}
    assert pods == {f"storm-stays{number}" for number in range(3)}
