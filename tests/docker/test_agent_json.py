"""The hour as JSON, beside a real engine: bursts right to the second, and every second exactly once."""

import json
import os
import random
import signal
import time
from itertools import pairwise
from typing import Any

import pytest

from podtick.history.reader import HistoryReader
from tests.docker.containers import BUSY, Containers
from tests.support.agent import Agent
from tests.support.kernel import cpu_usage_ns
from tests.support.scrape import Scrape

Json = dict[str, Any]
CPU = "cpu_usage_seconds_total"
CORES = "cpu_usage_cores"
USAGE = "podtick_container_cpu_usage_seconds_total"
RECEIVED = "podtick_pod_network_receive_bytes_total"
PATH = "/api/v1/namespaces/_docker/pods/{0}/containers/{0}"
BURST = 5  # s
QUIET = 8  # s: most of the seconds around a burst are quiet, those too in which it waits for its second
POLLING = 25  # s
ATTEMPTS = 4  # a host that is busy with other things may not let a burst begin in its second


def ask(agent: Agent, path: str) -> Json:
    status, body = agent.get(path)
    assert status == 200, body
    found: Json = json.loads(body)
    return found


def reads(agent: Agent, name: str) -> None:
    agent.wait_for(lambda scrape: scrape.value(USAGE, container=name) is not None, f"numbers of {name}")


def burn(containers: Containers, name: str, seconds: int) -> int:
    """Use the CPU for whole seconds from a whole second on, which is returned."""
    begin = int(time.time()) + 2
    wait = f"while [ $(date +%s) -lt {begin} ]; do sleep 0.05; done"
    containers.execute(name, "sh", "-c", f"{wait}; timeout {seconds} {BUSY[0]} -c '{BUSY[2]}'; true")
    return begin


@pytest.mark.needs("kernel")
def test_a_burst_shows_in_its_window_right_to_the_second(agent: Agent, containers: Containers) -> None:
    containers.run("json-burst", options=["--cpus", "0.5"])
    reads(agent, "json-burst")
    paths, path, seen = containers.paths("json-burst"), PATH.format("json-burst"), []
    for _ in range(ATTEMPTS):
        start = ask(agent, f"{path}?since=now")["next"]
        before = cpu_usage_ns(paths)
        begin = burn(containers, "json-burst", BURST)
        used = (cpu_usage_ns(paths) - before) / 1e9
        agent.wait_for(lambda scrape, end=begin + BURST + QUIET: scrape.tick >= end)  # type: ignore[misc]
        window = ask(agent, f"{path}?window={int(time.time()) - begin + 3}s&metric={CORES}")
        cpu, covers = window["statistics"][CORES], window["window"]
        rates = {
            each["timestamp"]: each["values"][CORES]
            for each in ask(agent, f"{path}?since={start}&metric={CORES}")["seconds"]
            if each["timestamp"] <= covers["to"]
        }
        assert abs(sum(rates.values()) - used) < 0.05 * used
        assert covers["from"] <= begin
        peak = max(rates, key=lambda second: rates[second])
        assert (cpu["max"], cpu["peak_timestamp"]) == (rates[peak], peak)
        inside = range(begin + 1, begin + BURST + 1)
        busy = [second for second, rate in rates.items() if rate > 0.25]
        seen.append((begin, busy, rates[peak]))
        if busy == [*inside] and abs(rates[peak] - 0.5) < 0.03:
            assert peak in inside
            assert cpu["p95"] == cpu["p99"] == cpu["max"]
            assert ask(agent, f"{path}?window=60s")["statistics"][CORES]["p50"] < 0.1, "which an average would not tell"
            return
    raise AssertionError(f"this host is too busy to let a burst be one: {seen}")


def poll(agent: Agent, path: str, seconds: float, random_: random.Random) -> list[Json]:
    """Everything that a reader is given who asks whenever it likes; its first second is the first after its start."""
    start = ask(agent, f"{path}?since=now")["next"]
    told: list[Json] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(random_.choice([0.0, 0.1, 1.0, 1.0, 2.5, 7.0]) * random_.random())
        found = ask(agent, f"{path}?since={start}&metric=cpu_usage*")
        told += found["seconds"]
        start = found["next"]
    return told


def check_polled(told: list[Json], reader: HistoryReader) -> int:
    """Each tick there was is there once, in order, and no other; how many they are."""
    seconds = [each["timestamp"] for each in told if "gap" not in each]
    ticks = [tick.timestamp for number in range(1, reader.latest_number() + 1) if (tick := reader.tick(number))]
    assert seconds == [second for second in ticks if seconds[0] <= second <= seconds[-1]]
    missing = [second for gap in told if "gap" in gap for second in range(gap["gap"]["from"], gap["gap"]["to"] + 1)]
    assert sorted(seconds + missing) == [*range(min(seconds + missing), max(seconds + missing) + 1)]
    totals = [each["values"] for each in told if "gap" not in each]
    assert all(before[CPU] <= now[CPU] for before, now in pairwise(totals))
    assert all(each[CORES] is not None for each in totals)
    return len(seconds)


@pytest.mark.needs("kernel")
def test_since_gives_each_second_exactly_once_however_one_polls(agent: Agent, containers: Containers) -> None:
    containers.run("json-since", *BUSY, options=["--cpus", "0.2"])
    reads(agent, "json-since")
    agent.next_tick()
    told = poll(agent, PATH.format("json-since"), POLLING, random.Random(7))
    with agent.history() as reader:
        assert check_polled(told, reader) >= POLLING - 10


@pytest.mark.needs("every-second")
def test_a_container_that_was_removed_is_still_told_by_its_uid(agent: Agent, containers: Containers) -> None:
    first = containers.run("json-again", *BUSY, options=["--cpus", "0.2"])
    reads(agent, "json-again")
    agent.next_tick()
    containers.engine.remove("json-again")
    agent.wait_for(lambda scrape: not scrape.names(container="json-again"), "its end")
    second = containers.run("json-again")
    reads(agent, "json-again")
    pod = "/api/v1/namespaces/_docker/pods/json-again"
    now, before = ask(agent, pod), ask(agent, f"{pod}?uid={first}&window=60m")
    assert (now["uid"], now["live"]) == (second, True)
    assert [(other["uid"], other["live"]) for other in now["others"]] == [(first, False)]
    assert (before["uid"], before["live"]) == (first, False)
    assert before["statistics"][CORES]["max"] > 0.05
    assert before["window"]["covered_seconds"] < 3600


def test_a_sampler_that_was_killed_leaves_a_gap_and_nothing_twice(agent: Agent) -> None:
    first = ask(agent, "/api/v1/node?since=now&metric=load1")
    last = agent.next_tick()
    os.kill(agent.sampler_pid(), signal.SIGKILL)
    agent.wait_for(lambda scrape: scrape.tick > last.tick + 2, "ticks of another sampler")
    found = ask(agent, f"/api/v1/node?since={first['next']}&metric=load1")["seconds"]
    now = int(first["next"].split("-")[2]) + 1
    for each in found:
        begin, end = each["gap"]["from"] if "gap" in each else each["timestamp"], each.get("gap", {}).get("to")
        assert begin == now
        assert "gap" not in each or each["gap"]["reason"] == "restarted"
        now = (end or begin) + 1
    assert last.tick + 2 < now - 1


def test_the_cursor_of_an_earlier_agent_goes_on_in_the_next_one() -> None:
    with Agent("--docker-host", "none") as earlier:
        cursor = ask(earlier, "/api/v1/node?since=now")["next"]
        earlier.next_tick()
        earlier.next_tick()  # seconds that the later one cannot have
    second = int(cursor.split("-")[2])
    with Agent("--docker-host", "none") as later:
        later.next_tick()
        found = ask(later, f"/api/v1/node?since={cursor}&metric=load1")
        (gap,) = (each["gap"] for each in found["seconds"] if "gap" in each)
        assert found["seconds"][0] == {"gap": gap}
        first = found["seconds"][1]["timestamp"]
        assert gap == {"from": second + 1, "to": first - 1, "reason": "restarted"}
        assert found["next"].split("-")[0] != cursor.split("-")[0]


def test_limits_and_what_is_unlimited(agent: Agent, containers: Containers) -> None:
    containers.run("json-held", options=["--cpus", "0.2", "--memory", "64m"])
    containers.run("json-free")
    reads(agent, "json-held")
    reads(agent, "json-free")
    held, free = (ask(agent, PATH.format(name))["limits"] for name in ("json-held", "json-free"))
    assert held["spec_cpu_limit_cores"] == {"value": 0.2, "limited": True}
    assert held["spec_memory_limit_bytes"] == {"value": 64 << 20, "limited": True}
    assert free["spec_cpu_limit_cores"] == free["spec_memory_limit_bytes"] == {"value": None, "limited": False}


def of_one_tick(agent: Agent) -> tuple[Json, Scrape]:
    """All pods as JSON and as text, of the same second."""
    while True:
        pods, scrape = ask(agent, "/api/v1/pods?namespace=_docker"), agent.metrics()
        if pods["timestamp"] == scrape.tick:
            return pods, scrape


@pytest.mark.needs("every-second")
def test_it_says_what_the_exposition_says(agent: Agent, containers: Containers) -> None:
    containers.run("json-same", *BUSY, options=["--cpus", "0.2", "--memory", "64m"], network="bridge")
    containers.create("json-created")
    reads(agent, "json-same")
    agent.wait_for(lambda scrape: scrape.state("json-created") == "created")
    agent.next_tick()
    agent.next_tick()
    pods, scrape = of_one_tick(agent)
    told: dict[tuple[str, str, str | None], float] = {}
    for pod in pods["pods"]:
        for each in (pod, *pod["containers"]):
            level = "container" if "container" in each else "pod"
            values = each["values"] | {name: limit["value"] for name, limit in each["limits"].items()}
            for name, value in values.items():
                if value is not None and not isinstance(value, str):
                    told[f"podtick_{level}_{name}", pod["uid"], each.get("container")] = value
    rates = [key for key in told if key[0].endswith(("_cores", "_ratio", "_per_second")) and "spec" not in key[0]]
    assert len(rates) > 10
    written = {
        (sample.name, sample.labels["uid"], sample.labels.get("container")): sample.value
        for sample in scrape.of()
        if "uid" in sample.labels and not sample.name.endswith(("_state", "_info"))
    }
    assert len(written) > 40
    assert {key: value for key, value in told.items() if key not in rates} == written


@pytest.mark.needs("every-second")
def test_the_node_and_all_pods(agent: Agent, containers: Containers) -> None:
    containers.run("json-all", network="bridge")
    reads(agent, "json-all")
    agent.next_tick()
    node = ask(agent, "/api/v1/node")
    assert node["values"]["memory_total_bytes"] > 0
    assert 0 <= node["values"]["cpu_idle_cores"] <= node["values"]["cpu_cores"] * 1.1
    pods = {each["pod"]: each for each in ask(agent, "/api/v1/pods?namespace=_docker")["pods"]}
    assert pods["json-all"]["values"]["network_receive_bytes_per_second"] >= 0
    assert [each["container"] for each in pods["json-all"]["containers"]] == ["json-all"]


@pytest.mark.needs("devices")
def test_interfaces_of_a_pod_and_disks_of_its_container_add_up(agent: Agent, containers: Containers) -> None:
    containers.run("json-parts", network="bridge")
    containers.execute("json-parts", "dd", "if=/dev/zero", "of=/direct", "bs=1M", "count=10", "oflag=direct")
    agent.wait_for(lambda scrape: scrape.value(RECEIVED, pod="json-parts") is not None, "its network")
    agent.next_tick()
    found = ask(agent, "/api/v1/namespaces/_docker/pods/json-parts")
    assert list(found["interfaces"]) == ["eth0"]
    network = {name: value for name, value in found["values"].items() if name.startswith("network_")}
    assert found["interfaces"]["eth0"] == network
    assert None not in network.values()
    (container,) = found["containers"]
    for name, value in container["values"].items():
        if name.startswith("fs_") and name.endswith("_total"):  # on v1 the kernel may count nothing: no disks
            assert sum(disk[name] for disk in container.get("disks", {}).values()) == (value or 0), name
