"""The fields of other projects' objects that the chart uses: the package `kubernetes` has no models of those.

Written down from their definitions (Prometheus Operator 0.95, OpenShift 4, VPA 1): a small check against misspelling,
not a whole schema.
"""

from collections.abc import Iterator, Mapping
from typing import Any

ANY: Mapping[str, Any] = {"*": None}


def _plain(names: str) -> dict[str, Any]:
    return dict.fromkeys(names.split())


METADATA = {**_plain("name namespace"), "labels": ANY, "annotations": ANY}
RELABELING = _plain("action regex replacement separator sourceLabels targetLabel modulus")
ENDPOINT = {
    **_plain("port path interval scrapeTimeout scheme honorLabels honorTimestamps trackTimestampsStaleness"),
    "params": ANY,
    "relabelings": RELABELING,
    "metricRelabelings": RELABELING,
}
MONITOR = {"selector": {"matchLabels": ANY}, "namespaceSelector": ANY, "jobLabel": None}
RULE = {**_plain("alert expr for"), "labels": ANY, "annotations": ANY}
SCC = {
    **_plain("allowHostDirVolumePlugin allowHostIPC allowHostNetwork allowHostPID allowHostPorts"),
    **_plain("allowPrivilegeEscalation allowPrivilegedContainer allowedCapabilities defaultAddCapabilities"),
    **_plain("requiredDropCapabilities readOnlyRootFilesystem seccompProfiles volumes users groups"),
    **{each: _plain("type") for each in ("runAsUser", "seLinuxContext", "fsGroup", "supplementalGroups")},
}
VPA = {
    "targetRef": _plain("apiVersion kind name"),
    "updatePolicy": _plain("updateMode"),
    "resourcePolicy": {"containerPolicies": _plain("containerName controlledValues")},
}


def _kind(**fields: Any) -> Mapping[str, Any]:
    return {**_plain("apiVersion kind"), "metadata": METADATA, **fields}


FIELDS: Mapping[str, Mapping[str, Any]] = {
    "PodMonitor": _kind(spec={**MONITOR, "podMetricsEndpoints": ENDPOINT}),
    "ServiceMonitor": _kind(spec={**MONITOR, "endpoints": ENDPOINT}),
    "PrometheusRule": _kind(spec={"groups": {**_plain("name interval"), "rules": RULE}}),
    "SecurityContextConstraints": _kind(**SCC),
    "VerticalPodAutoscaler": _kind(spec=VPA),
}


def unknown(value: Any, fields: Mapping[str, Any] | None, path: str = "") -> list[str]:
    """The paths of the fields that are not among these; a list is as its items."""
    return list(_unknown(value, fields, path))


def _unknown(value: Any, fields: Mapping[str, Any] | None, path: str) -> Iterator[str]:
    if fields is None or "*" in fields:
        return
    if isinstance(value, list):
        for item in value:
            yield from _unknown(item, fields, f"{path}[]")
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name in fields:
                yield from _unknown(inner, fields[name], f"{path}.{name}")
            else:
                yield f"{path}.{name}"
