"""cAdvisor's library in a main of its own, housekeeping once a second, of Docker's containers alone."""

import contextlib
import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from bench.agent import free_port
from bench.loads import Load
from bench.peers.install import go_program
from bench.peers.peer import Peer, Running, Times
from bench.peers.process import await_ready, process

SOURCE = Path(__file__).parent / "cadvisor"
FLAGS = (
    "-docker_only=true",
    "-disable_root_cgroup_stats=true",
    "-housekeeping_interval=1s",
    "-allow_dynamic_housekeeping=false",  # or it would look at idle containers ever less often
)


class CAdvisor(Running):
    """cAdvisor at work."""

    def __init__(self, pid: int, url: str) -> None:
        super().__init__(pid, f"{url}/metrics")
        self._url = f"{url}/times"

    def watched(self) -> int:
        """How many containers it has data of."""
        try:
            return sum(bool(moments) for moments in self._times().values())
        except (urllib.error.URLError, ConnectionError):
            return 0  # does not listen yet

    def times(self, began: float, ended: float) -> Times:
        """The timestamps of what it holds in memory."""
        return self._times()

    def _times(self) -> dict[str, list[float]]:
        with urllib.request.urlopen(self._url, timeout=30) as response:
            times: dict[str, list[float]] = json.load(response)
        return times


def prepare() -> str:
    """Build it."""
    go_program("cadvisor", SOURCE)
    found = re.search(r"cadvisor v(\S+)", (SOURCE / "go.mod").read_text())
    assert found
    return found[1]


@contextlib.contextmanager
def run(load: Load, folder: Path) -> Iterator[Running]:
    """Start it over this engine's containers."""
    address = f"127.0.0.1:{free_port()}"
    command: list[str | Path] = [
        go_program("cadvisor", SOURCE),
        f"-listen={address}",
        f"-docker={load.docker_host}",
        *FLAGS,
    ]
    log = folder / "cadvisor.log"
    with process(command, log) as started:
        cadvisor = CAdvisor(started.pid, f"http://{address}")
        await_ready(started, log, cadvisor.watched, load.count)
        yield cadvisor


CADVISOR = Peer("cAdvisor, library, 1 s", prepare, run, asks=True)
