"""Where the API server is said to be: what is wrong with it is said, and tried again."""

from pathlib import Path

import pytest

from podtick.sources.kube.access import KubeAccess
from podtick.sources.kube.client import KubeClient
from podtick.sources.kube.errors import KubeConfigError

IN_CLUSTER = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}


@pytest.mark.parametrize("text", ["", "[]", "{", "clusters: 5", "current-context: x\ncontexts: []\n", "\x00"])
async def test_a_kubeconfig_that_says_nothing(tmp_path: Path, text: str) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(text)
    with pytest.raises(KubeConfigError, match="kubeconfig"):
        await KubeClient(KubeAccess(file), 10).__aenter__()


async def test_a_kubeconfig_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(KubeConfigError, match="nowhere"):
        await KubeClient(KubeAccess(tmp_path / "nowhere"), 10).__aenter__()


@pytest.mark.parametrize("missing", ["token", "ca.crt"])
async def test_a_service_account_without_its_files(tmp_path: Path, missing: str) -> None:
    for name in {"token", "ca.crt"} - {missing}:
        (tmp_path / name).write_text("x")
    with pytest.raises(KubeConfigError, match=str(tmp_path)):
        await KubeClient(KubeAccess(None, IN_CLUSTER, tmp_path), 10).__aenter__()


async def test_certificates_that_are_none(tmp_path: Path) -> None:
    for name in ("token", "ca.crt"):
        (tmp_path / name).write_text("x")
    with pytest.raises(KubeConfigError, match="certificates cannot be used"):
        await KubeClient(KubeAccess(None, IN_CLUSTER, tmp_path), 10).__aenter__()


def test_a_pod_of_a_cluster_is_known_by_its_environment() -> None:
    assert KubeAccess(environ=IN_CLUSTER).in_cluster
    assert not KubeAccess(environ={}).in_cluster
