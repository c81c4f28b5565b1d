"""CPU per container and tick: the whole agent, its engine, the pass alone; the C loop in the same seconds."""

import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bench import agent as podtick
from bench.floor import Reads, reads
from bench.loads import Load
from bench.machine import cpu_ns, cpu_sum_ns
from bench.report import Figure
from bench.told import commands

SCRAPE_SECONDS = 15.0
SETTLE_SECONDS = 5.0
QUARTER = 0.25
"""Of a second: podtick's pass is over, the C loop's has not begun. Windows of whole seconds from here hold as many of
both."""
FIRST_PASSES = 2
"""Passes of the driver that are not counted: the first one opens the history's pages."""
FLOOR = "C loop, same files"


@dataclass(frozen=True, slots=True)
class Burnt:
    """CPU time in ns: agent process, sampler, C loop, dockerd, and what the engine has beside dockerd."""

    agent: int
    sampler: int
    floor: int
    dockerd: int
    shims: int
    at: float

    def since(self, before: "Burnt", containers: int) -> "Burnt":
        """Per container and second, since then."""
        share = 1 / (self.at - before.at) / containers
        return Burnt(
            round((self.agent - before.agent) * share),
            round((self.sampler - before.sampler) * share),
            round((self.floor - before.floor) * share),
            round((self.dockerd - before.dockerd) * share),
            round((self.shims - before.shims) * share),
            self.at,
        )


def burn(load: Load, agent: podtick.Agent | None = None, floor: Reads | None = None) -> Burnt:
    """What everything has used up to now."""
    return Burnt(
        cpu_ns(agent.pid) if agent else 0,
        cpu_ns(agent.sampler) if agent else 0,
        floor.cpu_ns() if floor else 0,
        cpu_sum_ns(load.engine_pids[:1]),
        cpu_sum_ns(load.engine_pids[1:]),
        time.monotonic(),
    )


def engine_alone(load: Load, seconds: float) -> Burnt:
    """The engine's CPU per container and second while nobody asks it anything."""
    before = burn(load)
    time.sleep(seconds if load.engine_pids else 0.01)
    return burn(load).since(before, load.count)


def whole_agent(load: Load, seconds: float, folder: Path, what: str, asked: float | None) -> list[Figure]:
    """Run podtick and the C loop for so many seconds, scraped every 15 s."""
    alone = engine_alone(load, seconds)
    with podtick.running(load.docker_host, load.count, folder / "agent.log") as agent:
        files = podtick.floor_files(agent.sampler, load.containers)
        with reads(files, folder, agent.sampler) as floor:
            time.sleep(SETTLE_SECONDS)
            time.sleep((QUARTER - time.time()) % 1)
            before = burn(load, agent, floor)
            _scrape_for(agent, seconds)
            used = burn(load, agent, floor).since(before, load.count)
    unit = "µs/container/tick"
    engine = (used.dockerd - alone.dockerd) / 1e3
    whole = (used.agent + used.sampler) / 1e3 + max(0.0, engine)
    rows = [
        Figure(f"whole agent, {what}", unit, whole, FLOOR, used.floor / 1e3, asked),
        Figure(f"- sampler process, {what}", unit, used.sampler / 1e3, FLOOR, used.floor / 1e3),
        Figure(f"- agent process, {what}", unit, used.agent / 1e3),
    ]
    if load.engine_pids:
        beside = "the same without podtick"
        rows.append(Figure(f"- dockerd, {what}", unit, used.dockerd / 1e3, beside, alone.dockerd / 1e3))
        rows.append(
            Figure(
                f"containerd and shims, {what}",
                unit,
                used.shims / 1e3,
                beside,
                alone.shims / 1e3,
                note="not in the sum: nothing that podtick asks dockerd reaches them, and what they do in bursts every "
                "30 s, watched or not, is more than all of podtick; in a short run one side may have seen a burst more",
            )
        )
    return rows


def _scrape_for(agent: podtick.Agent, seconds: float) -> None:
    end = time.monotonic() + seconds
    following = time.monotonic() + min(SCRAPE_SECONDS, seconds) / 2
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, max(0.0, following - time.monotonic())))
        if time.monotonic() >= following:
            podtick.scrape(agent.url)
            following += SCRAPE_SECONDS


def pass_alone(load: Load, passes: int, folder: Path, what: str, asked: float | None) -> list[Figure]:
    """The sampler's own code without an agent, texts kept and all forgotten, beside the C loop over the same files."""
    with podtick.running(load.docker_host, load.count, folder / "agent.log") as agent:
        files = podtick.floor_files(agent.sampler, load.containers)
    return [
        _passes(load, passes, folder, files, f"pass alone, unchanged texts not parsed, {what}", "kept", None),
        _passes(load, passes, folder, files, f"pass alone, every file parsed, {what}", "parsed", asked),
    ]


def _passes(
    load: Load, passes: int, folder: Path, files: list[str], name: str, mode: str, asked: float | None
) -> Figure:
    command = [sys.executable, "-m", "bench.passes", str(passes + FIRST_PASSES), mode]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as alone:
        assert alone.stdin
        alone.stdin.write(commands(load.containers))
        alone.stdin.close()
        assert alone.stdout
        with reads(files, folder, alone.pid) as floor:
            first = [alone.stdout.readline() for _ in range(FIRST_PASSES)]
            before = burn(load, None, floor)
            lines = alone.stdout.read().splitlines()
            used = burn(load, None, floor).since(before, load.count)
    if alone.returncode or not all(first):
        raise RuntimeError(f"the pass alone ended with {alone.returncode}")
    times = [int(line.split()[0]) for line in lines]
    mean = statistics.mean(times) / load.count / 1e3
    return Figure(name, "µs/container/tick", mean, FLOOR, used.floor / 1e3, asked)
