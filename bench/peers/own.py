"""podtick as one of its peers, and the bare C loop over the very files that it reads."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from bench import agent as podtick
from bench.floor import reads
from bench.history import open_history
from bench.loads import Load
from bench.peers.peer import Running, Times
from bench.peers.process import Lines
from podtick.history.reader import HistoryReader
from podtick.history.records import TargetKind
from podtick.model.metrics.row import UNKNOWN
from podtick.model.metrics.table import TARGET_COLUMN

SEEN = [TARGET_COLUMN["cpu_usage_seconds_total"], TARGET_COLUMN["memory_usage_bytes"]]
"""A second has arrived when the history holds these of it."""


class Podtick(Running):
    """An agent at work."""

    def __init__(self, agent: podtick.Agent) -> None:
        super().__init__(agent.pid, f"{agent.url}/metrics")
        self.agent = agent

    def memory_bytes(self) -> int:
        """As for all, and the mapped history once."""
        return super().memory_bytes() + self.agent.history_bytes()

    def times(self, began: float, ended: float) -> Times:
        """The ticks at which the history holds a container's CPU and memory."""
        history = open_history(self.agent)
        moments = _ticks_since(history, began)
        first, last = min(moments, default=1), max(moments, default=0)
        found: dict[str, list[float]] = {}
        for target in history.targets():
            if target.kind is TargetKind.CONTAINER:
                readings = history.readings(target, SEEN, first, last)
                known = zip(readings.numbers, *readings.columns, strict=True)
                found[json.loads(target.identity)["uid"]] = [
                    moments[number] for number, *values in known if number in moments and UNKNOWN not in values
                ]
        return found


def _ticks_since(history: HistoryReader, began: float) -> dict[int, float]:
    """Timestamps of all ticks since then, by their number."""
    moments: dict[int, float] = {}
    number = history.latest_number()
    while (tick := history.tick(number)) and tick.timestamp >= began:
        moments[number] = tick.timestamp
        number -= 1
    return moments


class Loop(Running):
    """The C loop at work."""

    def __init__(self, pid: int, lines: Lines, containers: list[str]) -> None:
        super().__init__(pid)
        self._lines = lines
        self._containers = containers

    def times(self, began: float, ended: float) -> Times:
        """Its passes: it prints a line after each, the second word says how many files could not be read."""
        passes = [moment for moment, line in self._lines.all() if line.split()[1] == "0"]
        return dict.fromkeys(self._containers, passes)


@contextlib.contextmanager
def both(load: Load, folder: Path) -> Iterator[tuple[Podtick, Loop]]:
    """Run the two side by side."""
    with podtick.running(load.docker_host, load.count, folder / "agent.log") as agent:
        files = podtick.floor_files(agent.sampler, load.containers)
        with reads(files, folder, agent.sampler) as floor:
            assert floor.process.stdout
            yield Podtick(agent), Loop(floor.process.pid, Lines(floor.process.stdout), list(load.containers))
