"""The shipped image, run as its pod runs it: no privilege, a root that is read-only, the host's files read-only."""

import http.client
import time
from collections.abc import Sequence
from contextlib import closing
from types import TracebackType
from typing import Self

from tests.support.agent import STEP
from tests.support.engine import Engine
from tests.support.image import IMAGE
from tests.support.scrape import Scrape
from tests.support.served import PATIENCE

PORT = 9752
SHELLS = ("/usr/bin/bash", "/usr/bin/dash")
"""Of the base: nothing that runs in these containers can start one."""
VIEW = ("--volume", "/proc:/host/proc:ro", "--volume", "/sys/fs/cgroup:/host/sys/fs/cgroup:ro")
UNPRIVILEGED = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")


class Shipped:
    """A container of the shipped image; a context manager that removes it. `options` are more for `docker run`."""

    def __init__(
        self, engine: Engine, name: str, *options: str, network: str = "bridge", words: Sequence[str] = ()
    ) -> None:
        self._engine = engine
        self.name = name
        self._options = ("--network", network, *options)
        self._words = words
        self._address = ""

    def __enter__(self) -> Self:
        """Start it; it need not serve yet."""
        socket = self._engine.socket
        covered = [word for shell in SHELLS for word in ("--volume", f"/dev/null:{shell}:ro")]
        environment = {
            "PODTICK_PROC": "/host/proc",
            "PODTICK_CGROUP": "/host/sys/fs/cgroup",
            "PODTICK_DOCKER_HOST": f"unix:///run/engine/{socket.name}",
            "PODTICK_LISTEN": f"0.0.0.0:{PORT}",
        }
        given = [word for name, text in environment.items() for word in ("--env", f"{name}={text}")]
        group = ("--group-add", str(socket.stat().st_gid), "--volume", f"{socket.parent}:/run/engine:ro")
        options = [*UNPRIVILEGED, *VIEW, *covered, *group, *given, *self._options]
        self._engine.docker("run", "--detach", "--name", self.name, *options, IMAGE, *self._words)
        self._address = self.told("{{.NetworkSettings.IPAddress}}")
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._engine.remove(self.name)

    def told(self, form: str) -> str:
        """What `docker inspect --format FORM` says of it."""
        return self._engine.docker("inspect", "--format", form, self.name).strip()

    def execute(self, *command: str) -> str:
        """What a command inside it, run as the agent's user, printed."""
        return self._engine.docker("exec", self.name, *command)

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of one GET; (0, "") while nobody listens."""
        with closing(http.client.HTTPConnection(self._address, PORT, timeout=PATIENCE)) as connection:
            try:
                connection.request("GET", path)
                response = connection.getresponse()
                return response.status, response.read().decode()
            except OSError:  # refused, or the bridge is not up yet
                return 0, ""

    def wait_ready(self) -> Self:
        """Return once it says that it is ready."""
        end = time.monotonic() + PATIENCE
        while self.get("/readyz")[0] != 200:
            assert time.monotonic() < end, f"never ready: {self.get('/readyz')[1]}\n{self.log}"
            time.sleep(STEP)
        return self

    def wait_value(self, name: str, **labels: str) -> float:
        """The value of a sample, once there is one."""
        end = time.monotonic() + PATIENCE
        while (value := Scrape.parse(self.get("/metrics")[1]).value(name, **labels)) is None:
            assert time.monotonic() < end, f"never came: {name} {labels}\n{self.log}"
            time.sleep(STEP)
        return value

    @property
    def log(self) -> str:
        """What it has printed on standard output so far."""
        return self._engine.docker("logs", self.name)
