"""Network of real pods: who gets which bytes, and who has none."""

from pathlib import Path

import pytest

from tests.docker.containers import MIB, Containers
from tests.support.agent import Agent
from tests.support.kernel import network_bytes
from tests.support.scrape import Scrape

RECEIVED = "podtick_pod_network_receive_bytes_total"
SENT = "podtick_pod_network_transmit_bytes_total"
THREADS = "podtick_container_threads"
SERVER = "mkdir /www; dd if=/dev/zero of=/www/file bs=1M count=50; exec httpd -f -p 80 -h /www"
FETCH = "until wget -q -O /dev/null http://{}/{}; do sleep 0.1; done"


def growth(name: str, before: Scrape, after: Scrape) -> dict[str, float]:
    """By pod, how much a counter grew."""
    pods = {each.labels["pod"]: each.value for each in after.all(name)}
    return {pod: value - (before.value(name, pod=pod) or 0) for pod, value in pods.items()}


@pytest.mark.needs("every-second")
def test_bytes_through_the_bridge_are_the_right_pods(agent: Agent, containers: Containers) -> None:
    containers.run("net-server", "sh", "-c", SERVER, network="bridge")
    containers.run("net-client", network="bridge")
    containers.run("net-bystander", network="bridge")
    address = containers.engine.docker("inspect", "--format", "{{.NetworkSettings.IPAddress}}", "net-server")
    agent.wait_for(lambda scrape: {"net-server", "net-client"} <= {s.labels["pod"] for s in scrape.all(RECEIVED)})
    before = agent.next_tick()
    containers.execute("net-client", "sh", "-c", FETCH.format(address, "file"))
    after = agent.next_tick()
    received, sent = growth(RECEIVED, before, after), growth(SENT, before, after)
    assert 50 * MIB <= received.pop("net-client") <= 54 * MIB
    assert 50 * MIB <= sent.pop("net-server") <= 54 * MIB
    assert max(*received.values(), *sent.values()) < MIB
    pid = containers.engine.pid("net-client")
    low, quiet, high = network_bytes(pid), agent.next_tick(), network_bytes(pid)
    for least, metric, most in zip(low, (RECEIVED, SENT), high, strict=True):  # neighbours say hello at any moment
        assert least <= quiet.known(metric, pod="net-client") <= most


@pytest.mark.parametrize("mode", ["host", "none"])
def test_host_and_none_have_no_network_series(agent: Agent, containers: Containers, mode: str) -> None:
    pod = f"net-{mode}"
    containers.run(pod, network=mode)
    agent.wait_for(lambda scrape: scrape.value("podtick_pod_cpu_usage_seconds_total", pod=pod) is not None)
    assert not {name for name in agent.next_tick().names(pod=pod) if "network" in name}


@pytest.mark.needs("every-second")
def test_a_shared_network_makes_one_pod(agent: Agent, containers: Containers) -> None:
    owner = containers.run("net-owner", network="bridge")
    containers.run("net-guest", network="container:net-owner")
    usage = "podtick_container_cpu_usage_seconds_total"
    agent.wait_for(lambda scrape: len(scrape.all(usage, pod="net-owner")) == 2, "two containers in one pod")
    pid = containers.engine.pid("net-owner")
    low, scrape, high = network_bytes(pid), agent.next_tick(), network_bytes(pid)
    assert {each.labels["container"] for each in scrape.all(usage, pod="net-owner", uid=owner)} == {
        "net-owner",
        "net-guest",
    }
    assert not scrape.names(pod="net-guest")
    assert low[0] <= scrape.known(RECEIVED, pod="net-owner", uid=owner) <= high[0]
    assert len(scrape.all(RECEIVED, pod="net-owner")) == 1
    threads = [each.value for each in scrape.all("podtick_container_threads", pod="net-owner")]
    assert scrape.known("podtick_pod_threads", pod="net-owner") == sum(threads) == 2


@pytest.mark.needs("every-second")
def test_a_guest_that_ends_takes_nothing_along(agent: Agent, containers: Containers) -> None:
    containers.run("net-first", network="bridge")
    containers.run("net-second", network="container:net-first")
    both = agent.wait_for(lambda scrape: len(scrape.all("podtick_container_threads", pod="net-first")) == 2)
    containers.engine.docker("kill", "net-second")
    agent.wait_for(lambda scrape: scrape.state("net-second") == "exited", "the end of the guest")
    alone = agent.wait_for(lambda scrape: len(scrape.all(THREADS, pod="net-first")) == 1, "the end of its numbers")
    assert [each.labels["container"] for each in alone.all(THREADS, pod="net-first")] == ["net-first"]
    assert alone.known("podtick_pod_threads", pod="net-first") == 1
    for name, value in both.counters(namespace="_docker", pod="net-first").items():
        if name.startswith("podtick_pod_"):
            assert alone.known(name, pod="net-first") >= value, name
    pid = containers.engine.pid("net-first")
    low, quiet, high = network_bytes(pid), agent.next_tick(), network_bytes(pid)
    assert low[0] <= quiet.known(RECEIVED, pod="net-first") <= high[0]


@pytest.mark.needs("orphan-stats")
def test_the_engine_takes_the_interface_with_the_owner(agent: Agent, containers: Containers) -> None:
    """What is left of the namespace is `lo`: nothing is known any more, which is not 0."""
    containers.run("net-gone", network="bridge")
    containers.run("net-stays", network="container:net-gone")
    both = agent.wait_for(lambda scrape: len(scrape.all(THREADS, pod="net-gone")) == 2)
    usage = both.known("podtick_pod_cpu_usage_seconds_total", pod="net-gone")
    containers.engine.docker("kill", "net-gone")
    assert "eth0" not in Path(f"/proc/{containers.engine.pid('net-stays')}/net/dev").read_text()
    alone = agent.wait_for(lambda scrape: scrape.state("net-gone") == "exited", "the end of the owner")
    alone = agent.next_tick()
    assert alone.value(RECEIVED, pod="net-gone") is None
    assert alone.known("podtick_pod_cpu_usage_seconds_total", pod="net-gone") >= usage
    assert [each.labels["container"] for each in alone.all(THREADS, pod="net-gone")] == ["net-stays"]


@pytest.mark.needs("orphan-stats")
def test_an_owner_that_starts_again_brings_the_network_back(agent: Agent, containers: Containers) -> None:
    """Its guests stay in the old namespace, which has no interface any more."""
    containers.run("net-back", network="bridge")
    containers.run("net-stuck", network="container:net-back")
    agent.wait_for(lambda scrape: len(scrape.all(THREADS, pod="net-back")) == 2)
    gateway = containers.engine.docker("inspect", "--format", "{{.NetworkSettings.Gateway}}", "net-back")
    containers.execute("net-back", "ping", "-c", "5", "-i", "0.1", "-s", "10000", gateway)
    before = agent.wait_for(lambda scrape: (scrape.value(RECEIVED, pod="net-back") or 0) > 50_000)
    containers.engine.docker("kill", "net-back")
    agent.wait_for(lambda scrape: scrape.state("net-back") == "exited")
    containers.engine.docker("start", "net-back")
    agent.wait_for(lambda scrape: len(scrape.all(THREADS, pod="net-back")) == 2)
    again = agent.wait_for(lambda scrape: scrape.value(RECEIVED, pod="net-back") is not None, "the network")
    assert again.known(RECEIVED, pod="net-back") >= before.known(RECEIVED, pod="net-back")
