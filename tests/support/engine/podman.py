"""Podman's service in the place of a Docker engine: Debian's podman, conmon and runc, and CNI for its networks.

The network plugins of CNI, and no others, leave the host's firewall alone.
"""

import json
import re
from collections.abc import Mapping
from typing import ClassVar

from tests.support.engine import programs
from tests.support.engine.engine import START_PATIENCE, Engine
from tests.support.engine.errors import EngineError
from tests.support.engine.network import create_bridge
from tests.support.engine.runtime import write_wrapper

CONTAINERS_CONF = """[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
events_logfile_path = "{root}/events.log"
runtime = "raised"
[engine.runtimes]
raised = ["{runtime}"]
[network]
network_backend = "cni"
cni_plugin_dirs = ["/usr/lib/cni"]
network_config_dir = "{root}/cni"
default_network = "podman"
"""
WHO = "{{.ID}} {{.Names}}"
STORAGE_CONF = """[storage]
driver = ""
graphroot = "{root}/storage"
runroot = "{root}/run"
"""


class Podman(Engine):
    """As `Engine`; its containers go on without it, always."""

    DAEMON = "podman"
    TCP = False
    PROGRAMS: ClassVar[Mapping[str, str]] = {
        "podman": "podman",
        "conmon": "conmon",
        "runc": "runc",
        "/usr/lib/cni/bridge": "containernetworking-plugins",
        "docker": "docker.io",
        "ip": "iproute2",
        "umount": "mount",
        "busybox": "busybox-static",
    }

    def start(self) -> None:
        """Start the service, and wait until it answers."""
        self.socket.unlink(missing_ok=True)  # a killed one's
        programs.start(self.root, "podman", self._command(), self._environment())
        self._await("podman", self.socket)
        self.socket.chmod(0o660)  # as its systemd unit has it
        self.docker("version", timeout=START_PATIENCE)

    def remove(self, *names: str) -> None:
        """Kill and remove containers. Whose network others use is let go only after them: in another round."""
        left = set(names)
        while True:
            try:
                return super().remove(*left)
            except EngineError:
                rows = [line.split() for line in self.docker("ps", "-a", "--no-trunc", "--format", WHO).splitlines()]
                still = {name for name in left if any(name in row for row in rows)}
                if still == left:
                    raise
                left = still

    def _command(self) -> list[str]:
        folders = ["--root", f"{self.root}/storage", "--runroot", f"{self.root}/run", "--tmpdir", f"{self.root}/tmp"]
        chdir = ["env", f"--chdir={self.root}"]  # its monitors write a file where they are when there is an OOM kill
        return [*chdir, "podman", *folders, "system", "service", "--time=0", f"unix://{self.socket}"]

    def _environment(self) -> dict[str, str]:
        files = {"CONTAINERS_CONF": "containers.conf", "CONTAINERS_STORAGE_CONF": "storage.conf"}
        return {name: str(self.root / file) for name, file in files.items()}

    def _configure(self) -> None:
        runtime = write_wrapper(self.root)
        (self.root / "containers.conf").write_text(CONTAINERS_CONF.format(root=self.root, runtime=runtime))
        (self.root / "storage.conf").write_text(STORAGE_CONF.format(root=self.root))
        (self.root / "cni").mkdir()
        (self.root / "cni" / "podman.conflist").write_text(json.dumps(self._network(create_bridge(self.root))))

    def _network(self, bridge: str) -> dict[str, object]:
        """The default network on this engine's bridge, without a rule of any firewall."""
        subnet = f"10.213.{''.join(re.findall('[0-9]', bridge))}"
        ipam = {
            "type": "host-local",
            "dataDir": str(self.root / "leases"),
            "routes": [{"dst": "0.0.0.0/0"}],
            "ranges": [[{"subnet": f"{subnet}.0/24", "gateway": f"{subnet}.1"}]],
        }
        plugin = {"type": "bridge", "bridge": bridge, "isGateway": True, "ipMasq": False, "ipam": ipam}
        return {"cniVersion": "0.4.0", "name": "podman", "plugins": [plugin]}
