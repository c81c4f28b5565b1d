"""Certificates of a test's cluster, and the kubeconfigs that name them."""

import json
from pathlib import Path

import trustme


class Credentials:
    """An authority of the cluster's own; what it issues lies in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._authority = trustme.CA()
        self.authority = folder / "ca.pem"
        self._authority.cert_pem.write_to_path(self.authority)

    def issue(self, name: str, *hosts: str, user: str | None = None, group: str | None = None) -> None:
        """A certificate and its key, NAME.pem and NAME.key: of a server at these hosts, or of a user."""
        certificate = self._authority.issue_cert(*(hosts or ("client",)), common_name=user, organization_name=group)
        certificate.private_key_pem.write_to_path(self._folder / f"{name}.key")
        for pem in certificate.cert_chain_pems:
            pem.write_to_path(self._folder / f"{name}.pem", append=True)

    def pair(self, name: str) -> tuple[Path, Path]:
        """The files of a certificate and its key."""
        return self._folder / f"{name}.pem", self._folder / f"{name}.key"

    def kubeconfig(self, name: str, url: str) -> Path:
        """A kubeconfig of the user to whom NAME was issued."""
        certificate, key = self.pair(name)
        context = {"cluster": "test", "user": name}
        user = {"client-certificate": str(certificate), "client-key": str(key)}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": {"server": url, "certificate-authority": str(self.authority)}}],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": "test", "context": context}],
            "current-context": "test",
        }
        path = self._folder / f"{name}.kubeconfig"
        path.write_text(json.dumps(config))
        return path
