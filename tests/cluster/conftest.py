"""For all tests of this tier one control plane and one whole cluster; and accounts that belong to a test."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cluster import Cluster, ControlPlane
from tests.support.cluster.account import NAMESPACE, Account

SHOP = "shop"


@pytest.fixture(scope="session")
def cluster() -> Iterator[ControlPlane]:
    """An API server and its store, with two namespaces."""
    with ControlPlane() as started:
        for name in (NAMESPACE, SHOP):
            started.create("/api/v1/namespaces", {"metadata": {"name": name}})
        yield started


@pytest.fixture(scope="session")
def whole() -> Iterator[Cluster]:
    """A cluster with a Docker node and a containerd node, and two namespaces; tests remove what they make."""
    with Cluster() as started:
        for name in (NAMESPACE, SHOP):
            started.create("/api/v1/namespaces", {"metadata": {"name": name}})
        yield started


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name of the test's own, as Kubernetes allows it."""
    return re.sub("[^a-z0-9]+", "-", str(request.node.name).lower())[-60:].strip("-")


@pytest.fixture
def account(cluster: ControlPlane, name: str, tmp_path: Path) -> Account:
    """A service account that may do what the agent has to."""
    return Account(cluster, name, tmp_path)
