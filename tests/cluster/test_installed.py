"""The shipped image and the shipped chart on real nodes, as whoever installs them meets them."""

import json
from statistics import median_low
from typing import Any

from tests.support.cluster import Cluster
from tests.support.cluster.account import NAMESPACE
from tests.support.cluster.cgroups import made_at, path_of
from tests.support.cluster.nodes import Node
from tests.support.cluster.release import Forwarded, Release
from tests.support.cluster.workloads import Workloads

INFO = "podtick_pod_info"
KINDS = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
USAGE = "cpu_usage_seconds_total"
POD_CPU = f"podtick_pod_{USAGE}"
SOON = 2.0
"""s from the making of a cgroup to the first second that tells of it."""


def pods_of(cluster: Cluster, workloads: Workloads) -> dict[str, dict[str, Any]]:
    """The pods, by their UIDs, as the API server has them."""
    listed = cluster.ask("GET", f"/api/v1/namespaces/{workloads.namespace}/pods")["items"]
    return {each["metadata"]["uid"]: each for each in listed}


def running(pods: dict[str, dict[str, Any]]) -> dict[tuple[str, str], str]:
    """Full IDs of the containers that run, by their pods' UIDs and their names."""
    return {
        (uid, each["name"]): each["containerID"].rpartition("/")[2]
        for uid, pod in pods.items()
        for kind in KINDS
        for each in pod["status"].get(kind, ())
        if "running" in each["state"]
    }


def test_every_pod_of_the_node_is_served_as_who_it_is(
    whole: Cluster, release: Release, node: Node, workloads: Workloads
) -> None:
    pods = pods_of(whole, workloads)
    wanted = set(running(pods))
    with release.forwarded(node.name) as agent:
        scrape = agent.wait_for_containers(workloads.namespace, wanted)
        for uid in {uid for uid, _ in wanted}:
            metadata, status = pods[uid]["metadata"], pods[uid]["status"]
            (info,) = scrape.all(INFO, uid=uid)
            assert (info.labels["namespace"], info.labels["pod"]) == (workloads.namespace, metadata["name"])
            assert (info.labels["node"], info.labels["qos"]) == (node.name, status["qosClass"])
            kind = workloads.kind(metadata["name"])
            owner = {"web": ("Deployment", workloads.deployment), "task": ("Job", workloads.job)}
            found = (info.labels.get("owner_kind"), info.labels.get("owner_name"))
            assert found == owner.get(kind, ("Node", node.name))
            assert scrape.known("podtick_pod_network_receive_bytes_total", uid=uid) >= 0
        assert "podtick_agent_unidentified_containers 0" in agent.text("/metrics?level=agent")
        assert "ok kubernetes" in agent.text("/readyz")


def test_the_agent_itself_is_a_pod_of_its_daemonset(release: Release, node: Node) -> None:
    name = release.agent_of(node.name).removeprefix("pod/")
    with release.forwarded(node.name, NAMESPACE) as agent:
        scrape = agent.wait_for(lambda scrape: bool(scrape.all(POD_CPU, pod=name)), "the agent's own pod")
    (info,) = scrape.all(INFO, pod=name)
    assert (info.labels["owner_kind"], info.labels["owner_name"]) == ("DaemonSet", release.name)


def test_their_seconds_begin_within_two_of_their_cgroups(
    whole: Cluster, release: Release, node: Node, workloads: Workloads
) -> None:
    """The pods were made while the agents ran. Of a pod it is its own cgroup, which is there before any container's.

    Half of each will do: a machine that has other things to do may be late with any one of them, and podtick with it.
    """
    pods = pods_of(whole, workloads)
    late: dict[str, list[float]] = {"pod": [], "container": []}
    with release.forwarded(node.name) as agent:
        agent.wait_for_containers(workloads.namespace, set(running(pods)))
        for (uid, name), id_ in running(pods).items():
            path = path_of(node, id_)
            pod = f"/api/v1/namespaces/{workloads.namespace}/pods/{pods[uid]['metadata']['name']}"
            late["container"].append(begin_of(agent, f"{pod}/containers/{name}") - made_at(node, path))
            late["pod"].append(begin_of(agent, pod) - made_at(node, path.rpartition("/")[0]))
    assert {level: median_low(each) <= SOON for level, each in late.items()} == {"pod": True, "container": True}, late
    assert min(late["pod"] + late["container"]) > -1, f"read before they were made: {late}"


def begin_of(agent: Forwarded, path: str) -> int:
    """The first second of which the CPU time of what lies there is known."""
    return next(int(each["timestamp"]) for each in agent.seconds(path, USAGE) if each["values"][USAGE] is not None)


def test_what_a_pod_did_in_the_last_minute(whole: Cluster, release: Release, node: Node, workloads: Workloads) -> None:
    """As NOTES and the README say."""
    pods = pods_of(whole, workloads)
    (name,) = (pod["metadata"]["name"] for pod in pods.values() if workloads.kind(pod["metadata"]["name"]) == "task")
    with release.forwarded(node.name) as agent:
        agent.wait_for_containers(workloads.namespace, set(running(pods)))
        path = f"/api/v1/namespaces/{workloads.namespace}/pods/{name}"
        told = json.loads(agent.text(f"{path}?window=60s&metric=memory_working_set*"))
    assert (told["node"], told["pod"], told["owner_name"]) == (node.name, name, workloads.job)
    assert told["statistics"]["memory_working_set_bytes"]["max"] > 0


def test_the_agents_engine_and_cgroups(release: Release, node: Node) -> None:
    """An engine where there is one; else the kubelet's cgroups alone."""
    with release.forwarded(node.name) as agent:
        ready = agent.text("/readyz")
    assert ("docker: listed" in ready) is (node.KIND == "docker")
    assert ("containers of pods by the tree" in ready) is (node.KIND == "containerd")


def test_helm_test_passes(release: Release) -> None:
    release.test()


def test_an_upgrade_leaves_one_agent_a_node(whole: Cluster, release: Release) -> None:
    before = {release.agent_of(node.name) for node in whole.nodes}
    release.upgrade("--set", "agent.history=30m")
    after = {release.agent_of(node.name) for node in whole.nodes}
    assert len(after) == len(whole.nodes)
    assert not before & after
