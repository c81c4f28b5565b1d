"""etcd and kube-apiserver, started for a test and ended by their pids; asked as an administrator."""

import contextlib
import http.client
import json
import os
import signal
import socket
import ssl
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.cluster.build import program
from tests.support.cluster.credentials import Credentials
from tests.support.cluster.errors import ClusterError
from tests.support.engine.programs import end, pid_of, start

PATIENCE = 120.0  # s until it is ready: two on an idle machine
STEP = 0.05  # s between two questions for what nothing announces
HOST = "127.0.0.1"
CREATED = (200, 201)


class ControlPlane:
    """An API server with an empty store; use it as `with ControlPlane() as cluster`.

    RBAC decides who may do what. There are no controllers: nothing is scheduled, and no token is made by itself.
    """

    PORT = 0
    """Where the API server listens; 0: anywhere."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self.host = HOST

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self.root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="podtick-cluster-")))
            self._begin(stack)
            self._stack = stack.pop_all()
        return self

    def _begin(self, stack: contextlib.ExitStack) -> None:
        """Start everything; `stack` ends it."""
        port, self._etcd, self._peers = _free_ports(3)
        self.port = self.PORT or port
        self._write_files()
        stack.callback(self._end, "etcd", signal.SIGKILL)
        start(self.root, "etcd", self._etcd_command())
        stack.callback(self.stop)
        self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def url(self) -> str:
        """Where the API server listens."""
        return f"https://{self.host}:{self.port}"

    @property
    def authority(self) -> Path:
        """The certificate of those who vouch for the API server."""
        return self.credentials.authority

    def start(self) -> None:
        """Start the API server and wait until it is ready."""
        start(self.root, "kube-apiserver", self._api_command())
        end_at = time.monotonic() + PATIENCE
        while not self._ready():
            if pid_of(self.root, "kube-apiserver") is None or time.monotonic() > end_at:
                raise ClusterError(f"kube-apiserver is not ready, its log ends:\n{self._log('kube-apiserver')}")
            time.sleep(STEP)

    def stop(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End the API server; what is stored stays."""
        self._end("kube-apiserver", number)

    def freeze(self) -> None:
        """Have the API server accept connections and never answer."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Have it go on."""
        self._signal(signal.SIGCONT)

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None, *, form: str = "json") -> Any:
        """One request as administrator; what it answered.

        Raises:
            ClusterError: it refused.
        """
        status, text = self._ask(method, path, body, form)
        if status not in CREATED:
            raise ClusterError(f"{method} {path}: HTTP {status}: {text[:500]}")
        return json.loads(text)

    def create(self, path: str, body: Mapping[str, Any]) -> Any:
        """POST an object."""
        return self.ask("POST", path, body)

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        """Change an object by a merge patch."""
        return self.ask("PATCH", path, body, form="merge-patch+json")

    def delete(self, path: str) -> Any:
        """DELETE an object at once."""
        return self.ask("DELETE", path, {"gracePeriodSeconds": 0})

    def token(self, namespace: str, account: str, seconds: int = 600) -> str:
        """A token of a service account, good for so long."""
        wanted = {"spec": {"expirationSeconds": seconds}}
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        return str(self.create(path, wanted)["status"]["token"])

    # ------------------------------------------------------------------ inner works

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None, form: str) -> tuple[int, str]:
        with contextlib.closing(
            http.client.HTTPSConnection(self.host, self.port, timeout=PATIENCE, context=self._admin)
        ) as connection:
            content = None if body is None else json.dumps(body)
            connection.request(method, path, content, {"Content-Type": f"application/{form}"})
            response = connection.getresponse()
            return response.status, response.read().decode()

    def _ready(self) -> bool:
        try:
            return self._ask("GET", "/readyz", None, "json")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def _write_files(self) -> None:
        self.credentials = Credentials(self.root)
        self.credentials.issue("server", self.host, "localhost", "kubernetes.default.svc")
        self.credentials.issue("admin", user="admin", group="system:masters")
        self._admin = ssl.create_default_context(cafile=str(self.authority))
        self._admin.load_cert_chain(*map(str, self.credentials.pair("admin")))

    def _etcd_command(self) -> Sequence[str]:
        clients, peers = f"http://{HOST}:{self._etcd}", f"http://{HOST}:{self._peers}"
        return (
            "etcd",
            *("--data-dir", str(self.root / "etcd"), "--log-level", "error"),
            *("--listen-client-urls", clients, "--advertise-client-urls", clients),
            *("--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers),
            *("--initial-cluster", f"default={peers}"),
        )

    def _api_command(self) -> Sequence[str]:
        certificate, key = self.credentials.pair("server")
        return (
            program("kube-apiserver"),
            *("--etcd-servers", f"http://{HOST}:{self._etcd}"),
            *("--bind-address", self.host, "--secure-port", str(self.port), "--endpoint-reconciler-type", "none"),
            *("--tls-cert-file", str(certificate), "--tls-private-key-file", str(key)),
            *("--client-ca-file", str(self.authority)),
            *("--service-account-issuer", "https://kubernetes.default.svc"),
            *("--service-account-key-file", str(certificate), "--service-account-signing-key-file", str(key)),
            *("--shutdown-delay-duration", "0s", "--v", "1"),
            *self._options(),
        )

    def _options(self) -> Sequence[str]:
        """What is as it is because there are no nodes; and nobody to make the tokens of service accounts."""
        services, without = "10.96.0.0/24", "ServiceAccount"
        return (
            *("--authorization-mode", "RBAC", "--service-cluster-ip-range", services),
            *("--disable-admission-plugins", without),
        )

    def _signal(self, number: signal.Signals) -> None:
        pid = pid_of(self.root, "kube-apiserver")
        assert pid is not None
        os.kill(pid, number)

    def _end(self, name: str, number: signal.Signals) -> None:
        pid = pid_of(self.root, name)
        if pid is not None and end([pid], number, PATIENCE):
            raise ClusterError(f"{name} does not end, its log ends:\n{self._log(name)}")

    def _log(self, name: str) -> str:
        with contextlib.suppress(FileNotFoundError):
            return (self.root / f"{name}.log").read_text(errors="replace")[-3000:]
        return ""


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind((HOST, 0))
        return [one.getsockname()[1] for one in sockets]
