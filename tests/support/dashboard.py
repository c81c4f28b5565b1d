"""The queries of the dashboard and of the alerts, as Prometheus is asked them."""

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

from tests.support.helm import CHART

DASHBOARD = CHART / "files" / "dashboard.json"
RULES = CHART / "files" / "rules.yaml"
METRIC = re.compile(r"\bpodtick_\w+")
VARIABLE = re.compile(r"\$(\w+)")
ALL = {"node": ".+", "namespace": ".+", "pod": ".+"}
"""Everything; unlike Grafana's own `.*` nothing without the label, so that a misspelt one finds nothing."""
SECONDS = {"__rate_interval": "4s", "__interval": "5s", "scraped": "1s"}
"""What Grafana puts in for a graph whose steps are 5 s, scraped once a second."""


def panels() -> list[dict[str, Any]]:
    """Every panel that shows something."""
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]


def dashboard_queries() -> list[str]:
    """Every query of every panel, with a value for each of its variables."""
    return [filled(target["expr"]) for panel in panels() for target in panel["targets"]]


def alert_queries() -> list[str]:
    """The condition of every alert."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule["expr"] for group in groups for rule in group["rules"]]


def metrics_of(query: str) -> set[str]:
    """The names of podtick's metrics in a query."""
    return set(METRIC.findall(query))


def filled(expression: str) -> str:
    """An expression as Grafana sends it; a variable that there is not is a KeyError."""
    return VARIABLE.sub(lambda found: (ALL | SECONDS)[found[1]], expression)


def variables() -> Iterator[dict[str, Any]]:
    """What can be chosen above the panels."""
    yield from json.loads(DASHBOARD.read_text())["templating"]["list"]
