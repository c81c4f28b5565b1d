"""The shipped image and the shipped chart on real nodes, as whoever installs them meets them."""

import http.client
import json
import os
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.cluster.conftest import SHOP
from tests.support.cluster import Cluster
from tests.support.cluster.nodes import Node
from tests.support.cluster.workloads import Workloads
from tests.support.engine import EngineUnavailable
from tests.support.engine.choice import chosen
from tests.support.helm import CHART, helm
from tests.support.image import IMAGE, image_tar
from tests.support.scrape import Scrape

NAMESPACE, RELEASE = "watch", "podtick"
SELECTOR = "app.kubernetes.io/name=podtick,app.kubernetes.io/component=agent"
CPU, INFO = "podtick_{}_cpu_usage_seconds_total", "podtick_pod_info"
PATIENCE = 120.0  # s: a safety net against hanging
STEP = 0.2  # s between two questions for what nothing announces


class Installed:
    """The release, and how it is asked."""

    def __init__(self, cluster: Cluster, group: int) -> None:
        self._cluster = cluster
        repository, _, tag = IMAGE.partition(":")
        self.where = ("--namespace", NAMESPACE, "--kubeconfig", str(cluster.kubeconfig))
        image = f"image.repository={repository},image.tag={tag},image.pullPolicy=Never"
        self.values = ("--set", f"{image},docker.socketGroup={group}")

    def wait_rolled_out(self) -> None:
        """Every node's agent is ready."""
        self._cluster.kubectl("rollout", "status", "--namespace", NAMESPACE, f"daemonset/{RELEASE}")

    def agent_of(self, node: str) -> str:
        """The agent's pod on a node, found as NOTES says."""
        chosen = ("--selector", SELECTOR, "--field-selector", f"spec.nodeName={node}")
        return self._cluster.kubectl("get", "pods", "--namespace", NAMESPACE, *chosen, "--output", "name").strip()

    @contextmanager
    def forwarded(self, node: str) -> Iterator["Forwarded"]:
        """A node's agent, asked through `kubectl port-forward`."""
        words = ("port-forward", "--namespace", NAMESPACE, self.agent_of(node), ":9752", "--address", "127.0.0.1")
        with subprocess.Popen(self._cluster.command(*words), stdout=subprocess.PIPE) as process:
            try:
                assert process.stdout
                assert select.select([process.stdout], [], [], PATIENCE)[0], "kubectl port-forward says nothing"
                told = os.read(process.stdout.fileno(), 4096).decode()  # Forwarding from 127.0.0.1:PORT -> 9752
                yield Forwarded(int(told.partition("127.0.0.1:")[2].split()[0]))
            finally:
                process.terminate()


class Forwarded:
    """An agent behind a port of this host."""

    def __init__(self, port: int) -> None:
        self._port = port

    def get(self, path: str) -> str:
        """A body; any status but 200 is a failure."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        assert answer.status == 200, text
        return text

    def wait_for(self, wanted: set[tuple[str, str]]) -> Scrape:
        """What is served of a namespace, once it has CPU time of exactly these pods and containers."""
        end = time.monotonic() + PATIENCE
        while True:
            scrape = Scrape.parse(self.get(f"/metrics?namespace={SHOP}"))
            found = {(each.labels["uid"], each.labels["container"]) for each in scrape.all(CPU.format("container"))}
            if found == wanted:
                return scrape
            assert time.monotonic() < end, f"{sorted(found)} is not {sorted(wanted)}"
            time.sleep(STEP)


@pytest.fixture(scope="module")
def release(whole: Cluster) -> Iterator[Installed]:
    """The chart, installed with the image that the shipped Dockerfile makes."""
    try:
        with chosen().make() as engine:
            tar = image_tar(engine)
    except EngineUnavailable as reason:
        pytest.skip(str(reason))
    for node in whole.nodes:
        node.load(tar)
    whole.create(
        "/api/v1/namespaces",
        {"metadata": {"name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "privileged"}}},
    )
    whole.kubectl("wait", "--namespace", NAMESPACE, "--for=create", "serviceaccount/default")
    made = Installed(whole, whole.docker_node.socket.stat().st_gid)
    helm("install", RELEASE, str(CHART), *made.where, *made.values)
    try:
        made.wait_rolled_out()
        yield made
    finally:
        helm("uninstall", RELEASE, *made.where, "--wait")


@pytest.fixture(scope="module", params=["docker", "containerd"])
def node(request: pytest.FixtureRequest, whole: Cluster) -> Node:
    return next(node for node in whole.nodes if request.param == node.KIND)


@pytest.fixture(scope="module")
def workloads(whole: Cluster, node: Node) -> Iterator[Workloads]:
    made = Workloads(whole, node, SHOP)
    try:
        made.create()
        yield made
    finally:
        made.delete()


def running(cluster: Cluster, node: Node) -> tuple[set[tuple[str, str]], dict[str, dict[str, Any]]]:
    """The node's containers that run, by their pods' UIDs, and those pods."""
    path = f"/api/v1/namespaces/{SHOP}/pods?fieldSelector=spec.nodeName={node.name}"
    pods = {each["metadata"]["uid"]: each for each in cluster.ask("GET", path)["items"]}
    kinds = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
    named = {
        (uid, each["name"])
        for uid, pod in pods.items()
        for kind in kinds
        for each in pod["status"].get(kind, ())
        if "running" in each["state"]
    }
    return named, pods


def test_every_pod_of_the_node_is_served_as_who_it_is(
    whole: Cluster, release: Installed, node: Node, workloads: Workloads
) -> None:
    wanted, pods = running(whole, node)
    with release.forwarded(node.name) as agent:
        scrape = agent.wait_for(wanted)
        for uid in {uid for uid, _ in wanted}:
            metadata, status = pods[uid]["metadata"], pods[uid]["status"]
            (info,) = scrape.all(INFO, uid=uid)
            assert (info.labels["namespace"], info.labels["pod"]) == (SHOP, metadata["name"])
            assert (info.labels["node"], info.labels["qos"]) == (node.name, status["qosClass"])
            kind = workloads.kind(metadata["name"])
            owner = {"web": ("Deployment", workloads.deployment), "task": ("Job", workloads.job)}
            found = (info.labels.get("owner_kind"), info.labels.get("owner_name"))
            assert found == owner.get(kind, ("Node", node.name))
            assert scrape.known("podtick_pod_network_receive_bytes_total", uid=uid) >= 0
        assert "podtick_agent_unidentified_containers 0" in agent.get("/metrics?level=agent")
        assert "ok kubernetes" in agent.get("/readyz")


def test_what_a_pod_did_in_the_last_minute(
    whole: Cluster, release: Installed, node: Node, workloads: Workloads
) -> None:
    """As NOTES and the README say."""
    _, pods = running(whole, node)
    (name,) = (pod["metadata"]["name"] for pod in pods.values() if workloads.kind(pod["metadata"]["name"]) == "task")
    with release.forwarded(node.name) as agent:
        agent.wait_for(running(whole, node)[0])
        told = json.loads(agent.get(f"/api/v1/namespaces/{SHOP}/pods/{name}?window=60s&metric=memory_working_set*"))
    assert (told["node"], told["pod"], told["owner_name"]) == (node.name, name, workloads.job)
    assert told["statistics"]["memory_working_set_bytes"]["max"] > 0


def test_the_agents_engine_and_cgroups(release: Installed, node: Node) -> None:
    """An engine where there is one; else the kubelet's cgroups alone."""
    with release.forwarded(node.name) as agent:
        ready = agent.get("/readyz")
    assert ("docker: listed" in ready) is (node.KIND == "docker")
    assert ("containers of pods by the tree" in ready) is (node.KIND == "containerd")


def test_helm_test_passes(release: Installed) -> None:
    helm("test", RELEASE, *release.where)


def test_an_upgrade_leaves_one_agent_a_node(whole: Cluster, release: Installed) -> None:
    before = {release.agent_of(node.name) for node in whole.nodes}
    helm("upgrade", RELEASE, str(CHART), *release.where, *release.values, "--set", "agent.history=30m")
    release.wait_rolled_out()
    after = {release.agent_of(node.name) for node in whole.nodes}
    assert len(after) == len(whole.nodes)
    assert not before & after
