"""What kubernetes-mixin asks of cAdvisor, asked of podtick in a real Prometheus, with its own filters and joins.

The agent watches a recorded machine whose containers are labelled as a kubelet labels them. `kube_pod_info`, which
kube-state-metrics would serve, is a constant here.
"""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.agent import Agent
from tests.support.prometheus import Prometheus
from tests.support.scrape import Scrape
from tests.support.trees import Tree, lay_out
from tests.unit.docker.scripted import ScriptedEngine, inspected, listed

POD = {"namespace": "shop", "pod": "cart-1"}
NODE = "node-7"
SANDBOX, APP, WRITER = "idle", "throttled", "writing"
CADVISOR = 'job="cadvisor"'
ON_NODE = "* on (cluster, namespace, pod) group_left (node) topk by (cluster, namespace, pod) (1, {})".format(
    'max by (cluster, namespace, pod, node) (kube_pod_info{node!=""})'
)
PREFIX = "node_namespace_pod_container:container_"
GAUGES = {
    "memory_working_set_bytes": "memory_working_set_bytes",
    "memory_rss": "memory_rss_bytes",
    "memory_cache": "memory_cache_bytes",
    "memory_swap": "memory_swap_bytes",
}
"""cAdvisor's names, and podtick's."""
USAGE = "podtick_container_cpu_usage_seconds_total"
CPU = {
    f"{PREFIX}cpu_usage_seconds_total:sum_{rate}": (
        "sum by (cluster, namespace, pod, container) "
        f'({function}(container_cpu_usage_seconds_total{{{CADVISOR},image!=""}}[5m])) {ON_NODE}'
    )
    for rate, function in (("irate", "irate"), ("rate5m", "rate"))
}
RULES = CPU | {f"{PREFIX}{gauge}": f'container_{gauge}{{{CADVISOR},image!=""}} {ON_NODE}' for gauge in GAUGES}
"""The mixin's recording rules about CPU and memory of containers."""
DISKS = 'device=~"(/dev.+)|mmcblk.p.+|nvme.+|rbd.+|sd.+|vd.+|xvd.+|dm-.+|dasd.+"'
PANELS = {
    "throttled, of a container": (
        'sum by (container) (increase(container_cpu_cfs_throttled_periods_total{job="cadvisor",container!=""}[5m]))'
        ' / sum by (container) (increase(container_cpu_cfs_periods_total{job="cadvisor",container!=""}[5m]))'
    ),
    "throttled, alert": (
        'sum by (container, pod, namespace) (increase(container_cpu_cfs_throttled_periods_total{container!=""}[5m]))'
        " / sum by (container, pod, namespace) (increase(container_cpu_cfs_periods_total[5m])) > 0.25"
    ),
    "throttled seconds, of a namespace": (
        'sum by (namespace) (increase(container_cpu_cfs_throttled_seconds_total{job="cadvisor"}[5m]))'
    ),
    "memory, of a node's pods": (
        "sum by (pod) (max by (cluster, namespace, pod, container) "
        f'(container_memory_working_set_bytes{{job="cadvisor",node="{NODE}",container!="",image!=""}}))'
    ),
    **{
        f"{direction} {what}": (
            "sum by (namespace) ("
            f'rate(container_network_{direction}_{what}_total{{{CADVISOR},namespace=~".+"}}[5m])'
            " * on (cluster, namespace, pod) group_left () topk by (cluster, namespace, pod) (1, "
            'max by (cluster, namespace, pod) (kube_pod_info{host_network="false"})))'
        )
        for direction in ("receive", "transmit")
        for what in ("bytes", "packets", "packets_dropped")
    },
    **{
        f"disk {what}": (
            "sum by (namespace) ("
            f'rate(container_fs_reads{what}_total{{{CADVISOR},{DISKS},container!="",namespace!=""}}[5m])'
            f' + rate(container_fs_writes{what}_total{{{CADVISOR},{DISKS},container!="",namespace!=""}}[5m]))'
        )
        for what in ("", "_bytes")
    },
}
"""One of each kind of query in the mixin's dashboards and alerts about containers."""


def describe(engine: ScriptedEngine, tree: Tree) -> None:
    """One pod: a sandbox that has the network, and two containers."""
    for name in (SANDBOX, APP, WRITER):
        container = tree.containers[name]
        number, is_sandbox = int(container.id, 16), name == SANDBOX
        labels = {
            "io.kubernetes.pod.namespace": POD["namespace"],
            "io.kubernetes.pod.name": POD["pod"],
            "io.kubernetes.pod.uid": "0b5c3f1e-1111-4222-8333-944444444444",
            "io.kubernetes.container.name": "POD" if is_sandbox else name,
            "io.kubernetes.docker.type": "podsandbox" if is_sandbox else "container",
        }
        host = {"NetworkMode": "default" if is_sandbox else f"container:{tree.containers[SANDBOX].id}"}
        engine.containers[number] = (
            listed(number, Names=[f"/k8s_{name}"], Labels=labels, HostConfig=host),
            inspected(
                number,
                Name=f"/k8s_{name}",
                state={"Pid": container.pid},
                HostConfig=host,
                Config={"Image": "shop/cart:1", "Labels": labels},
            ),
        )


def work(file: Path) -> None:
    """Let every counter of a cpu.stat rise: a tenth of a second each time, throttled in each of its periods."""
    lines = [line.split() for line in file.read_text().splitlines()]
    steps = {"usec": 100_000, "periods": 1, "throttled": 1}
    file.write_text("".join(f"{key} {int(value) + steps.get(key.rpartition('_')[2], 0)}\n" for key, value in lines))


def asked(engine: ScriptedEngine, tree: Tree, rules: Path) -> tuple[Scrape, dict[str, list[dict[str, Any]]]]:
    """A scrape of podtick's own names, and what every rule and every panel has come to."""
    where = ("--proc", str(tree.proc), "--cgroup", str(tree.cgroup), "--docker-host", str(engine.endpoint))
    busy = tree.find(APP, "cpu.stat")
    queries = {name: name for name in RULES} | PANELS
    found: dict[str, list[dict[str, Any]]] = {}
    with (
        Agent(*where, namespace=POD["namespace"]) as agent,
        Prometheus(configuration(agent, rules)) as prometheus,
    ):

        def known() -> bool:
            work(busy)
            found.update({name: prometheus.query(expression) for name, expression in queries.items()})
            both = all(by_container(found[name]).keys() == {APP, WRITER} for name in RULES)
            return both and all(found.values()) and all(by_container(found[name])[APP] > 0 for name in CPU)

        prometheus.wait_until(known, "data of every rule and panel, and a CPU that is in use")
        return agent.next_tick(), found


def configuration(agent: Agent, rules: Path) -> dict[str, Any]:
    """The mixin's rules, and the job as docs/api.md has it."""
    pod_info = {**POD, "node": NODE, "host_network": "false", "job": "kube-state-metrics"}
    group = [{"record": "kube_pod_info", "expr": "vector(1)", "labels": pod_info}]
    group += [{"record": name, "expr": expression} for name, expression in RULES.items()]
    rules.write_text(json.dumps({"groups": [{"name": "mixin", "rules": group}]}))
    job = {
        "job_name": "cadvisor",
        "metrics_path": "/metrics/cadvisor",
        "honor_labels": True,
        "static_configs": [{"targets": [f"127.0.0.1:{agent.port}"], "labels": {"node": NODE}}],
    }
    seconds = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    return {"global": seconds, "scrape_configs": [job], "rule_files": [str(rules)]}


def by_container(found: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Values by container; two of one container are an error."""
    assert len({each["metric"]["container"] for each in found}) == len(found), found
    return {each["metric"]["container"]: float(each["value"][1]) for each in found}


async def test_rules_alerts_and_panels_come_to_data_and_nothing_is_counted_twice(tmp_path: Path) -> None:
    tree = lay_out("v2-systemd", tmp_path)
    async with ScriptedEngine() as engine:
        describe(engine, tree)
        scrape, found = await asyncio.to_thread(asked, engine, tree, tmp_path / "rules.json")
    for name in RULES:
        assert {(each["metric"]["node"], each["metric"]["pod"]) for each in found[name]} == {(NODE, POD["pod"])}
    for gauge, own in GAUGES.items():
        values = {name: scrape.known(f"podtick_container_{own}", container=name) for name in (APP, WRITER)}
        assert by_container(found[f"{PREFIX}{gauge}"]) == values
    for name in CPU:
        cores = by_container(found[name])
        assert cores[APP] > cores[WRITER] == 0
    working_set = sum(by_container(found[f"{PREFIX}memory_working_set_bytes"]).values())
    assert [float(each["value"][1]) for each in found["memory, of a node's pods"]] == [working_set]
    assert by_container(found["throttled, of a container"]) == {APP: 1}
    assert by_container(found["throttled, alert"]) == {APP: 1}
