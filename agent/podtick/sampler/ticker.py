"""The tick: wait for the second, sweep, publish. Between two ticks: commands, closing minutes.

All of it runs in one thread at a time, which owns the pass. When that thread is stuck in a read, `standby.py` lets
another one take over in the middle: what the pass has reached is kept here, and the stuck thread finds `lost` filled.
"""

import gc
import time
from collections import deque
from collections.abc import Iterator
from operator import length_hint
from threading import Lock

from podtick.history.layout import SWEEPS, Word
from podtick.history.ticks import AFTER_START, CLOCK_STEPPED, NODE_SWEEP, Tick, read_tick
from podtick.history.writer import HistoryWriter
from podtick.sampler.clock import LATE_NS, SECOND, Deadline, TickClock
from podtick.sampler.commands import Commands
from podtick.sampler.descriptors import OpenFile
from podtick.sampler.node import Node
from podtick.sampler.stages import Place, Stage, Tally
from podtick.sampler.targets import Targets

Lost = list[None]
LIMITS_EVERY = 60
"""Ticks from one reading of a target's limits to the next."""

COLLECT_EVERY = 1000
"""Ticks from one garbage collection to the next: only rare errors leave cycles behind."""


class Ticker:
    """Everything that a tick does, and how far the pass under way has got."""

    def __init__(
        self, writer: HistoryWriter, targets: Targets, node: Node, commands: Commands, clock: TickClock
    ) -> None:
        self._writer = writer
        self._targets = targets
        self._node = node
        self._commands = commands
        self._clock = clock
        self._words = writer.region.words
        self._buffer = writer.region.bytes_
        self.deadline: Deadline = clock.after(None)
        self.busy = False
        self.stopped = False
        self.stages: list[Stage] = []
        self.iterator: Iterator[Place] = iter(())  # over the places of the stage under way
        self.returned: deque[Lost] = deque()  # of threads that had lost their pass and have come back since
        self._stuck: dict[int, tuple[Stage, OpenFile]] = {}
        self._ownership = Lock()
        self._plane = 0
        self._began = 0
        self._started = False
        self._tally = Tally()
        self._sweeps: list[int] = []
        self._last_place = -1  # of the file that the pass was on when it was taken away

    # -- the thread that owns the pass -----------------------------------------------------------------------------

    def run(self, lost: Lost) -> None:
        """Tick until the agent is gone, or until another thread has taken over."""
        while not lost and not self.stopped:
            if not self.busy:
                self.stopped = not self._commands.serve_until(self.deadline.monotonic_ns)
                if self.stopped:
                    return
                self._begin()
            self._sweep(lost)
            if not lost:
                self._finish()

    def _begin(self) -> None:
        self._began = time.monotonic_ns()
        self._plane = self._writer.begin(fresh=not self._started)
        while self.returned:
            stuck = self._stuck.pop(id(self.returned.popleft()), None)
            if stuck:
                self._targets.resume(*stuck)
        self._tally = Tally(changed=self._targets.changed)
        self._targets.changed = set()
        self._sweeps = [0] * SWEEPS
        self._write_told()
        self.stages = [*self._targets.cgroup_stages(), *self._targets.networks.stages()]
        self.stages.reverse()
        self._next_stage()
        self.busy = True

    def _next_stage(self) -> None:
        if self.stages:
            stage = self.stages[-1]
            self.iterator = iter(stage.places())
            offset = time.monotonic_ns() - self._began
            self._sweeps[stage.first : stage.first + stage.count] = [offset] * stage.count

    def _sweep(self, lost: Lost) -> None:
        while self.stages:
            self.stages[-1].sweep(self.iterator, self._buffer, self._plane, self._tally, lost)
            with self._ownership:
                if lost:
                    return
                self.stages.pop().store(self._buffer, self._plane, self._tally)
                if self._tally.failed:
                    self._settle_failures()
                self._next_stage()

    def _finish(self) -> None:
        for stage, file in self._stuck.values():
            self._targets.suspend(stage, file)
        for pod in self._tally.changed:
            if pod is not None:
                pod.compute(self._buffer, self._plane)
        self._sweeps[NODE_SWEEP] = time.monotonic_ns() - self._began
        for node_file in self._node.files:
            self._node.read(node_file, self._words, self._plane)
        self._publish()
        self.busy = False
        self._after()
        self.deadline = self._clock.after(self.deadline)

    def _publish(self) -> None:
        words, due = self._words, self.deadline
        late = max(0, self._began - due.monotonic_ns)
        flags = (0 if self._started else AFTER_START) | (CLOCK_STEPPED if due.stepped else 0)
        duration = time.monotonic_ns() - self._began
        missed = due.missed if self._started else self._gap()
        number = self._writer.number + 1
        tick = Tick(number, due.timestamp, self._began, late, missed, flags, duration, tuple(self._sweeps))
        self._writer.publish(tick)
        self._started = True
        words[Word.TICKS_TOTAL] += 1
        words[Word.TICKS_LATE] += late > LATE_NS
        words[Word.TICKS_MISSED] += missed
        words[Word.CLOCK_STEPS] += due.stepped
        words[Word.OPEN_FILES] = self._targets.open_files
        words[Word.TRANSIENT_READS] += self._tally.transient_reads
        words[Word.PASS_NANOSECONDS] += duration
        self._commands.say("tick", number)

    def _gap(self) -> int:
        """Seconds without a tick since the last one of the sampler before this one, on the clock that all share."""
        before = read_tick(self._writer.region, self._writer.number)
        if before is None or before.monotonic_ns > self._began:
            return 0
        return max(0, round((self._began - before.monotonic_ns) / SECOND) - 1)

    def _after(self) -> None:
        """What can wait until the tick is out."""
        self._writer.close_due(self._targets.twin)
        if self._writer.number % COLLECT_EVERY == 0:
            gc.collect()
        phase = self._writer.number % LIMITS_EVERY
        for target in list(self._targets.by_id.values()):
            if target.id % LIMITS_EVERY == phase:
                self._targets.read_limits(target)

    # -- told columns, failures, stuck files -----------------------------------------------------------------------

    def _write_told(self) -> None:
        for target, values in self._targets.take_told():
            first = (self._plane + target.offset) // 8
            for column, value in values.items():
                self._words[first + column] = value
            pod = self._targets.pod_of(target)
            if pod:
                self._tally.changed.add(pod)

    def _settle_failures(self) -> None:
        """A cgroup that has gone is an ordinary end; anything else is an error that costs the file."""
        failed, self._tally.failed = self._tally.failed, []
        for stage, file, error in failed:
            if self._targets.failed(stage, file, error, self._buffer, self._plane):
                self._commands.say("gone", file.owner, str(self._targets.by_id[file.owner].run))

    def progress(self) -> tuple[int, int, int]:
        """Where the pass is; two equal answers mean that it did not move in between."""
        return self._writer.number, len(self.stages), length_hint(self.iterator)

    def take_away(self, lost: Lost) -> bool:
        """Take the pass from its owner, who has `lost`; `False` when that one has just finished its sweeps.

        What its iterator had still to give goes to the next owner: the old one can only end the file that it is on.
        """
        with self._ownership:
            if not self.stages:
                return False
            lost.append(None)
            stage, rest = self.stages[-1], list(self.iterator)
            self._last_place = len(stage.files) - len(rest) - 1
            stage.cut(max(self._last_place, 0))
            self.iterator = iter(rest)
            return True

    def take_over(self, lost: Lost) -> None:
        """Called by the new owner of a pass: settle the file that the old one, who has `lost`, was on."""
        stage, place = self.stages[-1], self._last_place
        if place < 0:
            return
        if len(lost) > 1:  # it was not stuck after all: read the file again
            stage.sweep(iter([stage.places()[place]]), self._buffer, self._plane, self._tally, [])
            return
        stage.blank(place, self._buffer, self._plane)
        stage.texts.append(None)
        self._tally.changed.add(stage.files[place].pod)
        self._stuck[id(lost)] = (stage, stage.files[place])
        self._words[Word.STALLED_READS] += 1
