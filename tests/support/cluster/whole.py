"""A whole cluster: the control plane with its controllers and scheduler, a Docker node and a containerd node."""

import contextlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.support.cluster.build import program
from tests.support.cluster.control import ControlPlane
from tests.support.cluster.errors import ClusterError
from tests.support.cluster.images import archive
from tests.support.cluster.network import create_network
from tests.support.cluster.nodes import ContainerdNode, DockerNode, Node
from tests.support.cluster.teardown import tear_down
from tests.support.engine.programs import start

PROGRAMS = {  # and the Debian packages that carry them
    "etcd": "etcd-server",
    "go": "golang-go, 1.26 or newer",
    "dockerd": "docker.io",
    "docker": "docker.io",
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "socat": "socat",  # by which the Docker node's kubelet forwards ports
    "ip": "iproute2",
    "nsenter": "util-linux",
    "busybox": "busybox-static",
}
REPOSITORY = Path(__file__).parents[3]
READY = 180  # s that a node may take: ten on an idle machine


class Cluster(ControlPlane):
    """As `ControlPlane`, with nodes and what makes pods run on them; the API server is also reached from pods."""

    PORT = 443  # of the service `kubernetes`

    def _begin(self, stack: contextlib.ExitStack) -> None:
        stack.callback(self._remove)
        command = [sys.executable, "-m", "tests.support.cluster.guard", str(self.root)]
        self._guard = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True, cwd=REPOSITORY)
        self._network = create_network(self.root)
        self.host = self._network.host
        super()._begin(stack)
        self.kubeconfig = self.credentials.kubeconfig("admin", self.url)
        self._start_controllers()
        images = self.root / "images.tar"
        images.write_bytes(archive())
        self.docker_node = DockerNode(self.root, self._network, 1)
        self.containerd_node = ContainerdNode(self.root, self._network, 2)
        for node in self.nodes:
            node.start(self.credentials, self.url)
            node.load(images)
        for node in self.nodes:  # kubectl waits for one alone to be made
            self.kubectl("wait", "--for=create", f"node/{node.name}")
            self.kubectl("wait", "--for=condition=Ready", f"node/{node.name}")

    @property
    def nodes(self) -> tuple[Node, Node]:
        """The Docker node and the containerd node."""
        return self.docker_node, self.containerd_node

    @property
    def number(self) -> int:
        """Of its network."""
        return self._network.number

    def command(self, *words: str) -> list[str]:
        """A `kubectl` command as administrator, without anybody's own settings and caches."""
        home = ["env", f"HOME={self.root}"]
        return [*home, program("kubectl"), "--kubeconfig", str(self.kubeconfig), *words]

    def kubectl(self, *words: str, text: str | None = None, timeout: float = READY) -> str:
        """What `kubectl` printed, as administrator; `text` is its standard input.

        Raises:
            ClusterError: it failed, or did not end in time.
        """
        limit = [f"--timeout={timeout:.0f}s"] if words[0] in ("wait", "rollout") else []
        command = self.command(*words, *limit)
        try:
            done = subprocess.run(
                command, input=text or "", capture_output=True, text=True, timeout=timeout, check=False
            )
        except subprocess.TimeoutExpired:
            raise ClusterError(f"kubectl {' '.join(words)}: no end within {timeout:.0f} s") from None
        if done.returncode != 0:
            raise ClusterError(f"kubectl {' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout

    # ------------------------------------------------------------------ inner works

    def _options(self) -> Sequence[str]:
        certificate, key = self.credentials.pair("admin")
        return (
            *("--authorization-mode", "Node,RBAC", "--service-cluster-ip-range", self._network.services),
            *("--enable-admission-plugins", "NodeRestriction", "--allow-privileged=true"),
            *("--kubelet-preferred-address-types", "InternalIP"),
            *("--kubelet-client-certificate", str(certificate), "--kubelet-client-key", str(key)),
        )

    def _start_controllers(self) -> None:
        common = ("--kubeconfig", str(self.kubeconfig), "--leader-elect=false", "--secure-port=0")
        keys = (
            *("--service-account-private-key-file", str(self.credentials.pair("server")[1])),
            *("--root-ca-file", str(self.authority)),
        )
        start(self.root, "kube-controller-manager", [program("kube-controller-manager"), *common, *keys])
        start(self.root, "kube-scheduler", [program("kube-scheduler"), *common])

    def _remove(self) -> None:
        """Remove everything, here or by the guard, whoever is left to do it."""
        try:
            tear_down(self.root)
        finally:
            self._guard.communicate()
