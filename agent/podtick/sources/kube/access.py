"""How an API server is reached; known without loading what reaches it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
HOST = "KUBERNETES_SERVICE_HOST"


@dataclass(frozen=True, slots=True)
class KubeAccess:
    """By a kubeconfig file, or without one as a pod of the cluster: by `environ` and its service account's files."""

    kubeconfig: Path | None = None
    environ: Mapping[str, str] = field(default_factory=dict, hash=False)
    account: Path = ACCOUNT

    @property
    def in_cluster(self) -> bool:
        """Whether this process is a pod of a cluster, as far as its environment says."""
        return bool(self.environ.get(HOST))
