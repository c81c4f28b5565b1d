"""Real kubelets and runtimes: that they write what the parsers read, and that the agent serves whom they run."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from podtick.model.identity import from_labels
from podtick.sources.cgroup.kubepods import parse_kubepods_path
from podtick.sources.kube import wire
from podtick.sources.kube.pods import pod_of
from tests.support.agent import Agent
from tests.support.cluster import Cluster
from tests.support.cluster.nodes import Node
from tests.support.cluster.workloads import Workloads
from tests.support.scrape import Scrape

CPU = "podtick_{}_cpu_usage_seconds_total"
RECEIVED = "podtick_pod_network_receive_bytes_total"
KINDS = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
HASH = "kubernetes.io/config.hash"


class Told(NamedTuple):
    """What the API server says of a container that was made."""

    pod: str
    uid: str
    node_uid: str
    qos: str
    container: str
    id: str
    running: bool


@pytest.fixture(scope="module")
def pods(whole: Cluster, workloads: Workloads) -> Any:
    """What the API server answers when it is asked for them."""
    return whole.ask("GET", f"/api/v1/namespaces/{workloads.namespace}/pods")


@pytest.fixture(scope="module")
def told(pods: Any) -> list[Told]:
    return list(containers(pods))


def containers(listed: Any) -> Iterator[Told]:
    for pod in listed["items"]:
        metadata, status = pod["metadata"], pod["status"]
        uid = metadata["uid"]
        whose = (metadata["name"], uid, metadata.get("annotations", {}).get(HASH, uid), status["qosClass"])
        for each in (one for kind in KINDS for one in status.get(kind, ())):
            yield Told(*whose, each["name"], each["containerID"].rpartition("/")[2], "running" in each["state"])


def test_every_kind_of_container_got_as_far_as_it_was_to(node: Node, told: list[Told], workloads: Workloads) -> None:
    """So that the tests below cannot hold for want of containers."""
    sidecar = {("web", "sidecar", "Burstable", True)} if node.KIND == "containerd" else set()
    assert {(workloads.kind(each.pod), each.container, each.qos, each.running) for each in told} == sidecar | {
        ("web", "setup", "Burstable", False),
        ("web", "app", "Burstable", True),
        ("web", "debugger", "Burstable", True),
        ("task", "main", "Guaranteed", True),
        ("done", "main", "Guaranteed", False),
        ("static", "app", "BestEffort", True),
    }


def test_the_api_servers_pods(pods: Any, told: list[Told], workloads: Workloads) -> None:
    found = [pod_of(each) for each in wire.decode(wire.POD_LIST, json.dumps(pods).encode(), "pods").items or ()]
    assert {(pod.namespace, pod.name, pod.uid, pod.node_uid) for pod in found} == {
        (workloads.namespace, each.pod, each.uid, each.node_uid) for each in told
    }
    assert {(pod.uid, name, id_) for pod in found for id_, name in pod.containers.items()} == {
        (each.uid, each.container, each.id) for each in told
    }


def test_the_cgroups(node: Node, told: list[Told]) -> None:
    """Those who run have theirs, and each pod with them a sandbox whose ID no status tells."""
    (memory,) = [tree for tree in node.machine.cgroups if "/memory/" in str(tree)]
    paths = [f"/{Path(folder).relative_to(memory)}" for folder, _, _ in os.walk(memory)]
    pods = {each.node_uid for each in told if each.running}
    parsed = [each for each in map(parse_kubepods_path, paths) if each and each.pod_uid in pods]
    found = {(each.qos, each.pod_uid, each.container_id) for each in parsed if each.container_id}
    running = {(each.qos, each.node_uid, each.id) for each in told if each.running}
    assert running <= found
    assert sorted(uid for _, uid, _ in found - running) == sorted(pods)


@pytest.mark.parametrize("node", ["docker"], indirect=True)
def test_the_labels_of_the_docker_nodes_containers(node: Node, told: list[Told], workloads: Workloads) -> None:
    ids = node.machine.call("docker", "ps", "--all", "--quiet", "--no-trunc").split()
    found = {}
    for each in json.loads(node.machine.call("docker", "inspect", *ids)):
        labelled = from_labels(each["Config"]["Labels"])
        if labelled and labelled.namespace == workloads.namespace:
            found[each["Id"]] = labelled
    named = {id_: each for id_, each in found.items() if each.container}
    assert {(id_, each.pod, each.uid, each.container, each.restarts) for id_, each in named.items()} == {
        (each.id, each.pod, each.node_uid, each.container, 0) for each in told
    }
    sandboxes = [each.uid for each in found.values() if not each.container]
    assert sorted(sandboxes) == sorted({each.node_uid for each in told})


def test_an_agent_of_the_node_serves_who_runs_there(
    whole: Cluster, node: Node, told: list[Told], workloads: Workloads
) -> None:
    """And nobody else: not the neighbour's, not those who have ended, no sandbox."""
    running = sorted((each.pod, each.uid, each.container) for each in told if each.running)
    pods = {(pod, uid) for pod, uid, _ in running}
    access = ("--kubernetes", "auto", "--kubeconfig", str(whole.kubeconfig))
    with Agent(*node.flags, *access, wrapper=node.wrapper, namespace=workloads.namespace) as agent:
        scrape = agent.wait_for(
            lambda scrape: containers_of(scrape) == running and pods_of(scrape, RECEIVED) >= pods, f"all of {running}"
        )
        assert pods_of(scrape, CPU.format("pod")) >= pods
        assert agent.metrics("level=agent").known("podtick_agent_unidentified_containers") == 0
        agent.wait_until(lambda: classes_of(agent) == {"Burstable", "BestEffort"}, "its classes of service")
        around = agent.metrics("level=pod,kubepods")
        everybody = sum(each.value for each in around.all(CPU.format("pod")))
        assert 0 < everybody <= around.known(CPU.format("kubepods"))
        assert "_cgroup" not in agent.get("/metrics")[1]


def classes_of(agent: Agent) -> set[str]:
    """The classes of service that have CPU time."""
    return {each.labels["qos_class"] for each in agent.metrics("level=qos").all(CPU.format("qos"))}


def containers_of(scrape: Scrape) -> list[tuple[str, str, str]]:
    """Pod, UID and name of the containers that have CPU time."""
    served = [each.labels for each in scrape.all(CPU.format("container"))]
    return sorted((each["pod"], each["uid"], each["container"]) for each in served)


def pods_of(scrape: Scrape, metric: str) -> set[tuple[str, str]]:
    """Name and UID of the pods that have this."""
    return {(each.labels["pod"], each.labels["uid"]) for each in scrape.all(metric)}
