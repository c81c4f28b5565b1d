"""The sampling pass alone: podtick's own sampler code, told what to read, with a stopwatch where the pipe would be.

    python -m bench.passes SECONDS kept|parsed < COMMANDS

COMMANDS are lines of the sampler's protocol. `parsed` makes the sampler forget each file's last text before each pass,
so that every file is parsed as if all had changed. Prints a line a pass: CPU time of the pass, and of what follows it
(closing minutes, limits), in ns.
"""

import gc
import os
import sys
import time
from pathlib import Path

from podtick.history.layout import PLANES, Geometry, Region
from podtick.history.writer import HistoryWriter
from podtick.sampler.clock import TickClock
from podtick.sampler.descriptors import DescriptorBudget
from podtick.sampler.node import Node
from podtick.sampler.protocol import Attach, Network, decode_command
from podtick.sampler.targets import Targets
from podtick.sampler.ticker import Ticker

EARLY_PASSES = PLANES + 6
"""Passes without a pause, which are not counted: until each plane of the ring has been written to once."""
SPAN, BUDGET = 3600, 64 * 1024 * 1024


class Stopwatch:
    """Takes the place of the sampler's `Commands`: waits for the deadline, and is told when a tick is done."""

    def __init__(self, targets: Targets, passes: int, *, parse: bool) -> None:
        self._targets = targets
        self._left = passes
        self._early = EARLY_PASSES
        self._parse = parse
        self._began = 0
        self._done = 0
        self.node: Node | None = None

    def serve_until(self, deadline_ns: int) -> bool:
        """End the last measurement, forget texts, sleep, begin the next one; `False` after the last pass."""
        if self._done and not self._early:
            print(self._done - self._began, time.thread_time_ns() - self._done, flush=True)
        if not self._left:
            return False
        if self._parse:
            self._forget()
        if self._early:
            self._early -= 1
        else:
            self._left -= 1
            time.sleep(max(0, deadline_ns - time.monotonic_ns()) / 1e9)
        self._began = time.thread_time_ns()
        return True

    def _forget(self) -> None:
        for stage in (*self._targets.cgroup_stages(), *self._targets.networks.stages()):
            stage.last = [b""] * len(stage.files)
        for node_file in self.node.files if self.node else ():
            node_file.last = b""

    def say(self, kind: str, _id: int = 0, _text: str = "") -> None:
        """The tick is out."""
        if kind == "tick":
            self._done = time.thread_time_ns()


def main() -> None:
    passes, parse = int(sys.argv[1]), sys.argv[2] == "parsed"
    gc.disable()  # as the sampler does
    region = Region.create(os.memfd_create("bench"), Geometry.for_budget(SPAN, BUDGET))
    writer = HistoryWriter(region)
    targets = Targets(writer, "/proc", DescriptorBudget.of_process())
    for line in Path("/dev/stdin").read_bytes().splitlines():
        command = decode_command(line)
        if isinstance(command, Attach):
            targets.attach(command)
        elif isinstance(command, Network):
            targets.network(command)
    stopwatch = Stopwatch(targets, passes, parse=parse)
    stopwatch.node = Node("/proc", writer)
    Ticker(writer, targets, stopwatch.node, stopwatch, TickClock()).run([])  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
