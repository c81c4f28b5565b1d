"""What all that runs costs over some seconds, and of how many of them there is data afterwards."""

import contextlib
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass

from bench.cost import SCRAPE_SECONDS
from bench.loads import Load
from bench.machine import cpu_sum_ns
from bench.peers.peer import Running, seconds_covered
from bench.peers.rows import MIB, Row

SETTLE_SECONDS = 5.0
UNDER_WAY_SECONDS = 2.0
"""Data of a second may come so much later."""
EDGE = 0.25
"""Windows begin and end this part of a second after a whole one, when those that read at whole seconds are done."""


@dataclass(frozen=True, slots=True)
class Watched:
    """One that ran in a window: its CPU time in ns, its memory, container-seconds of which data arrived."""

    cpu: int
    memory: int
    arrived: int


@dataclass(frozen=True, slots=True)
class Window:
    """Some seconds: CPU time in ns of dockerd, of containerd and the shims, and what each that ran did."""

    seconds: float
    dockerd: int
    shims: int
    wanted: int
    watched: Mapping[str, Watched]

    def row(self, name: str, version: str, engine_ns: float, *, floor: bool = False, at_most: bool = False) -> Row:
        """A row of the table for one of those that ran, `engine_ns` of the engine's work being for it."""
        did = self.watched[name]
        if not did.arrived:
            return Row(name, version, missing=f"of {self.wanted} container-seconds it had no data")
        return Row(
            name,
            version,
            own=did.cpu / 1e3 / did.arrived,
            engine=engine_ns / 1e3 / did.arrived,
            memory=did.memory / MIB,
            arrived=did.arrived,
            wanted=self.wanted,
            at_most=at_most,
            floor=floor,
        )

    def dockerd_beyond(self, alone: "Window") -> float:
        """What dockerd burnt beyond what it does when nobody asks anything."""
        return max(0.0, self.dockerd - alone.dockerd / alone.seconds * self.seconds)

    def engine_beyond(self, alone: "Window") -> float:
        """The same of dockerd, containerd and the shims together."""
        idle = (alone.dockerd + alone.shims) / alone.seconds * self.seconds
        return max(0.0, self.dockerd + self.shims - idle)


def watch(load: Load, seconds: float, running: Mapping[str, Running]) -> Window:
    """Let them run for so many seconds, those that a Prometheus would ask asked as it does."""
    time.sleep(SETTLE_SECONDS)
    time.sleep((EDGE - time.time()) % 1)
    began, engine, cpu, clock = time.time(), _engine_ns(load), _cpu_ns(running), time.monotonic()
    _ask_for([one.page for one in running.values() if one.page], seconds)
    engine_after, cpu_after, lasted = _engine_ns(load), _cpu_ns(running), time.monotonic() - clock
    memory = {name: one.memory_bytes() for name, one in running.items()}
    time.sleep(UNDER_WAY_SECONDS)
    ended = began + seconds
    watched = {
        name: Watched(cpu_after[name] - cpu[name], memory[name], _arrived(load, one, began, ended))
        for name, one in running.items()
    }
    dockerd, shims = engine_after[0] - engine[0], engine_after[1] - engine[1]
    return Window(lasted, dockerd, shims, load.count * round(seconds), watched)


def _ask_for(pages: list[str], seconds: float) -> None:
    """Take so many seconds, and ask for each page every 15 s meanwhile, with gzip."""
    end = time.monotonic() + seconds
    due = end - seconds + min(SCRAPE_SECONDS, seconds) / 2
    while due < end:
        time.sleep(max(0.0, due - time.monotonic()))
        for page in pages:
            request = urllib.request.Request(page, headers={"Accept-Encoding": "gzip"})
            with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=30) as response:
                response.read()
        due += SCRAPE_SECONDS
    time.sleep(max(0.0, end - time.monotonic()))


def _engine_ns(load: Load) -> tuple[int, int]:
    return cpu_sum_ns(load.engine_pids[:1]), cpu_sum_ns(load.engine_pids[1:])


def _cpu_ns(running: Mapping[str, Running]) -> dict[str, int]:
    return {name: one.cpu_ns() for name, one in running.items()}


def _arrived(load: Load, one: Running, began: float, ended: float) -> int:
    try:
        times = one.times(began, ended)
    except OSError:  # it does not answer any more
        return 0
    return sum(seconds_covered(times.get(id_, ()), began, ended) for id_ in load.containers)
