"""One test engine: Debian's dockerd (20.10) beside its own containerd, driven through the `docker` command."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from podtick.sources.docker.tls import TlsFiles
from tests.support.engine import programs
from tests.support.engine.errors import EngineError, EngineUnavailable
from tests.support.engine.image import busybox_tar
from tests.support.engine.network import create_bridge
from tests.support.engine.runtime import runtime_settings
from tests.support.engine.teardown import tear_down

PROGRAMS = {  # and the Debian packages that carry them
    "dockerd": "docker.io",
    "docker": "docker.io",
    "containerd": "containerd",
    "runc": "runc",
    "ip": "iproute2",
    "umount": "mount",
    "busybox": "busybox-static",
}
START_PATIENCE = 60.0
REPOSITORY = Path(__file__).parents[3]

CONTAINERD = """version = 2
root = "{root}/containerd"
state = "{root}/containerd-state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper"]
[grpc]
  address = "{root}/containerd.sock"
"""


class Engine:
    """A Docker engine in `root`; a context manager that leaves no process, mount, cgroup or bridge behind.

    `live_restore`: containers go on while dockerd is dead. `tcp`: also listens on a free port of 127.0.0.1, for
    clients with a certificate only where `tls` names the engine's own. Other engines are kinds of this one.
    """

    IMAGE = "busybox:test"
    DAEMON = "dockerd"
    TCP = True
    PROGRAMS: ClassVar[Mapping[str, str]] = PROGRAMS
    ENVIRONMENT: ClassVar[Mapping[str, str]] = {}

    def __init__(
        self, root: Path | None = None, *, live_restore: bool = True, tcp: bool = False, tls: TlsFiles | None = None
    ) -> None:
        self.root = root or Path(tempfile.mkdtemp(prefix="pt-", dir="/tmp"))  # unix socket paths must be short
        self.socket = self.root / "docker.sock"
        self.tcp = f"tcp://127.0.0.1:{_free_port()}" if tcp and self.TCP else None
        self._live_restore = live_restore
        self._tls = tls

    @classmethod
    def missing(cls) -> list[str]:
        """What this machine lacks for an engine, in words; empty if nothing."""
        lacking = [f"{name} (package {package})" for name, package in cls.PROGRAMS.items() if not shutil.which(name)]
        if os.geteuid() != 0:
            lacking.append("root")
        return lacking

    def __enter__(self) -> Self:
        """Start everything, and import the test image.

        Raises:
            EngineUnavailable: this machine lacks something.
            EngineError: dockerd or containerd did not start; the end of its log is in the message.
        """
        if lacking := self.missing():
            raise EngineUnavailable(f"no Docker engine can run here, missing: {', '.join(lacking)}")
        tear_down(self.root)  # what an earlier run that was killed left in this folder
        self.root.mkdir(parents=True)
        self._guard = subprocess.Popen(
            [sys.executable, "-m", "tests.support.engine", "guard", str(self.root)],
            stdin=subprocess.PIPE,
            start_new_session=True,
            cwd=REPOSITORY,
        )
        try:
            self._configure()
            self.start()
            self._import_image()
        except BaseException:
            self._tear_down()
            raise
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        """Remove everything."""
        with contextlib.suppress(EngineError):  # a dead engine: the rest is removed without it
            self.thaw()
            self.remove_all()
        self._tear_down()

    # ------------------------------------------------------------------ containers

    def docker(self, *arguments: str, timeout: float = 60) -> str:
        """What `docker ARGUMENTS` printed.

        Raises:
            EngineError: it failed, or did not end within `timeout` seconds.
        """
        return programs.call(["docker", *arguments], timeout=timeout, env=self.environment)

    def run(self, name: str, *command: str, options: Sequence[str] = (), image: str = IMAGE) -> str:
        """Start a container that goes on by itself (`docker run --detach`); its full ID."""
        words = command or ("sleep", "100000")
        return self.docker("run", "--detach", "--name", name, "--network", "bridge", *options, image, *words)

    def remove(self, *names: str) -> None:
        """Kill and remove containers, by name or ID."""
        self.docker("rm", "--force", "--volumes", *names)

    def remove_all(self) -> None:
        """Kill and remove every container of this engine."""
        if names := self.docker("ps", "--all", "--quiet").split():
            self.remove(*names)

    def pid(self, name: str) -> int:
        """The container's first process, as this host counts."""
        return int(self.docker("inspect", "--format", "{{.State.Pid}}", name))

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment, with `docker` turned to this engine and to no user's settings."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DOCKER_")}
        return kept | {"DOCKER_HOST": f"unix://{self.socket}", "DOCKER_CONFIG": str(self.root / "client")}

    # ------------------------------------------------------------------ the daemon

    def start(self) -> None:
        """Start the daemon (and containerd, if it does not run), and wait until it answers."""
        if programs.pid_of(self.root, "containerd") is None:
            programs.start(self.root, "containerd", ["containerd", "--config", str(self.root / "containerd.toml")])
            self._await("containerd", self.root / "containerd.sock")
        (self.root / "docker.pid").unlink(missing_ok=True)  # a killed dockerd's; its number may be in use again
        programs.start(self.root, "dockerd", self._command(), self.ENVIRONMENT)
        self._await("dockerd", self.socket)
        self.docker("version", timeout=START_PATIENCE)

    def stop(self) -> None:
        """End dockerd as an init system does, and wait for its end."""
        self._signal(signal.SIGTERM)

    def restart(self) -> None:
        """As `systemctl restart docker`: the socket is a new one afterwards."""
        self.stop()
        self.start()

    def kill(self) -> None:
        """Kill dockerd without warning (SIGKILL); `start` brings it back."""
        self._signal(signal.SIGKILL)

    def freeze(self) -> None:
        """Stop dockerd in its tracks (SIGSTOP): it accepts connections and never answers."""
        self._signal(signal.SIGSTOP)
        if pid := self.dockerd_pid:  # our child: wait until the last of its threads has stopped
            os.waitid(os.P_PID, pid, os.WSTOPPED | os.WEXITED)

    def thaw(self) -> None:
        """Let a frozen dockerd go on (SIGCONT)."""
        self._signal(signal.SIGCONT)

    @property
    def dockerd_pid(self) -> int | None:
        """The pid of dockerd, or what there is in its place, while it is alive."""
        return programs.pid_of(self.root, self.DAEMON)

    # ------------------------------------------------------------------ inner works

    def _tear_down(self) -> None:
        """Remove everything, here or by the guard, whoever is left to do it."""
        try:
            tear_down(self.root)
        finally:
            self._guard.communicate()

    def _signal(self, sig: signal.Signals) -> None:
        pid = self.dockerd_pid
        if pid is None:
            return
        deadly = sig in (signal.SIGTERM, signal.SIGKILL)
        if programs.end([pid], sig, 30 if deadly else 0) and deadly:
            raise EngineError(f"{self.DAEMON} ({pid}) did not end after {sig.name}")

    def _command(self) -> list[str]:
        return ["dockerd", "--config-file", str(self.root / "daemon.json")]

    def _configure(self) -> None:
        (self.root / "daemon.json").write_text(json.dumps(self._settings(), indent=2))
        (self.root / "containerd.toml").write_text(CONTAINERD.format(root=self.root))

    def _settings(self) -> dict[str, object]:
        """What stands in daemon.json."""
        settings: dict[str, object] = {
            "hosts": [f"unix://{self.socket}", *([self.tcp] if self.tcp else [])],
            "data-root": str(self.root / "data"),
            "exec-root": str(self.root / "exec"),
            "pidfile": str(self.root / "docker.pid"),
            "containerd": str(self.root / "containerd.sock"),
            "bridge": create_bridge(self.root),
            "iptables": False,
            "ip-forward": False,
            "ip-masq": False,
            "live-restore": self._live_restore,
            "exec-opts": ["native.cgroupdriver=cgroupfs"],
            "oom-score-adjust": 0,
            "shutdown-timeout": 5,
            "log-driver": "json-file",
            **runtime_settings(self.root),
        }
        if tls := self._tls:
            files = {"tlscacert": str(tls.ca), "tlscert": str(tls.certificate), "tlskey": str(tls.key)}
            settings |= {"tlsverify": True, **files}
        return settings

    def _import_image(self) -> None:
        archive = self.root / "busybox.tar"
        archive.write_bytes(busybox_tar())
        self.docker("import", "--change", 'CMD ["sh"]', str(archive), self.IMAGE)
        archive.unlink()

    def _await(self, name: str, listening: Path) -> None:
        """Wait until a daemon's socket takes connections."""
        end = time.monotonic() + START_PATIENCE
        while programs.pid_of(self.root, name) is not None and time.monotonic() < end:
            with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
                probe.connect(str(listening))
                return
            time.sleep(0.02)  # nothing announces a socket that is about to listen
        log = (self.root / f"{name}.log").read_text(errors="replace")[-2000:]
        raise EngineError(f"{name} did not start:\n{log}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
