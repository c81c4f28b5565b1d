"""What the agents may do: nothing that they can do without."""

from typing import Any

import pytest

from tests.support.cluster.account import RULES
from tests.support.helm import CASES, of_kind, pod_spec, rendered

each_case = pytest.mark.parametrize("case", sorted(CASES))
READS_JOBS = {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["get"]}


def container(*words: str) -> dict[str, Any]:
    (only,) = pod_spec(*words)["containers"]
    found: dict[str, Any] = only
    return found


def test_the_role_is_the_one_that_the_agent_is_tried_with_at_a_real_api_server() -> None:
    assert of_kind("ClusterRole")["rules"] == RULES
    owners = of_kind("ClusterRole", "--set", "rbac.ownerLookup=true")
    assert owners["rules"] == [*RULES, READS_JOBS]


@each_case
def test_no_rule_has_a_wildcard(case: str) -> None:
    for document in rendered(*CASES[case]):
        for rule in document.get("rules") or []:
            assert not any("*" in text for what in rule.values() for text in what)


def test_without_rbac_there_is_no_role() -> None:
    assert not {"ClusterRole", "ClusterRoleBinding"} & {document["kind"] for document in rendered(*CASES["least"])}


def test_without_an_api_server_there_is_no_token() -> None:
    spec = pod_spec(*CASES["least"])
    assert spec["automountServiceAccountToken"] is False
    assert spec["serviceAccountName"] == "default"
    assert "Pod" not in {document["kind"] for document in rendered(*CASES["least"])}  # the test asks the API server
    assert of_kind("NetworkPolicy", *CASES["least"])["spec"]["egress"] == []


@each_case
def test_nothing_limits_the_cpu(case: str) -> None:
    limits = container(*CASES[case])["resources"]["limits"]
    assert "memory" in limits
    assert "cpu" not in limits


@pytest.mark.parametrize("kind", ["DaemonSet", "Pod"])
def test_the_restricted_standard_holds_but_for_host_paths(kind: str) -> None:
    spec = pod_spec() if kind == "DaemonSet" else of_kind("Pod")["spec"]
    assert {each: spec["securityContext"][each] for each in ("runAsNonRoot", "runAsUser", "runAsGroup")} == {
        "runAsNonRoot": True,
        "runAsUser": 9752,
        "runAsGroup": 9752,
    }
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not any(spec.get(each) for each in ("hostPID", "hostNetwork", "hostIPC", "initContainers"))
    assert spec["enableServiceLinks"] is False


@each_case
def test_every_mount_is_read_only_and_of_a_directory(case: str) -> None:
    spec = pod_spec(*CASES[case])
    assert all(each["readOnly"] for each in spec["containers"][0]["volumeMounts"])
    assert {each["hostPath"]["type"] for each in spec["volumes"]} == {"Directory"}


@pytest.mark.parametrize(
    ("words", "mounts", "engine"),
    [
        ("runtime=auto", {}, "none"),
        ("runtime=containerd", {}, "none"),
        ("runtime=crio", {}, "none"),
        ("runtime=containerd,docker.socketGroup=998", {}, "none"),
        ("runtime=docker,docker.socketGroup=998", {"/host/run": "/run"}, "unix:///host/run/docker.sock"),
        ("runtime=auto,docker.socketGroup=998", {"/host/run": "/run"}, "auto:unix:///host/run/docker.sock"),
        (
            "runtime=docker,docker.socketGroup=0,docker.socket=/run/podman/podman.sock",
            {"/host/run/podman": "/run/podman"},
            "unix:///host/run/podman/podman.sock",
        ),
    ],
)
def test_each_runtime_is_given_what_it_needs(words: str, mounts: dict[str, str], engine: str) -> None:
    spec = pod_spec("--set", words)
    sources = {each["name"]: each["hostPath"]["path"] for each in spec["volumes"]}
    assert {each["mountPath"]: sources[each["name"]] for each in spec["containers"][0]["volumeMounts"]} == {
        "/host/proc": "/proc",
        "/host/sys/fs/cgroup": "/sys/fs/cgroup",
        **mounts,
    }
    told = {each["name"]: each.get("value") for each in spec["containers"][0]["env"]}
    assert told["PODTICK_DOCKER_HOST"] == engine


@pytest.mark.parametrize(
    ("case", "groups"), [("default", None), ("containerd", None), ("docker", [0]), ("mixed", [998])]
)
def test_only_who_is_given_the_socket_is_in_its_group(case: str, groups: list[int] | None) -> None:
    assert pod_spec(*CASES[case])["securityContext"].get("supplementalGroups") == groups


def test_groups_of_the_pod_are_kept_beside_the_sockets() -> None:
    context = pod_spec("--set", "podSecurityContext.supplementalGroups={5},docker.socketGroup=998")["securityContext"]
    assert context["supplementalGroups"] == [5, 998]


@pytest.mark.parametrize("more", ["nodeSelector.pool=general", "nodeSelector.kubernetes\\.io/os=windows"])
def test_no_windows_node_gets_an_agent(more: str) -> None:
    assert pod_spec()["nodeSelector"] == {"kubernetes.io/os": "linux"}
    for kind in ("DaemonSet", "Pod"):
        document = of_kind(kind, "--set", more)
        spec = document["spec"]["template"]["spec"] if kind == "DaemonSet" else document["spec"]
        assert spec["nodeSelector"]["kubernetes.io/os"] == "linux"


def test_every_taint_is_tolerated() -> None:
    assert pod_spec()["tolerations"] == [{"operator": "Exists"}]


def test_on_openshift_the_account_may_what_the_pod_asks_for() -> None:
    scc, spec = of_kind("SecurityContextConstraints", *CASES["crio"]), pod_spec(*CASES["crio"])
    assert scc["users"] == [f"system:serviceaccount:podtick:{spec['serviceAccountName']}"]
    assert scc["allowHostDirVolumePlugin"]
    assert not any(scc[f"allow{each}"] for each in ("HostPID", "HostNetwork", "HostPorts", "HostIPC"))
    assert not scc["allowPrivilegedContainer"]
    assert spec["securityContext"]["seLinuxOptions"] == {"type": "spc_t"}
    full = of_kind("SecurityContextConstraints", *CASES["full"])
    assert full["allowHostPID"]
    assert full["allowHostPorts"]


def test_who_may_connect_where() -> None:
    policy = of_kind("NetworkPolicy", "--set", "networkPolicy.enabled=true")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["ingress"] == [{"ports": [{"port": "metrics", "protocol": "TCP"}]}]
    assert [each["port"] for each in policy["egress"][0]["ports"]] == [443, 6443]
    chosen = of_kind("NetworkPolicy", *CASES["full"])["spec"]["ingress"][0]["from"]
    test = of_kind("Pod", *CASES["full"])["metadata"]["labels"].items()
    assert any(each.get("podSelector", {}).get("matchLabels", {"no": "one"}).items() <= test for each in chosen)
