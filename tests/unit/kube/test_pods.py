"""What the API says of a pod, and what becomes of it."""

from datetime import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podtick.sources.kube import wire
from podtick.sources.kube.pods import NANOS, Container, Kept, Pod, pod_of
from podtick.sources.kube.quantities import quantity

UID, ID, FORMER = "0f1e2d3c-0000-4000-8000-000000000001", "a1" * 32, "b2" * 32
METADATA = {"name": "cart-7d4-x2", "namespace": "shop", "uid": UID}


def decoded(spec: dict[str, Any], status: dict[str, Any], **metadata: Any) -> Pod:
    body = {"metadata": METADATA | metadata, "spec": spec, "status": status}
    return pod_of(wire.decode(wire.POD, msgspec.json.encode(body), "a pod"))


def test_a_running_pod_of_a_deployment() -> None:
    pod = decoded(
        {
            "containers": [
                {"name": "app", "image": "cart:2", "resources": {"requests": {"cpu": "250m", "memory": "64Mi"}}},
                {"name": "log", "image": "log:1"},
            ],
            "initContainers": [
                {"name": "migrate", "image": "cart:2", "resources": {"requests": {"cpu": "4"}}},
                {"name": "mesh", "restartPolicy": "Always", "resources": {"requests": {"cpu": 0.5, "memory": 1024}}},
            ],
            "hostNetwork": True,
            "runtimeClassName": "kata",
        },
        {
            "phase": "Running",
            "qosClass": "Burstable",
            "startTime": "2026-11-26T20:00:00Z",
            "containerStatuses": [
                {
                    "name": "app",
                    "containerID": f"containerd://{ID}",
                    "restartCount": 3,
                    "state": {"running": {"startedAt": "2026-11-26T20:05:00Z"}},
                    "lastState": {"terminated": {"containerID": f"containerd://{FORMER}"}},
                }
            ],
        },
        labels={"pod-template-hash": "7d4", "app": "cart"},
        ownerReferences=[
            {"kind": "Other", "name": "x"},
            {"kind": "ReplicaSet", "name": "cart-7d4", "controller": True},
        ],
    )
    assert pod.facts == {
        "owner_kind": "Deployment",
        "owner_name": "cart",
        "qos": "Burstable",
        "phase": "Running",
        "host_network": "true",
        "runtime_class": "kata",
    }
    assert (pod.cpu_request, pod.memory_request) == (750_000_000, (64 << 20) + 1024)
    assert pod.started == int(datetime.fromisoformat("2026-11-26T20:00:00Z").timestamp()) * NANOS
    assert pod.containers == {ID: "app", FORMER: "app"}
    started = int(datetime.fromisoformat("2026-11-26T20:05:00Z").timestamp()) * NANOS
    assert pod.details["app"] == Container("app", "cart:2", 250_000_000, 64 << 20, ID, 3, started)
    assert pod.details["log"] == Container("log", "log:1")
    assert set(pod.details) == {"app", "log", "migrate", "mesh"}


def test_a_pod_of_which_little_is_said() -> None:
    pod = decoded({}, {})
    assert pod == Pod("shop", "cart-7d4-x2", UID, UID)
    assert (pod.facts, pod.containers, pod.details) == ({}, {}, {})


@pytest.mark.parametrize(
    ("owner", "labels", "expected"),
    [
        ({"kind": "StatefulSet", "name": "db", "controller": True}, {}, ("StatefulSet", "db")),
        ({"kind": "Job", "name": "once", "controller": True}, {}, ("Job", "once")),
        ({"kind": "ReplicaSet", "name": "cart-7d4", "controller": True}, {}, ("ReplicaSet", "cart-7d4")),
        (
            {"kind": "ReplicaSet", "name": "cart", "controller": True},
            {"pod-template-hash": "7d4"},
            ("ReplicaSet", "cart"),
        ),
        ({"kind": "ReplicaSet", "name": "cart-7d4"}, {"pod-template-hash": "7d4"}, (None, None)),
    ],
)
def test_who_made_it(owner: dict[str, Any], labels: dict[str, str], expected: tuple[str | None, str | None]) -> None:
    facts = decoded({}, {}, ownerReferences=[owner], labels=labels).facts
    assert (facts.get("owner_kind"), facts.get("owner_name")) == expected


def test_labels_and_annotations_are_kept_by_name_alone() -> None:
    labels = {"app.kubernetes.io/name": "cart", "team": "a", "pod-template-hash": "7d4"}
    metadata = METADATA | {"labels": labels, "annotations": {"team": "b", "secret": "c"}}
    found = wire.decode(wire.POD, msgspec.json.encode({"metadata": metadata}), "a pod")
    kept = Kept(frozenset({"app.kubernetes.io/name", "absent"}), frozenset({"team"}))
    assert pod_of(found, kept).facts == {"label_app_kubernetes_io_name": "cart", "annotation_team": "b"}
    assert pod_of(found).facts == {}


def test_what_the_pod_as_a_whole_asks_for_counts() -> None:
    container = {"name": "app", "resources": {"requests": {"cpu": "1"}}}
    pod = decoded({"containers": [container], "resources": {"requests": {"cpu": "1500m"}}}, {})
    assert pod.cpu_request == 1_500_000_000
    assert pod.memory_request is None


@pytest.mark.parametrize(
    ("text", "parts", "expected"),
    [
        ("0", 1, 0),
        ("1", NANOS, NANOS),
        ("100m", NANOS, 100_000_000),
        ("1n", NANOS, 1),
        ("0.5n", NANOS, 1),  # rounded up, as the API does
        ("1.5", NANOS, 1_500_000_000),
        (".5", NANOS, 500_000_000),
        ("128Mi", 1, 128 << 20),
        ("1.5Gi", 1, 3 << 29),
        ("1k", 1, 1000),
        ("1M", 1, 10**6),
        ("1e3", 1, 1000),
        ("1E3", 1, 1000),
        ("1E", 1, 10**18),
        ("12e-1", 1, 2),
        ("+5", 1, 5),
        ("8Ei", 1, None),
        ("-1", 1, None),
        ("", 1, None),
        ("1K", 1, None),
        ("1 Gi", 1, None),
        ("one", 1, None),
        ("1" * 70, 1, None),
    ],
)
def test_quantities(text: str, parts: int, expected: int | None) -> None:
    assert quantity(text, parts) == expected


@given(st.text())
def test_whatever_stands_there_is_a_number_or_none(text: str) -> None:
    found = quantity(text)
    assert found is None or 0 <= found < 2**63
