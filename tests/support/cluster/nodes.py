"""Real nodes: a kubelet and a container runtime on a machine of their own."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from tests.support.cluster.build import OLD, VERSION, program
from tests.support.cluster.credentials import Credentials
from tests.support.cluster.errors import ClusterError
from tests.support.cluster.images import PAUSE
from tests.support.cluster.machine import Machine
from tests.support.cluster.network import Network
from tests.support.engine.runtime import runtime_settings

PATIENCE = 60.0  # s until a runtime answers
PLUGINS = "/usr/lib/cni"
CONTAINERD = """version = 2
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper"]
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "docker.io/library/{pause}"
  restrict_oom_score_adj = true
  disable_apparmor = true
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{plugins}"
  conf_dir = "{network}"
"""


class Node:
    """A node of the cluster; `which` is its number in the network. `kubelet` is the kubelet's version."""

    KIND: ClassVar[str]
    RUNTIME: ClassVar[str]
    KUBELET: ClassVar[str]
    SOCKET: ClassVar[str]

    def __init__(self, root: Path, network: Network, which: int) -> None:
        self.name = f"node-{self.KIND}"
        self.machine = Machine(root, self.name)
        self.address = network.machine(which)
        self.manifests = self.machine.folder / "manifests"
        """Static pods: a file each."""
        self._network = network
        self._which = which

    @property
    def socket(self) -> Path:
        """Its runtime's socket, as this host can reach it."""
        return self.machine.folder / self.SOCKET.removeprefix("/")

    @property
    def wrapper(self) -> list[str]:
        """Put before a command, it runs it among this host's processes with the node's file system, as `flags` say.

        The node's /proc and cgroup tree are then elsewhere, as in a pod that mounts them, where nobody else sees it.
        """
        folder = self.machine.folder
        script = f"mount --rbind /proc {folder}/host-proc; mount --rbind /sys/fs/cgroup {folder}/host-cgroup"
        script += '; mount -t proc proc /proc; exec "$@"'
        enter = ["nsenter", "--target", str(self.machine.pid), "--mount", "--cgroup"]
        return [*enter, "unshare", "--mount", "sh", "-ec", script, "sh"]

    @property
    def flags(self) -> list[str]:
        """What an agent that is run so has to be told."""
        folder = self.machine.folder
        engine = f"unix://{self.socket}" if self.KIND == "docker" else "none"
        seen = ["--proc", f"{folder}/host-proc", "--cgroup", f"{folder}/host-cgroup"]
        return ["--node-name", self.name, "--docker-host", engine, *seen]

    def start(self, credentials: Credentials, url: str) -> None:
        """Boot the machine, start the runtime and then the kubelet, which will make itself known.

        Raises:
            ClusterError: the machine or the runtime did not start.
        """
        self.machine.boot()
        self._network.attach(self._which, self.machine.pid)
        for name in ("manifests", "host-proc", "host-cgroup"):
            (self.machine.folder / name).mkdir()
        self._write("cni/bridge.conflist", self._cni())
        (self.machine.folder / "resolv.conf").write_text(f"nameserver {self._network.host}\n")
        self._start_runtime()
        self._await_socket()
        credentials.issue(self.name, user=f"system:node:{self.name}", group="system:nodes")
        config = self._write("kubelet.json", self._kubelet(credentials))
        self.machine.start(
            "kubelet",
            *(program("kubelet", self.KUBELET), "--config", config),
            *("--kubeconfig", str(credentials.kubeconfig(self.name, url))),
            *("--hostname-override", self.name, "--node-ip", self.address),
            *self._flags(),
        )

    def load(self, images: Path) -> None:
        """Have the runtime know the images of an archive, as `docker save` writes it."""
        raise NotImplementedError

    # ------------------------------------------------------------------ inner works

    def _start_runtime(self) -> None:
        raise NotImplementedError

    def _flags(self) -> tuple[str, ...]:
        """What the kubelet is told besides, on its command line."""
        return ()

    def _await_socket(self) -> None:
        end = time.monotonic() + PATIENCE
        while not self.socket.is_socket():
            if not self.machine.alive(self.RUNTIME) or time.monotonic() > end:
                raise ClusterError(f"{self.name}: {self.RUNTIME} does not start:\n{self.machine.log(self.RUNTIME)}")
            time.sleep(0.02)  # nothing announces a socket

    def _write(self, name: str, content: Mapping[str, object]) -> str:
        path = self.machine.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content))
        return str(path)

    def _cni(self) -> dict[str, object]:
        ipam = {
            "type": "host-local",
            "ranges": [[{"subnet": self._network.pods(self._which)}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        }
        bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": False, "ipam": ipam}
        return {"cniVersion": "0.4.0", "name": "pods", "plugins": [bridge]}

    def _kubelet(self, credentials: Credentials) -> dict[str, Any]:
        """Its configuration: on a test host it may take what it gets, and nothing is evicted because a disk is full."""
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(credentials.authority)},
            },
            "cgroupDriver": "cgroupfs",
            "enforceNodeAllocatable": [],
            "evictionHard": {"memory.available": "1Mi"},
            "failSwapOn": False,
            "fileCheckFrequency": "1s",
            "imageGCHighThresholdPercent": 100,
            "makeIPTablesUtilChains": False,
            "resolvConf": str(self.machine.folder / "resolv.conf"),
            "staticPodPath": str(self.manifests),
        }


class DockerNode(Node):
    """Debian's dockerd 20.10 beneath the last kubelet that speaks to it without help."""

    KIND = "docker"
    RUNTIME = "dockerd"
    KUBELET = OLD
    SOCKET = "/run/docker.sock"

    def load(self, images: Path) -> None:
        """By the `docker` command."""
        self.machine.call("docker", "load", "--input", str(images))

    def _start_runtime(self) -> None:
        settings = {
            "bridge": "none",
            "iptables": False,
            "exec-opts": ["native.cgroupdriver=cgroupfs"],
            "oom-score-adjust": 0,
            "log-driver": "json-file",
            **runtime_settings(self.machine.folder),
        }
        self.machine.start(self.RUNTIME, "dockerd", "--config-file", self._write("daemon.json", settings))

    def _flags(self) -> tuple[str, ...]:
        folder = self.machine.folder
        return (
            *("--container-runtime", "docker", "--pod-infra-container-image", PAUSE),
            *("--network-plugin", "cni", "--cni-bin-dir", PLUGINS, "--cni-conf-dir", str(folder / "cni")),
            *("--volume-plugin-dir", str(folder / "volume-plugins")),
        )


class ContainerdNode(Node):
    """Debian's containerd beneath a current kubelet."""

    KIND = "containerd"
    RUNTIME = "containerd"
    KUBELET = VERSION
    SOCKET = "/run/containerd/containerd.sock"

    def load(self, images: Path) -> None:
        """By the `ctr` command."""
        self.machine.call("ctr", "--namespace", "k8s.io", "images", "import", str(images))

    def _start_runtime(self) -> None:
        folder = self.machine.folder
        text = CONTAINERD.format(pause=PAUSE, plugins=PLUGINS, network=folder / "cni")
        (folder / "containerd.toml").write_text(text)
        self.machine.start(self.RUNTIME, "containerd", "--config", str(folder / "containerd.toml"))

    def _kubelet(self, credentials: Credentials) -> dict[str, Any]:
        return super()._kubelet(credentials) | {
            "containerRuntimeEndpoint": f"unix://{self.SOCKET}",
            "failCgroupV1": False,
            "localStorageCapacityIsolation": False,
            "volumePluginDir": str(self.machine.folder / "volume-plugins"),
        }
