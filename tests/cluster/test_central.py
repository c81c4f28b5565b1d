"""Central scrape: real collectors find the agents of two nodes through a real API server, as the shipped files say.

The agents run beside each other here; objects of the API stand for their pods, whose addresses are the loopback's.
"""

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import floor
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.conftest import SHOP
from tests.support.agent import Agent
from tests.support.cluster import ControlPlane
from tests.support.cluster.account import NAMESPACE, Account
from tests.support.cluster.pods import WORK, ApiPod, KubeletTree
from tests.support.prometheus import Prometheus, current
from tests.support.victoriametrics import VictoriaMetrics

DEPLOY = Path(__file__).parents[2] / "deploy"
CPU = "podtick_pod_cpu_usage_seconds_total"
NODES = ("central-a", "central-b")
LATE = 2
"""A collector's time of a sample is that of its request; the newest second may be so many seconds older."""


@dataclass
class Fleet:
    """Agents by their nodes, and the pod that each node has."""

    agents: dict[str, Agent]
    pods: dict[str, ApiPod]


@pytest.fixture(scope="module")
def reader(cluster: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Account:
    """Who may see pods: the agents here, and the collectors."""
    return Account(cluster, "central", tmp_path_factory.mktemp("central"))


@pytest.fixture(scope="module")
def fleet(cluster: ControlPlane, reader: Account) -> Iterator[Fleet]:
    with contextlib.ExitStack() as stack:
        tree = stack.enter_context(KubeletTree())
        agents, pods = {}, {}
        for node in NODES:
            cluster.create("/api/v1/nodes", {"metadata": {"name": node}})
            pods[node] = ApiPod(cluster, SHOP, f"cart-{node}", node)
            cgroup = stack.enter_context(tree.pod(pods[node].uid))
            pods[node].says(app=stack.enter_context(cgroup.container(script=WORK)))
            access = ("--kubernetes", "auto", "--kubeconfig", str(reader.kubeconfig), "--node-name", node)
            only = ("--namespaces", SHOP)  # the neighbour's cgroups are on this machine too
            agents[node] = stack.enter_context(Agent("--docker-host", "none", *access, *only, namespace=SHOP))
            make_agent_pod(cluster, node, agents[node].port)
            make_agent_pod(cluster, node, agents[node].port, "evicted", "Failed")
        yield Fleet(agents, pods)


def make_agent_pod(cluster: ControlPlane, node: str, port: int, name: str = "podtick", phase: str = "Running") -> None:
    """The agent's pod, as the chart makes it and its kubelet says that it runs."""
    path = f"/api/v1/namespaces/{NAMESPACE}/pods"
    labels = {"app.kubernetes.io/name": "podtick", "app.kubernetes.io/component": "agent"}
    ports = [{"name": "metrics", "containerPort": port}]
    spec = {"nodeName": node, "containers": [{"name": "podtick", "image": "podtick", "ports": ports}]}
    cluster.create(path, {"metadata": {"name": f"{name}-{node}", "labels": labels}, "spec": spec})
    status = {"phase": phase, "podIP": "127.0.0.1", "podIPs": [{"ip": "127.0.0.1"}]}
    cluster.patch(f"{path}/{name}-{node}/status", {"status": status})


def shipped(file: str, reader: Account) -> dict[str, Any]:
    """The configuration as it is shipped, for a collector that is no pod of the cluster and in a hurry."""
    read: dict[str, Any] = yaml.safe_load((DEPLOY / file).read_text())
    (job,) = read["scrape_configs"]
    (discovery,) = job["kubernetes_sd_configs"]
    discovery["api_server"] = reader.url
    discovery["bearer_token_file"] = str(reader.folder / "token")
    discovery["tls_config"] = {"ca_file": str(reader.folder / "ca.crt")}
    job["scrape_interval"] = job["scrape_timeout"] = "1s"
    return read


Query = Callable[[str], list[dict[str, Any]]]


@contextlib.contextmanager
def prometheus(reader: Account) -> Iterator[Query]:
    with Prometheus(shipped("prometheus/podtick.yaml", reader), current()) as started:
        started.wait_until(lambda: len(started.query(f"count_over_time({CPU}[1m]) >= 5")) == 2, "five scrapes of both")
        yield started.query


@contextlib.contextmanager
def victoriametrics(reader: Account) -> Iterator[Query]:
    with VictoriaMetrics(shipped("victoriametrics/podtick.yaml", reader)) as started:
        started.wait_until(lambda: len(started.query(f"count_over_time({CPU}[1m]) >= 5")) == 2, "five scrapes of both")
        yield started.query


@pytest.fixture(scope="module", params=[prometheus, victoriametrics], ids=lambda made: made.__name__)
def query(request: pytest.FixtureRequest, fleet: Fleet, reader: Account) -> Iterator[Query]:
    with request.param(reader) as made:
        yield made


def test_every_pod_of_every_node_is_there(query: Query, fleet: Fleet) -> None:
    found = {
        (each["metric"]["node"], each["metric"]["instance"], each["metric"]["pod"], each["metric"]["uid"])
        for each in query(CPU)
    }
    assert found == {(node, node, f"cart-{node}", pod.uid) for node, pod in fleet.pods.items()}


def test_no_label_is_in_anothers_way(query: Query) -> None:
    series = [each["metric"] for each in query('{__name__=~"podtick_.*"}')]
    assert len(series) > 100
    assert [labels for labels in series if any(name.startswith("exported_") for name in labels)] == []
    assert {labels["job"] for labels in series} == {"podtick"}
    assert {labels["namespace"] for labels in series if "namespace" in labels} == {SHOP}
    assert {labels["__name__"].split("_")[1] for labels in series} == {"pod", "node", "agent"}


def test_each_agent_is_scraped_once(query: Query) -> None:
    """And a pod that has ended is not scraped at all."""
    assert sorted(each["metric"]["node"] for each in query('up{job="podtick"}')) == sorted(NODES)
    assert {each["value"][1] for each in query('up{job="podtick"}')} == {"1"}


def test_its_values_are_what_the_agents_said(query: Query, fleet: Fleet) -> None:
    """Each sample is the agent's of that second, or of the one or two before it."""
    for each in query(f"{CPU}[1m]"):
        node, pod = each["metric"]["node"], each["metric"]["pod"]
        path = f"/api/v1/namespaces/{SHOP}/pods/{pod}?since=oldest&level=pod&metric=cpu_usage_seconds_total"
        status, body = fleet.agents[node].get(path)
        assert status == 200, body
        said = {
            second["timestamp"]: second["values"]["cpu_usage_seconds_total"]
            for second in json.loads(body)["seconds"]
            if "values" in second
        }
        assert len(each["values"]) >= 5
        for at, value in each["values"]:
            near = {said.get(floor(at) - late) for late in range(LATE + 1)}
            assert any(known is not None and abs(known - float(value)) < 1e-6 for known in near), (at, value, near)
