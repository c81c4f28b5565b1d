"""A service account as the agent has it, its files in a folder as a pod sees them."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from podtick.sources.kube.access import KubeAccess
from tests.support.cluster.control import PATIENCE, STEP, ControlPlane
from tests.support.cluster.errors import ClusterError

RBAC = "/apis/rbac.authorization.k8s.io/v1"
NAMESPACE = "podtick"
RULES = [
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]},
]


class Account:
    """An account of its own role; `folder` has its token and the authority's certificate."""

    def __init__(self, cluster: ControlPlane, name: str, folder: Path) -> None:
        self._cluster = cluster
        self.name = name
        self.folder = folder
        cluster.create(f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts", {"metadata": {"name": name}})
        cluster.create(f"{RBAC}/clusterroles", {"metadata": {"name": name}, "rules": RULES})
        self.grant()
        folder.joinpath("ca.crt").write_bytes(cluster.authority.read_bytes())
        self.renew()

    @property
    def access(self) -> KubeAccess:
        """As a pod of the cluster reaches it."""
        environ = {"KUBERNETES_SERVICE_HOST": self._cluster.host, "KUBERNETES_SERVICE_PORT": str(self._cluster.port)}
        return KubeAccess(None, environ, self.folder)

    @property
    def url(self) -> str:
        """Where the API server listens."""
        return self._cluster.url

    @property
    def kubeconfig(self) -> Path:
        """As somebody outside reaches the API server; the token is read from its file."""
        described = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "clusters": [
                {
                    "name": "test",
                    "cluster": {"server": self._cluster.url, "certificate-authority": str(self.folder / "ca.crt")},
                }
            ],
            "users": [{"name": "test", "user": {"tokenFile": str(self.folder / "token")}}],
        }
        path = self.folder / "kubeconfig"
        path.write_text(json.dumps(described))
        return path

    def grant(self) -> None:
        """Give it its role; the API server lets it list pods when this returns."""
        subject = {"kind": "ServiceAccount", "name": self.name, "namespace": NAMESPACE}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": self.name}
        body = {"metadata": {"name": self.name}, "roleRef": role, "subjects": [subject]}
        self._cluster.create(f"{RBAC}/clusterrolebindings", body)
        end = time.monotonic() + PATIENCE
        while not self._allowed():  # whoever decides it hears of new roles and bindings in its own time
            if time.monotonic() > end:
                raise ClusterError(f"{self.name} may not list pods {PATIENCE:g} s after it was given the role")
            time.sleep(STEP)

    def _allowed(self) -> bool:
        spec = {
            "user": f"system:serviceaccount:{NAMESPACE}:{self.name}",
            "resourceAttributes": {"verb": "list", "resource": "pods"},
        }
        review = self._cluster.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", {"spec": spec})
        return bool(review["status"]["allowed"])

    def allow(self, rule: Mapping[str, Any]) -> None:
        """Add to what it may do."""
        self._cluster.patch(f"{RBAC}/clusterroles/{self.name}", {"rules": [*RULES, rule]})

    def revoke(self) -> None:
        """Take its role away."""
        self._cluster.delete(f"{RBAC}/clusterrolebindings/{self.name}")

    def renew(self) -> None:
        """Put a new token into its file, as the kubelet does."""
        self.write(self._cluster.token(NAMESPACE, self.name))

    def write(self, token: str) -> None:
        """Put this token there."""
        (self.folder / "token").write_text(token)
