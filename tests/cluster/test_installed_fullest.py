"""The chart with every value set, on real nodes.

Other projects' kinds of objects are known to the cluster, and nobody acts on them.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.cluster.conftest import SHOP
from tests.support.cluster import Cluster
from tests.support.cluster.nodes import Node
from tests.support.cluster.release import Release
from tests.support.cluster.workloads import container, listed, pod, spec
from tests.support.helm import BUILT_IN, CASES, rendered
from tests.support.scrape import Scrape

FULL = CASES["full"]
POOL = "example.com/pool"
"""The label of the nodes that get an agent."""
PORT = 19752
CPU = "podtick_pod_cpu_usage_seconds_total"


def definition(example: dict[str, Any]) -> dict[str, Any]:
    """Of an object's kind: it may have any field."""
    group, _, version = example["apiVersion"].partition("/")
    kind = example["kind"]
    plural = f"{kind.lower().removesuffix('s')}s"
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    # The groups of Kubernetes' own projects are asked whether somebody has looked at their definitions.
    metadata = {"name": f"{plural}.{group}", "annotations": {"api-approved.kubernetes.io": "unapproved, of a test"}}
    spec = {
        "group": group,
        "names": {"kind": kind, "plural": plural},
        "scope": "Namespaced" if "namespace" in example["metadata"] else "Cluster",
        "versions": [{"name": version, "served": True, "storage": True, "schema": schema}],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": metadata,
        "spec": spec,
    }


@pytest.fixture(scope="module")
def kinds(whole: Cluster) -> Iterator[list[str]]:
    """What the chart makes and a cluster does not know by itself is known; the names of the definitions."""
    foreign = {each["kind"]: each for each in rendered(*FULL) if each["apiVersion"] not in BUILT_IN}
    definitions = [definition(each) for each in foreign.values()]
    names = [f"crd/{each['metadata']['name']}" for each in definitions]
    whole.kubectl("apply", "--filename=-", text=listed(definitions))
    try:
        whole.kubectl("wait", "--for=condition=Established", *names)
        yield names
    finally:
        whole.kubectl("delete", *names)


@pytest.fixture(scope="module")
def fullest(whole: Cluster, image: str, kinds: list[str]) -> Iterator[Release]:
    """Every value of the example, but for the image and the socket's group: this cluster has its own."""
    del image, kinds
    names = [node.name for node in whole.nodes]
    whole.kubectl("label", "node", *names, f"{POOL}=general")
    try:
        with Release(whole, "fullest", *FULL, port=PORT) as installed:
            yield installed
    finally:
        whole.kubectl("label", "node", *names, f"{POOL}-")


@pytest.fixture(scope="module")
def carts(whole: Cluster) -> Iterator[dict[str, str]]:
    """A pod on each node, of which the agents are to show a label and an annotation; the pods' UIDs by the nodes."""
    where = ("--namespace", SHOP)
    names = [f"cart-{node.KIND}" for node in whole.nodes]
    metadata = {"labels": {"team": "nodes", "tier": "web"}, "annotations": {"owner": "somebody"}}
    specs = (spec(node, container("app")) for node in whole.nodes)
    pods = [pod(name, each, **metadata) for name, each in zip(names, specs, strict=True)]
    whole.kubectl("apply", *where, "--filename=-", text=listed(pods))
    try:
        whole.kubectl("wait", *where, "--for=condition=Ready", *(f"pod/{name}" for name in names))
        told = [whole.ask("GET", f"/api/v1/namespaces/{SHOP}/pods/{name}") for name in names]
        yield {each["spec"]["nodeName"]: each["metadata"]["uid"] for each in told}
    finally:
        whole.kubectl("delete", "pod", *where, *names)


def test_every_object_is_there(whole: Cluster, kinds: list[str], fullest: Release) -> None:
    for each in kinds:
        names = "--output=jsonpath={.items[*].metadata.name}"
        found = whole.kubectl("get", each.removeprefix("crd/"), "--all-namespaces", names).split()
        assert found == [f"{fullest.name}-ticks"]


def test_each_nodes_agent_serves_what_it_is_to(
    whole: Cluster, fullest: Release, node: Node, carts: dict[str, str]
) -> None:
    with fullest.forwarded(node.name) as agent:
        assert "ok kubernetes" in agent.text("/readyz")
        agent.wait_for_containers(SHOP, {(carts[node.name], "app")})
        scrape = Scrape.parse(agent.text("/metrics"))
        infos = Scrape.parse(agent.text("/metrics?level=pod&metric=info"))
    (info,) = infos.all("podtick_pod_info", uid=carts[node.name])  # Docker also lists ended pods' for a while
    served = {tuple(each.name.split("_")[1:3]) for each in scrape.of()}
    about_itself = {each for each in served if each[0] == "agent"}
    assert served - about_itself == {(level, family) for level in ("pod", "node") for family in ("cpu", "memory")}
    assert ("agent", "ticks") in about_itself
    assert {each.labels["uid"] for each in scrape.all(CPU)} == {carts[node.name]}
    assert {each.labels["namespace"] for each in infos.of()} == {SHOP}
    assert (info.labels["label_team"], info.labels["annotation_owner"]) == ("nodes", "somebody")
    assert "label_tier" not in info.labels


def test_a_pod_of_a_cronjob(
    whole: Cluster, fullest: Release, node: Node, made: Callable[[dict[str, Any]], str]
) -> None:
    """Here the agents may get Jobs; it is not among what they show unless they are asked."""
    name = f"nightly-{node.KIND}"
    template = {"spec": spec(node, container("main"), restartPolicy="Never")}
    described = {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": template}}}
    made({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": name}, "spec": described})
    whole.kubectl("create", "--namespace", SHOP, "job", f"{name}-now", f"--from=cronjob/{name}")
    with fullest.forwarded(node.name, SHOP) as agent:
        agent.wait_for(
            lambda scrape: any(each.labels["pod"].startswith(f"{name}-now-") for each in scrape.all(CPU)), "its pod"
        )
        info = Scrape.parse(agent.text("/metrics?level=pod&metric=info"))
    (pod,) = info.all("podtick_pod_info", owner_kind="CronJob", owner_name=name)
    assert pod.labels["pod"].startswith(f"{name}-now-")


def test_helm_test_passes(fullest: Release) -> None:
    """Though the agents' own namespace is not among those that they serve."""
    fullest.test()
