"""For all tests of this tier one control plane and one whole cluster; accounts and pods that belong to a test."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.cluster import Cluster, ControlPlane
from tests.support.cluster.account import NAMESPACE, Account
from tests.support.cluster.nodes import Node
from tests.support.cluster.release import Release
from tests.support.cluster.workloads import Workloads, listed
from tests.support.engine import EngineUnavailable
from tests.support.engine.choice import chosen
from tests.support.image import IMAGE, image_tar

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
        labels = {"pod-security.kubernetes.io/enforce": "privileged"}
        started.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE, "labels": labels}})
        started.create("/api/v1/namespaces", {"metadata": {"name": SHOP}})
        for name in (NAMESPACE, SHOP):  # a pod needs its service account, which a controller makes in its own time
            started.kubectl("wait", "--namespace", name, "--for=create", "serviceaccount/default")
        yield started


@pytest.fixture(scope="module", params=["docker", "containerd"])
def node(request: pytest.FixtureRequest, whole: Cluster) -> Node:
    """One of the cluster's nodes after the other."""
    return next(node for node in whole.nodes if request.param == node.KIND)


@pytest.fixture(scope="module")
def workloads(request: pytest.FixtureRequest, whole: Cluster, node: Node) -> Iterator[Workloads]:
    """Pods of every kind on the node, alone in a namespace."""
    namespace = f"{request.module.__name__.rpartition('.test_')[2].replace('_', '-')}-{node.KIND}"
    whole.create("/api/v1/namespaces", {"metadata": {"name": namespace}})
    made = Workloads(whole, node, namespace)
    try:
        made.create()
        yield made
    finally:
        made.delete()
        whole.kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.fixture
def made(whole: Cluster) -> Iterator[Callable[[dict[str, Any]], str]]:
    """Makes an object in the second namespace, which ends with the test; its name for kubectl."""
    names: list[str] = []
    where = ("--namespace", SHOP)

    def make(described: dict[str, Any]) -> str:
        whole.kubectl("apply", *where, "--filename=-", text=listed([described]))
        names.append(f"{described['kind'].lower()}/{described['metadata']['name']}")
        return names[-1]

    yield make
    for name in reversed(names):
        whole.kubectl("delete", *where, "--cascade=foreground", "--wait", name)


@pytest.fixture(scope="session")
def image(whole: Cluster) -> str:
    """The image that is shipped, which the nodes know now."""
    try:
        with chosen().make() as engine:
            tar = image_tar(engine)
    except EngineUnavailable as reason:
        pytest.skip(str(reason))
    for node in whole.nodes:
        node.load(tar)
    return IMAGE


@pytest.fixture(scope="session")
def release(whole: Cluster, image: str) -> Iterator[Release]:
    """The chart as it is by default, and with the engine's socket."""
    del image
    with Release(whole, "podtick") as installed:
        yield installed


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name of the test's own, as Kubernetes allows it."""
    return re.sub("[^a-z0-9]+", "-", str(request.node.name).lower())[-60:].strip("-")


@pytest.fixture
def account(cluster: ControlPlane, name: str, tmp_path: Path) -> Account:
    """A service account that may do what the agent has to."""
    return Account(cluster, name, tmp_path)
