"""Every example of values is rendered; helm's linter and the models of the package `kubernetes` look at the result."""

from typing import Any

import pytest
from kubernetes import client

from tests.chart.custom import FIELDS, unknown
from tests.support.helm import BUILT_IN, CASES, CHART, HelmError, helm, of_kind, rendered

SHARED = ("name", "instance", "version", "component", "part-of", "managed-by")

each_case = pytest.mark.parametrize("case", sorted(CASES))


@each_case
def test_the_linter_has_nothing_to_say(case: str) -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART), *CASES[case])


@each_case
def test_kubernetes_knows_every_field(case: str) -> None:
    for document in rendered(*CASES[case]):
        if document["apiVersion"] in BUILT_IN:
            model = getattr(client, f"V1{document['kind']}")
            model.model_validate(document, by_alias=True, by_name=False)
        else:
            assert unknown(document, FIELDS[document["kind"]]) == [], document["kind"]


def test_a_misspelt_field_would_be_seen() -> None:
    wrong: dict[str, Any] = of_kind("DaemonSet") | {"spec": of_kind("DaemonSet")["spec"] | {"update_strategy": {}}}
    with pytest.raises(ValueError, match="update_strategy"):
        client.V1DaemonSet.model_validate(wrong, by_alias=True, by_name=False)
    monitor = of_kind("PodMonitor", *CASES["full"])
    wrong = monitor | {"spec": monitor["spec"] | {"podMetricsEndpoints": [{"port": "metrics", "honourLabels": True}]}}
    assert unknown(wrong, FIELDS["PodMonitor"]) == [".spec.podMetricsEndpoints[].honourLabels"]


def test_every_kind_of_object_is_in_some_example() -> None:
    assert {document["kind"] for document in rendered(*CASES["full"])} >= {
        *("DaemonSet", "Service", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Pod", "ConfigMap"),
        *("PodMonitor", "ServiceMonitor", "PrometheusRule", "NetworkPolicy", "SecurityContextConstraints"),
        "VerticalPodAutoscaler",
    }


def test_by_default_nothing_is_made_that_a_cluster_may_not_know() -> None:
    assert {document["apiVersion"] for document in rendered()} <= BUILT_IN


@each_case
def test_every_object_has_the_recommended_labels(case: str) -> None:
    for document in rendered(*CASES[case]):
        if not document["metadata"]["name"].endswith(("-map", "-text")):  # the example's own
            labels = document["metadata"]["labels"]
            assert [f"app.kubernetes.io/{each}" for each in SHARED if f"app.kubernetes.io/{each}" not in labels] == []


def test_no_two_objects_are_the_same() -> None:
    documents = rendered(*CASES["full"])
    assert len({(each["kind"], each["metadata"]["name"]) for each in documents}) == len(documents)


def test_labels_for_all_are_on_all_and_change_no_selector() -> None:
    for document in rendered("--set", "commonLabels.team=nodes,commonLabels.app\\.kubernetes\\.io/name=x"):
        assert document["metadata"]["labels"]["team"] == "nodes"
        assert document["metadata"]["labels"]["app.kubernetes.io/name"] == "podtick"
    assert of_kind("DaemonSet", *CASES["full"])["spec"]["selector"]["matchLabels"].keys() == {
        f"app.kubernetes.io/{each}" for each in ("name", "instance", "component")
    }


def test_the_selector_finds_the_agents_and_not_the_test() -> None:
    agents = of_kind("DaemonSet")["spec"]
    wanted = agents["selector"]["matchLabels"].items()
    assert wanted <= agents["template"]["metadata"]["labels"].items()
    assert wanted == of_kind("Service")["spec"]["selector"].items()
    assert not wanted <= of_kind("Pod")["metadata"]["labels"].items()


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ((), "podtick"),
        (("--set", "nameOverride=ticks"), "podtick-ticks"),
        (("--set", "fullnameOverride=seconds"), "seconds"),
    ],
)
def test_names(words: tuple[str, ...], name: str) -> None:
    assert of_kind("DaemonSet", *words)["metadata"]["name"] == name
    assert of_kind("ClusterRoleBinding", *words)["subjects"][0]["name"] == name


def test_a_release_of_another_name_and_namespace() -> None:
    documents = rendered(name="other", namespace="monitoring")
    assert {document["metadata"]["name"] for document in documents} == {"other-podtick", "other-podtick-test"}
    binding = next(document for document in documents if document["kind"] == "ClusterRoleBinding")
    assert binding["subjects"][0]["namespace"] == "monitoring"


@pytest.mark.parametrize(
    ("words", "image"),
    [
        ("image.tag=2.0", "podtick:2.0"),
        ("global.anothers=value,image.tag=2.0", "podtick:2.0"),
        ("global.imageRegistry=registry.example,image.tag=2.0", "registry.example/podtick:2.0"),
        (f"image.tag=2.0,image.digest=sha256:{64 * 'a'}", f"podtick@sha256:{64 * 'a'}"),
    ],
)
def test_image(words: str, image: str) -> None:
    for kind in ("DaemonSet", "Pod"):
        document = of_kind(kind, "--set", words)
        spec = document["spec"]["template"]["spec"] if kind == "DaemonSet" else document["spec"]
        assert spec["containers"][0]["image"] == image


def test_secrets_for_pulling_are_named_once() -> None:
    spec = of_kind("DaemonSet", *CASES["full"])["spec"]["template"]["spec"]
    assert spec["imagePullSecrets"] == [{"name": "company"}, {"name": "podtick"}]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("imgae.tag=x", "additional properties 'imgae' not allowed"),
        ("image.tga=x", "at '/image': additional properties 'tga' not allowed"),
        ("podMonitor.intervall=1s", "at '/podMonitor': additional properties 'intervall' not allowed"),
        ("grafana.dashboard.enable=true", "at '/grafana/dashboard': additional properties 'enable' not allowed"),
        ("runtime=cri-o", "at '/runtime': value must be one of 'auto', 'docker', 'containerd', 'crio'"),
        ("agent.history=1day", "at '/agent/history': '1day' does not match pattern"),
        ("podMonitor.levels={pods}", "at '/podMonitor/levels/0': value must be one of"),
        ("networkPolicy.enabled=yes", "at '/networkPolicy/enabled': got string, want boolean"),
        ("runtime=docker", "runtime: docker needs docker.socketGroup"),
    ],
)
def test_a_wrong_value_is_refused_by_name(wrong: str, told: str) -> None:
    with pytest.raises(HelmError) as refused:
        rendered("--set", wrong)
    assert told in str(refused.value)
