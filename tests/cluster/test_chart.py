"""The chart at a real API server, which validates every field and decides what the agents' account may do.

There are no nodes here: pods are objects only.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.cluster import ControlPlane
from tests.support.cluster.build import programs
from tests.support.helm import CASES, CHART, ROOT, HelmError, helm

WATCH = "watch"
SHOP = "shop"
RELEASE = "ticks"
FOREIGN = "podMonitor.enabled=false,serviceMonitor.enabled=false,prometheusRule.enabled=false,openshift.scc=false"
FULLEST = (*CASES["full"], "--set", f"{FOREIGN},verticalPodAutoscaler.enabled=false")
"""Everything that a cluster without anybody's own kinds of objects knows."""
KINDS = (
    *(
        f"/api/v1/namespaces/{WATCH}/{each}"
        for each in ("services", "serviceaccounts", "configmaps", "secrets", "pods")
    ),
    f"/apis/apps/v1/namespaces/{WATCH}/daemonsets",
    f"/apis/networking.k8s.io/v1/namespaces/{WATCH}/networkpolicies",
    *(f"/apis/rbac.authorization.k8s.io/v1/{each}" for each in ("clusterroles", "clusterrolebindings")),
)


@pytest.fixture(scope="module")
def kubeconfig(cluster: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An administrator's; there is a namespace for the chart."""
    pod_security = {"pod-security.kubernetes.io/enforce": "privileged"}
    cluster.create("/api/v1/namespaces", {"metadata": {"name": WATCH, "labels": pod_security}})
    admin = {"client-certificate": str(cluster.root / "admin.pem"), "client-key": str(cluster.root / "admin.key")}
    known = {"server": cluster.url, "certificate-authority": str(cluster.authority)}
    file = tmp_path_factory.mktemp("chart") / "kubeconfig"
    context = {"cluster": "test", "user": "admin", "namespace": WATCH}
    file.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "test", "cluster": known}],
                "users": [{"name": "admin", "user": admin}],
                "contexts": [{"name": "test", "context": context}],
                "current-context": "test",
            }
        )
    )
    return file


@contextmanager
def installed(kubeconfig: Path, *words: str) -> Iterator[tuple[str, ...]]:
    """The chart is installed meanwhile; what helm has to be told of it each time."""
    where = ("--kubeconfig", str(kubeconfig), "--namespace", WATCH)
    helm("install", RELEASE, str(CHART), *where, *words)
    try:
        yield where
    finally:
        helm("uninstall", RELEASE, *where)


def objects(cluster: ControlPlane) -> set[str]:
    """Every object of the kinds that the chart and helm make."""
    return {
        f"{kind.rpartition('/')[2]}/{each['metadata']['name']}"
        for kind in KINDS
        for each in cluster.ask("GET", kind)["items"]
    }


def may(cluster: ControlPlane, verb: str, resource: str, namespace: str = "", group: str = "") -> bool:
    """Whether the agents' account may do this."""
    what = {"verb": verb, "resource": resource, "namespace": namespace, "group": group}
    subject = {
        "user": f"system:serviceaccount:{WATCH}:{RELEASE}-podtick",
        "groups": ["system:serviceaccounts", f"system:serviceaccounts:{WATCH}", "system:authenticated"],
    }
    review = cluster.create(
        "/apis/authorization.k8s.io/v1/subjectaccessreviews", {"spec": {**subject, "resourceAttributes": what}}
    )
    return bool(review["status"]["allowed"])


def pod_on(cluster: ControlPlane, namespace: str, name: str, node: str, template: dict[str, Any]) -> None:
    """A pod that has been scheduled, made from a template."""
    metadata = {**template.get("metadata", {}), "name": name}
    spec = {**template["spec"], "nodeName": node}
    cluster.create(f"/api/v1/namespaces/{namespace}/pods", {"metadata": metadata, "spec": spec})


def test_install_upgrade_and_uninstall_leave_nothing_behind(cluster: ControlPlane, kubeconfig: Path) -> None:
    before = objects(cluster)
    with installed(kubeconfig) as where:
        made = objects(cluster) - before
        assert made >= {f"{each}/{RELEASE}-podtick" for each in ("daemonsets", "services", "clusterroles")}
        helm("upgrade", RELEASE, str(CHART), *where, *FULLEST)
        assert objects(cluster) > before
        helm("rollback", RELEASE, "1", *where)
        assert {each for each in objects(cluster) - before if not each.startswith("secrets/")} == {
            each for each in made if not each.startswith("secrets/")
        }
    assert objects(cluster) == before


def test_without_the_operators_kinds_helm_says_which_and_installs_nothing(
    cluster: ControlPlane, kubeconfig: Path
) -> None:
    before = objects(cluster)
    where = ("--kubeconfig", str(kubeconfig), "--namespace", WATCH)
    with pytest.raises(HelmError, match="PodMonitor"):
        helm("install", RELEASE, str(CHART), *where, "--set", "podMonitor.enabled=true")
    assert objects(cluster) == before


def test_the_account_may_do_what_the_agent_does_and_nothing_else(cluster: ControlPlane, kubeconfig: Path) -> None:
    with installed(kubeconfig) as where:
        assert all(may(cluster, verb, "pods", SHOP) for verb in ("get", "list", "watch"))
        assert may(cluster, "get", "nodes")
        assert not any(may(cluster, verb, "nodes") for verb in ("list", "watch", "update", "patch"))
        for verb in ("create", "delete", "patch"):
            assert not may(cluster, verb, "pods", SHOP)
        assert not any(may(cluster, "get", resource, SHOP) for resource in ("secrets", "configmaps", "pods/log"))
        assert not may(cluster, "create", "pods/exec", SHOP)
        assert not may(cluster, "get", "jobs", SHOP, "batch")
        helm("upgrade", RELEASE, str(CHART), *where, "--set", "rbac.ownerLookup=true")
        assert may(cluster, "get", "jobs", SHOP, "batch")
        assert not may(cluster, "list", "jobs", SHOP, "batch")


def test_the_notes_find_the_agent_of_a_pods_node(cluster: ControlPlane, kubeconfig: Path, name: str) -> None:
    pod_on(cluster, SHOP, name, "node-b", {"spec": {"containers": [{"name": "web", "image": "web"}]}})
    with installed(kubeconfig) as where:
        daemon_set = cluster.ask("GET", f"/apis/apps/v1/namespaces/{WATCH}/daemonsets/{RELEASE}-podtick")
        for node in ("node-a", "node-b", "node-c"):
            pod_on(cluster, WATCH, f"agent-on-{node}", node, daemon_set["spec"]["template"])
        notes = json.loads(helm("status", RELEASE, *where, "--output", "json"))["info"]["notes"]
        lines = [line.strip() for line in notes.splitlines()]
        found = [line for line in lines if line.startswith(("NODE=", "AGENT="))]
        path = f"{programs(['kubectl'])}:{os.environ['PATH']}"
        done = subprocess.run(
            ["sh", "-euc", "\n".join([f"POD={name} NAMESPACE={SHOP}", *found, 'echo "$AGENT"'])],
            env={"PATH": path, "KUBECONFIG": str(kubeconfig), "HOME": str(kubeconfig.parent)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        for node in ("node-a", "node-b", "node-c"):
            cluster.delete(f"/api/v1/namespaces/{WATCH}/pods/agent-on-{node}")
    cluster.delete(f"/api/v1/namespaces/{SHOP}/pods/{name}")
    assert (done.stdout, done.stderr) == ("pod/agent-on-node-b\n", "")
    assert len(found) == 2


def test_the_server_takes_the_kustomize_base(kubeconfig: Path) -> None:
    done = subprocess.run(
        [
            *(programs(["kubectl"]) / "kubectl", "--kubeconfig", kubeconfig, "apply", "--dry-run=server"),
            *("--validate=strict", "--server-side", "--kustomize", ROOT / "deploy" / "kustomize"),
        ],
        env=os.environ | {"HOME": str(kubeconfig.parent)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "daemonset.apps/podtick serverside-applied (server dry run)" in done.stdout
