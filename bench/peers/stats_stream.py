"""The engine's own statistics, one stream a container, taken by the cheapest client there can be."""

import contextlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from bench.loads import Load
from bench.peers.peer import Peer, Running, Times
from bench.peers.process import Lines, await_ready, process
from bench.programs import build


class Streams(Running):
    """The client at work; its lines begin with a container's number and the time at which the engine read it."""

    def __init__(self, pid: int, lines: Lines, containers: list[str]) -> None:
        super().__init__(pid)
        self._lines = lines
        self._containers = containers

    def times(self, began: float, ended: float) -> Times:
        """When the engine read the frames that came."""
        found: dict[str, list[float]] = {}
        for _, line in self._lines.all():
            number, moment, *_ = line.split()
            found.setdefault(self._containers[int(number)], []).append(float(moment))
        return found


def prepare() -> str:
    """Nothing to install: the engine is there. Its version."""
    said = subprocess.run(["dockerd", "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"\d+\.\d+\.\d+", said)
    return found[0] if found else ""


@contextlib.contextmanager
def run(load: Load, folder: Path) -> Iterator[Running]:
    """Follow all containers."""
    program = build("streams", folder, Path(__file__).parent)
    containers = list(load.containers)
    command: list[str | Path] = [program, load.docker_host.removeprefix("unix://"), *containers]
    log = folder / "streams.log"
    with process(command, log, piped=True) as started:
        assert started.stdout
        streams = Streams(started.pid, Lines(started.stdout), containers)
        await_ready(started, log, lambda: len(dict(streams.times(0, 0))), load.count)
        yield streams


STATS_STREAM = Peer("Docker stats stream", prepare, run, asks=True)
