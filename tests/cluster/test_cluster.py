"""The whole cluster is what later tests take it for, and one that does not come up leaves nothing behind."""

import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cluster.conftest import SHOP
from tests.support.cluster import Cluster, ClusterError
from tests.support.cluster.images import PAUSE
from tests.support.cluster.nodes import ContainerdNode
from tests.support.cluster.workloads import container, listed, pod, spec

SERVE = "mkdir /www; echo $HOSTNAME >/www/index.html; exec httpd -f -p 8080 -h /www"


@pytest.fixture(scope="module")
def web(whole: Cluster) -> Iterator[dict[str, str]]:
    """A pod on each node that serves its name; the pods' addresses by their names."""
    where = ("--namespace", SHOP)
    names = [f"serve-{node.KIND}" for node in whole.nodes]
    specs = (spec(node, container("app", SERVE)) for node in whole.nodes)
    pods = [pod(name, each) for name, each in zip(names, specs, strict=True)]
    whole.kubectl("apply", *where, "--filename=-", text=listed(pods))
    try:
        for name in names:
            whole.kubectl("wait", *where, "--for=condition=Ready", f"pod/{name}")
        address = "--output=jsonpath={.status.podIP}"
        yield {name: whole.kubectl("get", "pod", *where, name, address) for name in names}
    finally:
        whole.kubectl("delete", "pod", *where, *names)


def test_pods_reach_each_other_from_node_to_node(whole: Cluster, web: dict[str, str]) -> None:
    for asking in web:
        for asked, address in web.items():
            command = ("wget", "-q", "-O", "-", f"http://{address}:8080/")
            assert whole.kubectl("exec", "--namespace", SHOP, asking, "--", *command).strip() == asked


def test_a_pod_has_what_it_needs_to_ask_the_api_server(whole: Cluster, web: dict[str, str]) -> None:
    """Busybox has no TLS: that the server complains about that is an answer."""
    ask = 'printf \'GET / HTTP/1.0\\r\\n\\r\\n\' | nc "$KUBERNETES_SERVICE_HOST" "$KUBERNETES_SERVICE_PORT"'
    for name in web:
        script = f"ls /var/run/secrets/kubernetes.io/serviceaccount; {ask}"
        printed = whole.kubectl("exec", "--namespace", SHOP, name, "--", "sh", "-c", script)
        assert printed.split()[:3] == ["ca.crt", "namespace", "token"]
        assert "Client sent an HTTP request to an HTTPS server" in printed


def test_a_port_is_forwarded(whole: Cluster, web: dict[str, str]) -> None:
    for name in web:
        with forwarded(whole, name) as url, urllib.request.urlopen(url, timeout=30) as answer:
            assert answer.read().decode().strip() == name


@contextmanager
def forwarded(cluster: Cluster, pod: str) -> Iterator[str]:
    """Where a pod's port 8080 is reached on this host."""
    command = cluster.command("port-forward", "--namespace", SHOP, f"pod/{pod}", ":8080", "--address=127.0.0.1")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as kubectl:
        assert kubectl.stdout is not None
        try:
            line = kubectl.stdout.readline()  # Forwarding from 127.0.0.1:PORT -> 8080
            assert line.startswith("Forwarding from"), line
            yield f"http://{line.split()[2]}/"
        finally:
            kubectl.kill()


def test_one_that_does_not_come_up_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its Docker node runs by the time its other one fails."""

    def fail(node: ContainerdNode) -> None:
        node.machine.start(node.RUNTIME, "sh", "-c", f"echo no {PAUSE}; exit 3")

    monkeypatch.setattr(ContainerdNode, "_start_runtime", fail)
    cluster = Cluster()
    with pytest.raises(ClusterError, match=f"containerd does not start:\nno {PAUSE}"), cluster:
        pass
    assert not cluster.root.exists()
    assert list(Path("/sys/fs/cgroup").glob(f"*/{cluster.root.name}*")) == []
    assert str(cluster.root) not in Path("/proc/self/mountinfo").read_text()
    links = subprocess.run(["ip", "link"], capture_output=True, text=True, check=True).stdout
    assert f"pt-c{cluster.number}-" not in links
    assert f"pt-cluster{cluster.number}" not in links
    assert [each for each in Path("/proc").glob("[0-9]*/cmdline") if cluster.root.name in text_of(each)] == []


def text_of(path: Path) -> str:
    """What is written there; nothing, of a process that has gone."""
    try:
        return path.read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
