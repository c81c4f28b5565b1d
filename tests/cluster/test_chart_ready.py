"""What `helm test` runs, asking a real API server for the agents; the agents themselves are played."""

import importlib.util
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType
from typing import Any

import pytest

from tests.support.cluster import ControlPlane
from tests.support.cluster.account import NAMESPACE, Account
from tests.support.helm import CHART

ADDRESS = "127.0.0.1"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"


@contextmanager
def agent(answers: Mapping[str, tuple[int, str]]) -> Iterator[int]:
    """An agent that answers these paths, and 404 for others; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, text = answers.get(self.path, (404, f"no {self.path}"))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- its name in the base class
            pass

    with ThreadingHTTPServer((ADDRESS, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def ready(cluster: ControlPlane, account: Account, name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The script, in a pod of its own as it were, without patience."""
    environment = dict(account.access.environ) | {"NAMESPACE": NAMESPACE, "SELECTOR": f"agents%3D{name}", "PORT": "1"}
    environment["SHOWN"] = "all"
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    spec = importlib.util.spec_from_file_location("ready", CHART / "files" / "ready.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ACCOUNT", account.folder)
    monkeypatch.setattr(module, "PATIENCE", 0.0)
    yield module
    for pod in cluster.ask("GET", f"{PODS}?labelSelector=agents%3D{name}")["items"]:
        cluster.delete(f"{PODS}/{pod['metadata']['name']}")


def add_pod(cluster: ControlPlane, name: str, node: str, *, address: str = ADDRESS) -> str:
    """An agent's pod, which the kubelet says has this address; its name."""
    pod = f"{name}-{node}"
    container = {"name": "podtick", "image": "podtick"}
    metadata = {"name": pod, "labels": {"agents": name}}
    cluster.create(PODS, {"metadata": metadata, "spec": {"nodeName": node, "containers": [container]}})
    if address:
        cluster.patch(f"{PODS}/{pod}/status", {"status": {"podIP": address, "podIPs": [{"ip": address}]}})
    return pod


def own(pod: str) -> str:
    return f"{PODS}/{pod}"


def test_all_agents_are_well(
    cluster: ControlPlane, ready: Any, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pods = [add_pod(cluster, name, node) for node in ("a", "b")]
    with agent({"/readyz": (200, "ready: yes"), **{own(pod): (200, "{}") for pod in pods}}) as port:
        monkeypatch.setenv("PORT", str(port))
        assert ready.main() is None
    assert capsys.readouterr().out.count("is ready and knows its own pod") == 2


def test_one_that_is_not_ready_is_named_with_its_reason(
    cluster: ControlPlane, ready: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pod = add_pod(cluster, name, "a")
    with agent({"/readyz": (503, "NOT OK docker: waiting")}) as port:
        monkeypatch.setenv("PORT", str(port))
        assert ready.main() == f"{pod} on a: /readyz: HTTP 503: NOT OK docker: waiting"


def test_one_that_does_not_know_its_own_pod_is_not_well(
    cluster: ControlPlane, ready: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pod = add_pod(cluster, name, "a")
    with agent({"/readyz": (200, "")}) as port:
        monkeypatch.setenv("PORT", str(port))
        assert ready.main() == f"{pod} on a: {own(pod)}: HTTP 404: no {own(pod)}"


def test_one_that_shows_other_namespaces_only_need_not_know_its_own_pod(
    cluster: ControlPlane, ready: Any, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pod = add_pod(cluster, name, "a")
    monkeypatch.setenv("SHOWN", "shop,kube-system")
    with agent({"/readyz": (200, "")}) as port:
        monkeypatch.setenv("PORT", str(port))
        assert ready.main() is None
        monkeypatch.setenv("SHOWN", f"shop,{NAMESPACE}")
        assert f"{own(pod)}: HTTP 404" in ready.main()
    assert capsys.readouterr().out == f"{pod} on a is ready\n"


def test_one_that_nobody_reaches(cluster: ControlPlane, ready: Any, name: str) -> None:
    pod = add_pod(cluster, name, "a")
    assert f"{pod} on a: /readyz: " in ready.main()
    assert "refused" in ready.main()


def test_one_that_has_not_begun(cluster: ControlPlane, ready: Any, name: str) -> None:
    pod = add_pod(cluster, name, "a", address="")
    assert ready.main() == f"{pod} on a has no address: Pending"


def test_where_there_is_none(ready: Any) -> None:
    assert ready.main() == "there is no agent"
