"""Block I/O, network and a life after a restart on cgroup v2, each in the right container and pod."""

from itertools import pairwise

from tests.guest.agent import GuestAgent, GuestContainers
from tests.guest.kernel import both, io
from tests.support.scrape import Scrape

MIB = 1 << 20
WRITE = ("dd", "if=/dev/zero", "of=/data/file", "bs=1M", "count=100", "oflag=direct")
READ = ("dd", "if=/data/file", "of=/dev/null", "bs=1M", "iflag=direct")
IO = {"fs_reads_bytes": "rbytes", "fs_writes_bytes": "wbytes", "fs_reads": "rios", "fs_writes": "wios"}


def io_of(scrape: Scrape, pod: str) -> dict[str, float]:
    return {key: both(scrape, f"{name}_total", pod) for name, key in IO.items()}


def test_direct_writes_and_reads_are_the_kernels_to_the_byte(agent: GuestAgent, scene: GuestContainers) -> None:
    first = agent.metrics()
    scene.execute("disk", *WRITE)
    scene.execute("disk", *READ)
    kernel = io(scene.files("disk", "io.stat")["io.stat"])
    scrape = agent.next_tick()
    assert kernel == io(scene.files("disk", "io.stat")["io.stat"])
    assert io_of(scrape, "disk") == kernel
    before = io_of(first, "disk")
    assert kernel["wbytes"] - before["wbytes"] == 100 * MIB
    assert 100 * MIB <= kernel["rbytes"] - before["rbytes"] < 101 * MIB
    assert kernel["wios"] - before["wios"] >= 100
    for word in ("waiting", "stalled"):
        name = f"pressure_io_{word}_seconds_total"
        assert both(scrape, name, "disk") > both(first, name, "disk")
    others = {pod for pod in scene.folders if pod not in ("disk", "small")}
    grown = sum(both(scrape, "fs_writes_bytes_total", pod) for pod in others - {"server", "sidecar"})
    assert grown < MIB


def test_no_io_is_zero_and_not_unknown(agent: GuestAgent, scene: GuestContainers) -> None:
    """It writes nothing; whether it had to read its program from the disk, the kernel's file says."""
    scrape = agent.metrics()
    known = io_of(scrape, "busy")
    assert known == io(scene.files("busy", "io.stat")["io.stat"])
    assert (known["wbytes"], known["wios"]) == (0, 0)
    for resource in ("cpu", "memory", "io"):
        for word in ("waiting", "stalled"):
            assert both(scrape, f"pressure_{resource}_{word}_seconds_total", "busy") >= 0


def test_network_is_a_pods_and_nobody_elses(agent: GuestAgent, scene: GuestContainers) -> None:
    received, sent = "podtick_pod_network_receive_bytes_total", "podtick_pod_network_transmit_bytes_total"
    scene.execute("server", "dd", "if=/dev/zero", "of=/www/file", "bs=1M", "count=5")
    before = agent.next_tick()
    assert {each.labels["pod"] for each in before.all(received)} == {"server", "client"}
    address = scene.guest.run(["docker", "inspect", "-f", "{{.NetworkSettings.IPAddress}}", "server"]).strip()
    scene.execute("client", "wget", "-q", "-O", "/dev/null", f"http://{address}/file")
    after = agent.next_tick()
    assert 5 * MIB <= after.known(received, pod="client") - before.known(received, pod="client") < 6 * MIB
    assert 5 * MIB <= after.known(sent, pod="server") - before.known(sent, pod="server") < 6 * MIB
    assert not [name for pod in ("busy", "disk", "small") for name in after.names(pod=pod) if "network" in name]
    threads = {each.labels["container"]: each.value for each in after.all("podtick_container_threads", pod="server")}
    assert threads == {"server": 1, "sidecar": 1}
    assert after.known("podtick_pod_threads", pod="server") == 2
    assert not after.names(pod="sidecar")
    assert after.value("podtick_pod_memory_max_usage_bytes", pod="server") is None  # no sum of two peaks is one


def test_a_restart_lets_no_counter_of_the_pod_fall(agent: GuestAgent, scene: GuestContainers) -> None:
    def counters(scrape: Scrape) -> dict[str, float]:
        own = {name: value for name, value in scrape.counters(pod="client").items() if "_pod_" in name}
        return {name: value for name, value in own.items() if "network" not in name}  # a new namespace counts anew

    before = agent.next_tick()
    started = before.known("podtick_container_start_time_seconds", container="client")
    scene.guest.run(["docker", "restart", "-t", "0", "client"])
    seen = [counters(before)]

    def again() -> bool:
        scrape = agent.metrics()
        seen.append(counters(scrape))
        new_start = (scrape.value("podtick_container_start_time_seconds", container="client") or 0) > started
        return new_start and scrape.value("podtick_container_threads", container="client") is not None

    agent.wait_until(again, "the new run")
    seen.append(counters(agent.next_tick()))
    for earlier, later in pairwise(seen):
        fallen = {name for name in earlier.keys() & later.keys() if later[name] < earlier[name]}
        assert not fallen
    assert seen[0].keys() == seen[-1].keys()
    assert seen[-1]["podtick_pod_cpu_usage_seconds_total"] > seen[0]["podtick_pod_cpu_usage_seconds_total"]
