"""Late and missed ticks, beside a bare loop of timed sleeps in the same seconds."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench import agent as podtick
from bench.floor import Wakeups, parse_sleeps
from bench.history import open_history
from bench.loads import Load
from bench.programs import build
from bench.report import Figure, percentile

CONDITIONS = ("idle", "every core 4 times busy", "300,000 points under way")
LATE_NS = 100_000_000
BUSY_PER_CORE = 4
POINTS = 300_000
EXTRA_MISSED = 0.5
"""Percent of ticks that podtick may miss beyond what the bare loop misses."""
SPIN = "while True: pass"
ASK = """
import sys, urllib.request
request = urllib.request.Request(sys.argv[1] + "/metrics", headers={"Accept-Encoding": "gzip"})
while True:
    urllib.request.urlopen(request, timeout=60).read()
"""


def measure(load: Load, seconds: float, folder: Path, condition: str) -> list[Figure]:
    """Run podtick and the bare loop side by side under one of the conditions."""
    program = build("sleeps", folder)
    with podtick.running(load.docker_host, load.count, folder / "agent.log") as agent, _under(condition, agent):
        history = open_history(agent)
        before = history.latest_number()
        done = subprocess.run([program, str(int(seconds))], stdout=subprocess.PIPE, text=True, check=True)
        floor = parse_sleeps(done.stdout)
        ticks = [tick for number in range(before + 1, history.latest_number() + 1) if (tick := history.tick(number))]
    lateness = tuple(tick.late_ns for tick in ticks)
    missed = sum(tick.missed for tick in ticks)
    own = Wakeups(len(ticks) + missed, missed, lateness)
    durations = [tick.duration_ns / 1e6 for tick in ticks]
    return _figures(own, floor, durations, f"{load.count} cgroups, {condition}")


def _figures(own: Wakeups, floor: Wakeups, durations: list[float], what: str) -> list[Figure]:
    peer = "bare nanosleep loop"
    allowed = floor.missed_share + EXTRA_MISSED
    return [
        Figure(f"missed ticks, {what}", "%", own.missed_share, peer, floor.missed_share, allowed, "value"),
        Figure(f"late ticks (over 100 ms), {what}", "%", _late(own), peer, _late(floor)),
        Figure(f"lateness p50, {what}", "ms", _at(own, 0.5), peer, _at(floor, 0.5)),
        Figure(f"lateness p99, {what}", "ms", _at(own, 0.99), peer, _at(floor, 0.99)),
        Figure(f"length of a pass p99, {what}", "ms", percentile(durations, 0.99)),
    ]


def _late(wakeups: Wakeups) -> float:
    return 100 * sum(late > LATE_NS for late in wakeups.lateness) / max(1, len(wakeups.lateness))


def _at(wakeups: Wakeups, share: float) -> float:
    return percentile(wakeups.lateness, share) / 1e6


@contextlib.contextmanager
def _under(condition: str, agent: podtick.Agent) -> Iterator[None]:
    """Make it so, for as long as the context lasts."""
    if condition == CONDITIONS[1]:
        commands = [[sys.executable, "-c", SPIN]] * BUSY_PER_CORE * len(os.sched_getaffinity(0))
    elif condition == CONDITIONS[2]:
        commands = [[sys.executable, "-c", ASK, agent.url]] * -(-POINTS // _samples(agent))
    else:
        commands = []
    processes = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for command in commands]
    try:
        time.sleep(2)
        yield
        if any(process.poll() is not None for process in processes):
            raise RuntimeError(f"{condition}: what should make it so has ended")
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _samples(agent: podtick.Agent) -> int:
    return sum(not line.startswith(b"#") for line in podtick.scrape(agent.url, packed=False).splitlines())
