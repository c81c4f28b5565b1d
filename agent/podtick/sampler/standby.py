"""Threads that stand by: when a read is stuck, another thread goes on with the pass.

One thread ticks. This module's watcher wakes a moment after each deadline; when a pass has not moved for `STALL_NS` and
its thread is blocked in the kernel (not merely waiting for a CPU), the pass is taken over at the next file. The stuck
file is not asked for again until its thread returns. At most `STANDBYS` threads may be stuck; then the pass waits.
"""

import threading
import time
from collections.abc import Callable

from podtick.sampler.ticker import Lost, Ticker

STALL_NS = 100_000_000
STANDBYS = 8
RETURN_SECONDS = 0.002
"""For so long a thread that has lost its pass may show that it was not stuck after all."""


class Watcher:
    """Runs a ticker in one thread after the other."""

    def __init__(self, ticker: Ticker, blocked: Callable[[int], bool]) -> None:
        self._ticker = ticker
        self._blocked = blocked
        self._stop = threading.Lock()  # held until the ticker has stopped: an event's wait costs three times as much
        self._stop.acquire()
        self._lost: Lost = []
        self._stuck: list[threading.Thread] = []
        self._thread = self._start(take_over_from=None)

    def watch(self) -> None:
        """Watch until the ticker has stopped."""
        while self._thread.is_alive():
            left = self._ticker.deadline.monotonic_ns + STALL_NS - time.monotonic_ns()
            self._wait(max(left, STALL_NS // 2))
            if self._ticker.busy:
                self._watch_pass()

    def _watch_pass(self) -> None:
        before = self._ticker.progress()
        while self._ticker.busy and self._thread.is_alive():
            self._wait(STALL_NS)
            now = self._ticker.progress()
            if now == before and self._ticker.stages and self._is_stuck():
                self._hand_over()
                now = self._ticker.progress()
            before = now

    def _wait(self, ns: int) -> None:
        if self._stop.acquire(timeout=ns / 1e9):
            self._stop.release()

    def _is_stuck(self) -> bool:
        self._stuck = [thread for thread in self._stuck if thread.is_alive()]
        identity = self._thread.native_id
        return len(self._stuck) < STANDBYS and identity is not None and self._blocked(identity)

    def _hand_over(self) -> None:
        old, lost = self._thread, self._lost
        if not self._ticker.take_away(lost):
            return
        old.join(RETURN_SECONDS)
        if old.is_alive():
            self._stuck.append(old)
        self._thread = self._start(take_over_from=lost)

    def _start(self, take_over_from: Lost | None) -> threading.Thread:
        lost: Lost = []
        self._lost = lost
        thread = threading.Thread(target=self._own, args=(lost, take_over_from), daemon=True, name="ticker")
        thread.start()
        return thread

    def _own(self, lost: Lost, before: Lost | None) -> None:
        if before is not None:
            self._ticker.take_over(before)
        self._ticker.run(lost)
        if lost:
            self._ticker.returned.append(lost)
        else:
            self._stop.release()


def blocked_in_kernel(proc: str) -> Callable[[int], bool]:
    """Whether a thread of this process sleeps, rather than waits for a CPU: its state in /proc/self/task."""

    def blocked(thread: int) -> bool:
        try:
            with open(f"{proc}/self/task/{thread}/stat", "rb", buffering=0) as file:
                return file.read(512).rpartition(b")")[2].split()[0] in (b"S", b"D")
        except (OSError, IndexError):
            return False

    return blocked
