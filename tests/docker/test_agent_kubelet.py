"""Containers labelled and placed as a kubelet's Docker shim does it: their pods are named without an API server."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from podtick.model.metrics.row import Kind, Level, Metric
from podtick.model.metrics.table import TARGET_ROWS
from podtick.sources.cgroup.discovery import CgroupPaths
from tests.docker.agents import watching
from tests.docker.containers import BUSY, CGROUP, Containers
from tests.support.agent import Agent
from tests.support.engine import Engine
from tests.support.kernel import cpu_usage_ns
from tests.support.scrape import Scrape

USAGE = "podtick_{}_cpu_usage_seconds_total"
RECEIVED = "podtick_pod_network_receive_bytes_total"
THROTTLED = "podtick_container_cpu_cfs_throttled_periods_total"
RESTARTS = "podtick_pod_restarts_total"


@dataclass
class Pod:
    """A pod of the kubelet that this test plays: a sandbox with the network, and containers in its cgroup."""

    containers: Containers
    name: str
    uid: str

    @property
    def parent(self) -> str:
        """The cgroup that the kubelet makes around the pod's containers."""
        return f"/kubepods/burstable/pod{self.uid}"

    def run(
        self, container: str, *command: str, attempt: int = 0, network: str = "", limits: Sequence[str] = ()
    ) -> str:
        """Start a container, or with the name `POD` the sandbox; its full ID."""
        labels = {
            "io.kubernetes.pod.namespace": "shop",
            "io.kubernetes.pod.name": self.name,
            "io.kubernetes.pod.uid": self.uid,
            "io.kubernetes.container.name": container,
            "io.kubernetes.docker.type": "podsandbox" if container == "POD" else "container",
        }
        if container != "POD":
            labels["annotation.io.kubernetes.container.restartCount"] = str(attempt)
        options = [word for key, text in labels.items() for word in ("--label", f"{key}={text}")]
        return self.containers.run(
            self.engine_name(container, attempt),
            *command,
            options=["--cgroup-parent", self.parent, *options, *limits],
            network=network or f"container:{self.engine_name('POD')}",
        )

    def engine_name(self, container: str, attempt: int = 0) -> str:
        """What the engine calls it."""
        return f"k8s_{container}_{self.name}_shop_{self.uid}_{attempt}"


@pytest.fixture(scope="module")
def agent(engine: Engine) -> Iterator[Agent]:
    with watching(engine, namespace="shop") as running:
        yield running


@pytest.fixture
def pod(containers: Containers, request: pytest.FixtureRequest) -> Iterator[Pod]:
    made = Pod(containers, request.node.name.replace("_", "-")[:50], str(uuid4()))
    yield made
    containers.remove_all()
    for folder in [*CGROUP.glob(f"*{made.parent}"), *CGROUP.glob(made.parent[1:])]:
        with contextlib.suppress(OSError):  # the engine's, or a neighbour's
            for each in (folder, *folder.parents[:2]):
                each.rmdir()


def above(folder: Path | None) -> Path | None:
    """The folder around another one."""
    return folder.parent if folder else None


def of(scrape: Scrape, metric: str, pod: Pod) -> list[tuple[str, str, str]]:
    """Pod, UID and container of a metric's series."""
    found = scrape.all(metric, pod=pod.name)
    return [(each.labels["pod"], each.labels["uid"], each.labels.get("container", "")) for each in found]


def test_a_pod_has_its_kubelets_names_and_its_sandbox_is_no_container(agent: Agent, pod: Pod) -> None:
    pod.run("POD", network="none")
    pod.run("app", *BUSY)
    scrape = agent.wait_for(lambda scrape: scrape.value(USAGE.format("container"), pod=pod.name) is not None)
    assert of(scrape, USAGE.format("container"), pod) == [(pod.name, pod.uid, "app")]
    assert of(scrape, USAGE.format("pod"), pod) == [(pod.name, pod.uid, "")]
    status, text = agent.get(f"/api/v1/namespaces/shop/pods/{pod.name}")
    assert status == 200, text
    assert f'"uid":"{pod.uid}"' in text.replace(" ", "")
    assert '"container":"app"' in text.replace(" ", "")
    assert "POD" not in text


@pytest.mark.needs("kernel")
def test_the_pods_cpu_is_its_own_cgroups_and_no_less_than_its_containers(agent: Agent, pod: Pod) -> None:
    pod.run("POD", network="none")
    pod.run("app", *BUSY)
    paths = pod.containers.paths(pod.engine_name("app"))
    around = CgroupPaths(paths.version, cpuacct=above(paths.cpuacct), unified=above(paths.unified))
    agent.wait_for(lambda scrape: scrape.value(USAGE.format("container"), pod=pod.name) is not None)
    before, scrape, after = cpu_usage_ns(paths), agent.next_tick(), cpu_usage_ns(around)
    container, whole = (scrape.known(USAGE.format(level), pod=pod.name) for level in ("container", "pod"))
    assert before / 1e9 <= container <= whole <= after / 1e9


@pytest.mark.needs("kernel")
def test_what_is_around_pods_is_the_cgroups_own(agent: Agent, pod: Pod) -> None:
    """Also where the cgroup of an earlier test's pods was removed, and this one's is made anew."""
    pod.run("POD", network="none")
    pod.run("app", *BUSY)
    paths = pod.containers.paths(pod.engine_name("app"))
    around = CgroupPaths(paths.version, cpuacct=above(above(paths.cpuacct)), unified=above(above(paths.unified)))
    agent.wait_for(lambda scrape: scrape.value(USAGE.format("pod"), pod=pod.name) is not None)
    agent.wait_until(lambda: bool(around_pods(agent).all(USAGE.format("qos"))), "the class")
    before = cpu_usage_ns(around)
    agent.next_tick()
    scrape, after = around_pods(agent), cpu_usage_ns(around)
    burstable = scrape.known(USAGE.format("qos"), qos_class="Burstable")
    assert before / 1e9 <= burstable <= after / 1e9
    assert scrape.known(USAGE.format("pod"), pod=pod.name) <= burstable <= scrape.known(USAGE.format("kubepods"))


def around_pods(agent: Agent) -> Scrape:
    """Pods and the cgroups around them, of one tick."""
    return agent.metrics("level=pod,qos,kubepods")


def test_the_network_is_the_sandboxs(agent: Agent, pod: Pod) -> None:
    pod.run("POD", network="bridge")
    pod.run("app")
    engine = pod.containers.engine
    gateway = engine.docker("inspect", "--format", "{{.NetworkSettings.Gateway}}", pod.engine_name("POD"))
    pod.containers.execute(pod.engine_name("app"), "ping", "-c", "3", "-i", "0.1", "-s", "10000", gateway)
    scrape = agent.wait_for(lambda scrape: (scrape.value(RECEIVED, pod=pod.name) or 0) > 30_000)
    assert of(scrape, RECEIVED, pod) == [(pod.name, pod.uid, "")]


@pytest.mark.needs("kernel")
def test_a_container_restarted_in_place_is_one_series_and_no_pod_counter_falls(agent: Agent, pod: Pod) -> None:
    """As a kubelet does it: another container of the same name, the former one kept for its log."""
    pod.run("POD", network="none")
    pod.run("app", *BUSY)
    agent.wait_for(lambda scrape: scrape.value(USAGE.format("container"), pod=pod.name) is not None)
    usage = agent.next_tick().known(USAGE.format("pod"), pod=pod.name)

    def restart() -> None:
        pod.containers.engine.docker("kill", pod.engine_name("app"))
        pod.run("app", *BUSY, attempt=1)

    for scrape in agent.ticks_during(restart):
        assert len(of(scrape, USAGE.format("container"), pod)) <= 1
        assert scrape.known(USAGE.format("pod"), pod=pod.name) >= usage
        usage = scrape.known(USAGE.format("pod"), pod=pod.name)
    last = agent.wait_for(lambda scrape: scrape.value(RESTARTS, pod=pod.name) == 1)
    assert of(last, "podtick_container_restarts_total", pod) == [(pod.name, pod.uid, "app")]
    pod.containers.engine.remove(pod.engine_name("app"))
    after = agent.next_tick()
    assert of(after, USAGE.format("container"), pod) == [(pod.name, pod.uid, "app")]
    assert after.known(USAGE.format("pod"), pod=pod.name) >= usage


def test_a_finished_init_container_does_not_hide_its_pod(agent: Agent, pod: Pod) -> None:
    pod.run("POD", network="none")
    pod.run("setup", "sh", "-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done")
    agent.wait_for(lambda scrape: scrape.state("setup") == "exited")
    pod.run("app", *BUSY)
    scrape = agent.wait_for(
        lambda scrape: scrape.value(USAGE.format("container"), pod=pod.name, container="app") is not None
    )
    assert scrape.value(USAGE.format("pod"), pod=pod.name) is not None
    assert scrape.state("setup") == "exited"


def at_one_tick(agent: Agent) -> tuple[Scrape, Scrape]:
    """What the agent has under its own names and under cAdvisor's, of one second."""
    while True:
        scrape = agent.metrics()
        status, body = agent.get("/metrics/cadvisor?namespace=shop")
        assert status == 200, body
        if agent.metrics().tick == scrape.tick:
            return scrape, Scrape.parse(body)


def there_and_here(row: Metric, level: Level, theirs: Scrape, own: Scrape, pod: Pod) -> tuple[list[float], list[float]]:
    """The values of a row, under cAdvisor's name (of devices in sum) and under podtick's."""
    there = row.cadvisor
    assert there is not None
    is_renamed = row.kind is Kind.COUNTER and not there.name.endswith("_total")  # by the parser
    name = f"{there.name}_total" if is_renamed else there.name
    container = "app" if level is Level.CONTAINER else "POD" if there.per else ""
    found = [each.value for each in theirs.all(name, pod=pod.name, container=container, **dict(there.labels))]
    values = [each.value for each in own.all(row.family(level), pod=pod.name)]
    return [sum(found)] if there.per and found else found, values


@pytest.mark.needs("kernel")
def test_cadvisors_names_have_the_values_of_the_same_second(agent: Agent, pod: Pod) -> None:
    pod.run("POD", network="bridge")
    pod.run("app", *BUSY, limits=["--cpus", "0.2", "--memory", "64m"])
    agent.wait_for(lambda scrape: bool(scrape.value(THROTTLED, pod=pod.name)))
    own, theirs = at_one_tick(agent)
    compared = set()
    for row in (row for row in TARGET_ROWS if row.cadvisor):
        for level in (level for level in (Level.CONTAINER, Level.POD) if level in row.levels):
            if level is Level.CONTAINER or (row.cadvisor and row.cadvisor.pods):
                found, expected = there_and_here(row, level, theirs, own, pod)
                assert found == expected or (found == [0] and row.slow), row.name  # 0 where there is no limit
                compared |= {row.name} if found else set()
    assert compared >= {"cpu_cfs_throttled_periods_total", "memory_working_set_bytes", "network_receive_bytes_total"}
    assert "spec_memory_limit_bytes" in compared
    assert not [each for each in theirs.of(pod=pod.name, container="") if "_cfs_" in each.name or "_fs_" in each.name]
    ids = {each.labels["container"]: each.labels["id"] for each in theirs.of(pod=pod.name)}
    assert ids.keys() == {"app", "POD", ""}
    assert all(each.startswith(f"/kubepods/pod{pod.uid}") for each in ids.values())
