"""What the installed agents say of a busy pod lies between what the kernel says before and after that second."""

import os
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pytest

from podtick.sources.cgroup.discovery import CgroupPaths
from tests.cluster.conftest import SHOP
from tests.support.cluster import Cluster
from tests.support.cluster.cgroups import path_of, paths_of
from tests.support.cluster.nodes import Node
from tests.support.cluster.release import Forwarded, Release
from tests.support.cluster.workloads import container, listed, pod, resources, spec
from tests.support.kernel import cpu_usage_ns, kernel_text, network_bytes

SCRIPTS = {
    # No program but the shell, and memory that is never given back; once /dev/shm is full it goes on in vain.
    "grows": "exec 2>/dev/null; while :; do echo 0123456789abcdef >>/dev/shm/grown; done",
    # To this host and back, as fast as it answers.
    "talks": 'exec ping -A -q "$KUBERNETES_SERVICE_HOST"',
}
LIMITS = resources("200m", "128Mi", limited=True)
CPU, CACHE = "cpu_usage_seconds_total", "memory_cache_bytes"
USAGE, WORKING = "memory_usage_bytes", "memory_working_set_bytes"
RECEIVED, SENT = "network_receive_bytes_total", "network_transmit_bytes_total"
METRICS = (CPU, CACHE, USAGE, WORKING, RECEIVED, SENT)
SECONDS = 5
AHEAD = 3 * 64 * os.sysconf("SC_PAGE_SIZE") * (os.cpu_count() or 1)
"""Bytes that the kernel charges before they are used, and gives back: 64 pages a CPU, for each of three containers."""
Numbers = Mapping[tuple[str, str], int]
"""By the container's name ("": the pod's) and the metric; CPU time in ns."""


class Busy(NamedTuple):
    """A pod of two containers: its path in the API, its UID, its and their cgroups, and one of its processes."""

    path: str
    uid: str
    cgroups: Mapping[str, CgroupPaths]
    pid: int

    def kernel(self) -> Numbers:
        """What the kernel says now."""
        found = dict(zip((("", RECEIVED), ("", SENT)), network_bytes(self.pid), strict=True))
        for name, paths in self.cgroups.items():
            words = kernel_text(paths, "memory.stat").split()
            stat = dict(zip(words[::2], map(int, words[1::2]), strict=True))
            usage = int(kernel_text(paths, "memory.usage_in_bytes"))
            found |= {(name, CPU): cpu_usage_ns(paths), (name, CACHE): stat["total_cache"]}
            found |= {(name, USAGE): usage, (name, WORKING): usage - stat["total_inactive_file"]}
        return found

    def told(self, agent: Forwarded) -> Numbers:
        """What an agent says of the next second, as far as it knows."""
        second = agent.next_second(self.path, METRICS)
        levels = {"": second} | {each["container"]: each for each in second["containers"]}
        values = {(name, metric): each["values"].get(metric) for name, each in levels.items() for metric in METRICS}
        known = {key: value for key, value in values.items() if value is not None}
        return {key: round(value * 1e9) if key[1] == CPU else value for key, value in known.items()}


@pytest.fixture(scope="module")
def busy(whole: Cluster, node: Node) -> Iterator[Busy]:
    """Runs on the node."""
    name, where = f"busy-{node.KIND}", ("--namespace", SHOP)
    containers = [container(each, script, **LIMITS) for each, script in SCRIPTS.items()]
    whole.kubectl("apply", *where, "--filename=-", text=listed([pod(name, spec(node, *containers))]))
    try:
        whole.kubectl("wait", *where, "--for=condition=Ready", f"pod/{name}")
        yield found(whole, node, f"/api/v1/namespaces/{SHOP}/pods/{name}")
    finally:
        whole.kubectl("delete", "pod", *where, name)


def found(cluster: Cluster, node: Node, path: str) -> Busy:
    """A pod that runs."""
    told = cluster.ask("GET", path)
    ids = {each["name"]: each["containerID"].rpartition("/")[2] for each in told["status"]["containerStatuses"]}
    folders = {name: path_of(node, id_) for name, id_ in ids.items()}
    folders[""] = folders["talks"].rpartition("/")[0]
    cgroups = {name: paths_of(node, folder) for name, folder in folders.items()}
    processes = (next(cgroups["talks"].folders()) / "cgroup.procs").read_text().split()
    return Busy(path, told["metadata"]["uid"], cgroups, int(processes[0]))


def wait_until_all_is_known(agent: Forwarded, busy: Busy) -> None:
    """Its network is found after its containers."""
    agent.wait_for_containers(SHOP, {(busy.uid, name) for name in SCRIPTS})
    for _ in range(60):  # s
        if busy.told(agent).keys() == busy.kernel().keys():
            return
    raise AssertionError(f"not all is known: {busy.told(agent)}")


def test_the_numbers_lie_between_the_kernels_before_and_after(release: Release, node: Node, busy: Busy) -> None:
    with release.forwarded(node.name) as agent:
        wait_until_all_is_known(agent, busy)
        begin = after = busy.kernel()
        for _ in range(SECONDS):
            before, told, after = busy.kernel(), busy.told(agent), busy.kernel()
            assert told.keys() == before.keys()
            slack = {key: AHEAD if key[1] in (USAGE, WORKING) else 0 for key in told}
            between = {key: before[key] - slack[key] <= told[key] <= after[key] + slack[key] for key in told}
            assert {key: (before[key], told[key], after[key]) for key, well in between.items() if not well} == {}
    grown = {key for key in begin if after[key] > begin[key]}
    assert grown >= {(name, CPU) for name in ("", *SCRIPTS)} | {("", CACHE), ("grows", CACHE)}
    assert grown >= {("", RECEIVED), ("", SENT)}


def test_containers_have_never_more_than_their_pod(release: Release, node: Node, busy: Busy) -> None:
    """A sweep reads containers before their pod. Its sandbox's CPU time is in the pod too."""
    with release.forwarded(node.name) as agent:
        wait_until_all_is_known(agent, busy)
        seconds: list[dict[str, Any]] = agent.seconds(busy.path, CPU)
    sums = []
    for each in seconds:
        own, *containers = [one["values"][CPU] for one in (each, *each["containers"])]
        if len(containers) == len(SCRIPTS) and None not in (own, *containers):
            sums.append((sum(round(value * 1e9) for value in containers), round(own * 1e9)))
    assert len(sums) >= SECONDS
    assert [(containers, own) for containers, own in sums if containers > own] == []
