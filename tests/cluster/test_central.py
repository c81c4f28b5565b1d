"""Central scrape: real collectors find the installed agents of all nodes, as the shipped files say."""

import contextlib
from collections.abc import Callable, Iterator
from math import floor
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.conftest import SHOP
from tests.support.cluster import Cluster
from tests.support.cluster.account import NAMESPACE, Account
from tests.support.cluster.release import Forwarded, Release
from tests.support.cluster.workloads import container, listed, pod, spec
from tests.support.prometheus import Prometheus, current
from tests.support.victoriametrics import VictoriaMetrics

DEPLOY = Path(__file__).parents[2] / "deploy"
USAGE = "cpu_usage_seconds_total"
CPU = f"podtick_pod_{USAGE}"
WORK = "while :; do i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done; sleep 0.2; done"
ENOUGH = 5
"""Scrapes of every pod that is looked at."""
LATE = 2
"""A collector's time of a sample is that of its request; the newest second may be so many seconds older."""


@pytest.fixture(scope="module")
def reader(whole: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Account:
    """Who may see pods: the collectors."""
    return Account(whole, "central", tmp_path_factory.mktemp("central"))


@pytest.fixture(scope="module")
def carts(whole: Cluster, release: Release) -> Iterator[list[str]]:
    """On each node a pod at work, whose name it is, and an ended one that by its labels was an agent."""
    del release
    names = [f"cart-{node.KIND}" for node in whole.nodes]
    work = [pod(name, spec(node, container("app", WORK))) for name, node in zip(names, whole.nodes, strict=True)]
    labels = {"app.kubernetes.io/name": "podtick", "app.kubernetes.io/component": "agent"}
    port = {"ports": [{"name": "metrics", "containerPort": 9752}]}
    ended = [
        pod(
            f"evicted-{node.KIND}",
            spec(node, container("agent", "exit 1", **port), restartPolicy="Never"),
            labels=labels,
        )
        for node in whole.nodes
    ]
    here, there = ("--namespace", SHOP), ("--namespace", NAMESPACE)
    for where, pods in ((here, work), (there, ended)):
        whole.kubectl("apply", *where, "--filename=-", text=listed(pods))
    try:
        whole.kubectl("wait", *here, "--for=condition=Ready", *(f"pod/{name}" for name in names))
        evicted = [f"pod/{each['metadata']['name']}" for each in ended]
        whole.kubectl("wait", *there, "--for=jsonpath={.status.phase}=Failed", *evicted)
        yield names
    finally:
        whole.kubectl("delete", *here, "pod", *names)
        whole.kubectl("delete", *there, "pod", *(each["metadata"]["name"] for each in ended))


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
Identity = tuple[str, ...]
"""Node, namespace, name and UID."""


def running(cluster: Cluster) -> set[Identity]:
    """The pods that run, as the API server has them."""
    return {
        (pod["spec"]["nodeName"], *(pod["metadata"][key] for key in ("namespace", "name", "uid")))
        for pod in cluster.ask("GET", "/api/v1/pods")["items"]
        if pod["status"]["phase"] == "Running"
    }


def identities(series: list[dict[str, Any]]) -> set[Identity]:
    return {tuple(each["metric"][key] for key in ("node", "namespace", "pod", "uid")) for each in series}


def settled(query: Query, cluster: Cluster) -> Callable[[], bool]:
    """Whether every pod that runs has been seen often enough."""
    return lambda: identities(query(f"count_over_time({CPU}[1m]) >= {ENOUGH}")) >= running(cluster)


@contextlib.contextmanager
def prometheus(reader: Account, cluster: Cluster) -> Iterator[Query]:
    with Prometheus(shipped("prometheus/podtick.yaml", reader), current()) as started:
        started.wait_until(settled(started.query, cluster), "enough scrapes of every pod")
        yield started.query


@contextlib.contextmanager
def victoriametrics(reader: Account, cluster: Cluster) -> Iterator[Query]:
    with VictoriaMetrics(shipped("victoriametrics/podtick.yaml", reader)) as started:
        started.wait_until(settled(started.query, cluster), "enough scrapes of every pod")
        yield started.query


@pytest.fixture(scope="module", params=[prometheus, victoriametrics], ids=lambda made: made.__name__)
def query(request: pytest.FixtureRequest, whole: Cluster, reader: Account, carts: list[str]) -> Iterator[Query]:
    del carts
    with request.param(reader, whole) as made:
        yield made


def test_every_pod_of_every_node_is_there(query: Query, whole: Cluster, carts: list[str]) -> None:
    """The agents' own are among them; those that have ended are not."""
    series = query(CPU)
    assert identities(series) == running(whole)
    assert {each["metric"]["pod"] for each in series} >= set(carts)
    assert {each["metric"]["node"] for each in series} == {node.name for node in whole.nodes}
    assert [each for each in series if each["metric"]["instance"] != each["metric"]["node"]] == []


def test_no_label_is_in_anothers_way(query: Query) -> None:
    series = [each["metric"] for each in query('{__name__=~"podtick_.*"}')]
    assert len(series) > 100
    assert [labels for labels in series if any(name.startswith("exported_") for name in labels)] == []
    assert {labels["job"] for labels in series} == {"podtick"}
    assert {labels["__name__"].split("_")[1] for labels in series} == {"pod", "node", "agent"}


def test_each_agent_is_scraped_once(query: Query, whole: Cluster) -> None:
    """And a pod that has ended is not scraped at all."""
    up = query('up{job="podtick"}')
    assert sorted(each["metric"]["node"] for each in up) == sorted(node.name for node in whole.nodes)
    assert {each["value"][1] for each in up} == {"1"}


def test_its_values_are_what_the_agents_said(query: Query, whole: Cluster, release: Release) -> None:
    """Each sample is the agent's of that second, or of the one or two before it."""
    series = query(f"{CPU}[1m]")
    assert identities(series) >= running(whole)
    for node in whole.nodes:
        with release.forwarded(node.name) as agent:
            for each in series:
                if each["metric"]["node"] == node.name:
                    compare(each, agent)


def compare(series: dict[str, Any], agent: Forwarded) -> None:
    namespace, name, uid = (series["metric"][key] for key in ("namespace", "pod", "uid"))
    path = f"/api/v1/namespaces/{namespace}/pods/{name}"
    said = {second["timestamp"]: second["values"][USAGE] for second in agent.seconds(path, USAGE, uid=uid)}
    for at, value in series["values"]:
        near = {said.get(floor(at) - late) for late in range(LATE + 1)}
        assert any(known is not None and abs(known - float(value)) < 1e-6 for known in near), (path, at, value, near)
