"""Alerts and dashboard: loaded and asked in a real Prometheus that scrapes a real agent as the chart says."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from podtick.model.metrics.row import Level
from podtick.model.metrics.table import rows_at
from tests.kernel.demo import demo, no_other_demo
from tests.support.agent import Agent
from tests.support.dashboard import (
    DASHBOARD,
    RULES,
    VARIABLE,
    alert_queries,
    dashboard_queries,
    metrics_of,
    panels,
    variables,
)
from tests.support.helm import CASES, ROOT, of_kind
from tests.support.prometheus import Prometheus
from tests.support.scrape import Scrape

NODE = "node-7"
TARGET = {"namespace": "podtick", "pod": "podtick-x7k2p", "container": "podtick", "endpoint": "metrics"}
"""What the Operator knows of an agent's pod, and has made labels of before it comes to the chart's relabelings."""
AGENT_PAGE = ROOT / "docs" / "metrics.md"
SELECTOR = re.compile(r"podtick_([a-z]+)_\w+\{([^}]*)\}")
LABEL = re.compile(r"(\w+)=")
CAMEL = re.compile(r"(?<=[a-z])([A-Z])")


def snake(value: Any) -> Any:
    """An endpoint as the Operator writes it into Prometheus' own configuration."""
    if isinstance(value, dict):
        return {CAMEL.sub(lambda found: "_" + found[1].lower(), name): snake(inner) for name, inner in value.items()}
    return [snake(each) for each in value] if isinstance(value, list) else value


def scrape_configuration(kind: str, agent: Agent) -> dict[str, Any]:
    """What the Operator makes of the chart's monitor, with one target that has been discovered already."""
    monitor = of_kind(kind, "--set", "podMonitor.enabled=true,serviceMonitor.enabled=true")
    endpoints = monitor["spec"].get("podMetricsEndpoints") or monitor["spec"]["endpoints"]
    (endpoint,) = (snake(each) for each in endpoints)
    assert endpoint.pop("port") == "metrics"
    endpoint["metrics_path"] = endpoint.pop("path")
    endpoint["relabel_configs"] = endpoint.pop("relabelings")
    labels = {**TARGET, "__meta_kubernetes_pod_node_name": NODE}
    if kind == "ServiceMonitor":
        labels["service"] = "podtick"
    static = {"targets": [f"127.0.0.1:{agent.port}"], "labels": labels}
    return {"job_name": f"podtick/{kind}", "scrape_interval": "1s", **endpoint, "static_configs": [static]}


@pytest.fixture(scope="module")
def agent() -> Iterator[Agent]:
    """An agent with pods that have limits, meet them, and write."""
    with no_other_demo(), demo("--node-name", NODE) as started:
        yield started


@pytest.fixture(scope="module")
def prometheus(agent: Agent) -> Iterator[Prometheus]:
    """Has scraped the agent five times."""
    job = scrape_configuration("PodMonitor", agent)
    with Prometheus({"scrape_configs": [job], "rule_files": [str(RULES)]}) as started:
        known = "count_over_time(podtick_pod_cpu_usage_seconds_total[1m]) >= 5"
        started.wait_until(lambda: bool(started.query(known)), "five scrapes of a pod")
        yield started


def test_a_series_says_whose_it_is_and_no_label_is_left_over(prometheus: Prometheus) -> None:
    series = [each["metric"] for each in prometheus.query('{__name__=~"podtick_.*"}')]
    assert {label for labels in series for label in labels if label.startswith("exported_")} == set()
    assert {(each["node"], each["instance"], each["job"]) for each in series} == {(NODE, NODE, "podtick")}
    levels = {each["__name__"].split("_")[1]: set[str]() for each in series}
    for each in series:
        levels[each["__name__"].split("_")[1]] |= TARGET.keys() & each.keys()
    assert levels == {"pod": {"namespace", "pod"}, "node": set(), "agent": set()}
    assert TARGET["pod"] not in {each.get("pod") for each in series}


def test_both_monitors_scrape_alike(agent: Agent) -> None:
    pod, service = (scrape_configuration(kind, agent) for kind in ("PodMonitor", "ServiceMonitor"))
    differ = {"job_name", "static_configs"}
    assert {k: v for k, v in pod.items() if k not in differ} == {k: v for k, v in service.items() if k not in differ}
    assert of_kind("ServiceMonitor", *CASES["full"])["spec"]["selector"]["matchLabels"].items() <= (
        of_kind("Service", *CASES["full"])["metadata"]["labels"].items()
    )


def test_rules_are_evaluated(prometheus: Prometheus) -> None:
    def rules() -> list[dict[str, Any]]:
        return [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]

    assert len(rules()) == len(alert_queries())
    for query in alert_queries():
        prometheus.query(query)  # or it raises
    assert {rule["health"] for rule in rules()} <= {"ok", "unknown"}  # unknown: not evaluated yet


def test_the_dashboards_queries_return_what_the_agent_has(agent: Agent, prometheus: Prometheus) -> None:
    status, body = agent.get("/metrics?level=pod,node,agent")
    assert status == 200
    has = set(Scrape.parse(body).samples)
    answered = 0
    for query in dashboard_queries():
        found = prometheus.query(query)
        if metrics_of(query) <= has and not query.endswith("> 0"):
            assert found, query
            answered += 1
    assert answered >= 12  # CPU, memory, throttling and the agent's own are known on every machine


def test_every_metric_of_the_dashboard_and_the_alerts_exists() -> None:
    page = AGENT_PAGE.read_text()
    known = {f"podtick_{level}_{row.name}" for level in (Level.POD, Level.NODE) for row in rows_at(level)}
    known |= set(re.findall(r"`(podtick_agent_\w+)`", page))
    for query in (*dashboard_queries(), *alert_queries(), *(str(each["query"]) for each in variables())):
        assert metrics_of(query) <= known, query


def test_every_query_asks_for_labels_that_there_are() -> None:
    known = {"pod": {"node", "namespace", "pod"}, "node": {"node"}, "agent": {"node", "source", "state"}}
    queries = [*dashboard_queries(), *alert_queries(), *(str(each["query"]) for each in variables())]
    asked = [found for query in queries for found in SELECTOR.findall(query)]
    assert len(asked) > len(dashboard_queries())
    for level, matchers in asked:
        assert set(LABEL.findall(matchers)) <= known[level], matchers


def test_the_dashboard_is_whole() -> None:
    every = panels()
    assert len({panel["id"] for panel in every}) == len(every)
    assert {panel["datasource"]["uid"] for panel in every} == {"${datasource}"}
    named = {each["name"] for each in variables()}
    assert named == {"datasource", "node", "namespace", "pod", "scraped"}
    used = {name for panel in every for target in panel["targets"] for name in VARIABLE.findall(target["expr"])}
    assert {each for each in used if not each.startswith("__")} == named - {"datasource"}


def test_the_chart_can_hand_the_dashboard_to_grafana() -> None:
    made = of_kind("ConfigMap", *CASES["full"])
    assert made["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert made["metadata"]["annotations"] == {"grafana_folder": "Pods"}
    assert json.loads(made["data"]["podtick.json"]) == json.loads(DASHBOARD.read_text())
