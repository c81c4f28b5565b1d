"""Glances, its containers plugin alone, once a second to its standard output (its JSON form ends after one line)."""

import ast
import contextlib
from collections.abc import Iterator
from pathlib import Path

from bench.loads import Load
from bench.peers.install import python_packages
from bench.peers.peer import Peer, Running, Times
from bench.peers.process import Lines, await_ready, process

VERSION = "4.5.8"
PINS = (f"glances=={VERSION}", "docker==7.2.0", "python-dateutil")
OPTIONS = (
    *("-t", "1"),
    *("--disable-plugin", "all", "--enable-plugin", "containers"),
    *("--stdout", "containers"),
    "--disable-check-update",
)
PREFIX = "containers: "


class Glances(Running):
    """Glances at work."""

    def __init__(self, pid: int, lines: Lines) -> None:
        super().__init__(pid)
        self._lines = lines

    def watched(self) -> int:
        """Of how many containers it knows the memory."""
        lines = self._lines.all()
        return len(known(lines[-1][1])) if lines else 0

    def times(self, began: float, ended: float) -> Times:
        """When it printed a container's numbers: an upper bound, as it prints the last ones again for want of new."""
        found: dict[str, list[float]] = {}
        for moment, line in self._lines.all():
            if began <= moment < ended:
                for id_ in known(line):
                    found.setdefault(id_, []).append(moment)
        return found


def known(line: str) -> list[str]:
    """The IDs of the containers of which a line tells the memory. It is Python's way to write a list."""
    if not line.startswith(PREFIX):
        return []
    containers = ast.literal_eval(line.removeprefix(PREFIX).strip())
    return [container["id"] for container in containers if container.get("memory_usage") is not None]


def prepare() -> str:
    """Install it."""
    python_packages("glances", PINS)
    return VERSION


@contextlib.contextmanager
def run(load: Load, folder: Path) -> Iterator[Running]:
    """Start it over this engine's containers."""
    configuration = folder / "glances.conf"
    configuration.write_text("[containers]\ndisable=False\n")
    command: list[str | Path] = [python_packages("glances", PINS), "-m", "glances", "-C", configuration, *OPTIONS]
    log = folder / "glances.log"
    environment = {"DOCKER_HOST": load.docker_host, "HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    with process(command, log, environment, piped=True) as started:
        assert started.stdout
        glances = Glances(started.pid, Lines(started.stdout))
        await_ready(started, log, glances.watched, load.count)
        yield glances


GLANCES = Peer("Glances, containers plugin", prepare, run, asks=True, repeats=True)
