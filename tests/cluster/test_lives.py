"""Pods that come, end and begin anew on real nodes, as the agents see them that the chart has installed."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.cluster.conftest import SHOP
from tests.support.cluster import Cluster
from tests.support.cluster.images import WAIT
from tests.support.cluster.nodes import Node
from tests.support.cluster.release import Forwarded, Release
from tests.support.cluster.workloads import container, pod, spec
from tests.support.scrape import Scrape
from tests.support.served import PATIENCE

CPU = "podtick_{}_cpu_usage_seconds_total"
RESTARTS = "podtick_pod_restarts_total"
BURN = "i=0; while [ $i -lt 150000 ]; do i=$((i+1)); done"
WHERE = ("--namespace", SHOP)


@pytest.fixture(scope="module")
def agent(release: Release, node: Node) -> Iterator[Forwarded]:
    """The node's, as it was installed."""
    with release.forwarded(node.name, SHOP) as agent:
        yield agent


def uids(scrape: Scrape, name: str) -> set[str]:
    """The UIDs of the pods of this name that have CPU time."""
    return {each.labels["uid"] for each in scrape.all(CPU.format("pod"), pod=name)}


def test_a_pod_of_the_same_name_is_another_pod(
    whole: Cluster, node: Node, agent: Forwarded, made: Callable[[dict[str, Any]], str]
) -> None:
    labels = {"app": f"db-{node.KIND}"}
    name = labels["app"]
    template = {"metadata": {"labels": labels}, "spec": spec(node, container("db", WAIT))}
    described = {"serviceName": name, "selector": {"matchLabels": labels}, "template": template}
    made({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": name}, "spec": described})
    scrape = agent.wait_for(lambda scrape: len(uids(scrape, f"{name}-0")) == 1, "the first pod")
    (first,) = uids(scrape, f"{name}-0")
    (info,) = scrape.all("podtick_pod_info", uid=first)
    assert (info.labels["owner_kind"], info.labels["owner_name"]) == ("StatefulSet", name)
    whole.kubectl("delete", *WHERE, "pod", f"{name}-0")
    scrape = agent.wait_for(
        lambda scrape: len(uids(scrape, f"{name}-0")) == 1 and first not in uids(scrape, f"{name}-0"), "the second pod"
    )
    (second,) = uids(scrape, f"{name}-0")
    told = agent.text(f"/api/v1/namespaces/{SHOP}/pods/{name}-0")
    assert f'"uid":"{second}"' in told.replace(": ", ":")
    assert first in told  # among the others, with its own history


def test_an_init_container_that_burns_cpu(node: Node, agent: Forwarded, made: Callable[[dict[str, Any]], str]) -> None:
    """It is seen while it runs, and what it burnt stays in its pod."""
    name = f"starts-{node.KIND}"
    init = [container("burns", f"{BURN}; {BURN}; sleep 3")]
    made(pod(name, spec(node, container("app", WAIT), initContainers=init)))
    burnt = 0.0
    seen = set[str]()
    while "app" not in seen:
        scrape = agent.next_tick()
        running = {each.labels["container"] for each in scrape.all(CPU.format("container"), pod=name)}
        seen |= running
        if (value := scrape.value(CPU.format("pod"), pod=name)) is not None:
            assert value >= burnt
            burnt = value
    assert seen == {"burns", "app"}
    assert burnt > 0.1


def test_a_container_that_crashes_again_and_again(
    node: Node, agent: Forwarded, made: Callable[[dict[str, Any]], str]
) -> None:
    """One series at a time, and a pod's counter that never falls."""
    name = f"crashes-{node.KIND}"
    made(pod(name, spec(node, container("app", f"{BURN}; exit 1"), container("steady", WAIT))))
    highest, restarts = 0.0, 0.0
    end = time.monotonic() + 3 * PATIENCE  # the kubelet waits longer before each
    while restarts < 2:
        assert time.monotonic() < end, f"{restarts} restarts"
        scrape = agent.next_tick()
        named = [each.labels["container"] for each in scrape.all(CPU.format("container"), pod=name)]
        assert len(named) == len(set(named))
        value = scrape.value(CPU.format("pod"), pod=name)
        assert value is None or value >= highest
        highest = value or highest
        assert (scrape.value(RESTARTS, pod=name) or restarts) >= restarts
        restarts = scrape.value(RESTARTS, pod=name) or restarts
    assert highest > 0
