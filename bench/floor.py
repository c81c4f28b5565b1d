"""The floor: a bare C loop over the very files that podtick reads, and a bare loop of timed sleeps."""

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

from bench.machine import busiest_core, cpu_ns
from bench.programs import build

OFFSET_MS = 500
"""The C loop reads half a second after podtick, in the same seconds: each finds what the other left in the caches."""


FOLLOW_AT = 0.4
"""Of a second: podtick's pass is over, the C loop's has not begun."""


@dataclass(slots=True)
class Reads:
    """The C loop under way."""

    process: "subprocess.Popen[str]"
    files: int

    def cpu_ns(self) -> int:
        """CPU time of all of it until now."""
        return cpu_ns(self.process.pid)


@contextlib.contextmanager
def reads(files: Sequence[str], folder: Path, beside: int, *, offset_ms: int = OFFSET_MS) -> Iterator[Reads]:
    """Run the C loop over these files, on the core where process `beside` reads them; entered when all are open."""
    program = build("reads", folder)
    with subprocess.Popen(
        [program, "100000", str(offset_ms)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        ended = Event()
        follower = Thread(target=_follow, args=(process.pid, beside, ended))
        follower.start()
        try:
            opened = open_all(process, files)
            if opened < 0.99 * len(files):
                raise RuntimeError(f"of {len(files)} files that podtick reads the C loop could open {opened}")
            yield Reads(process, opened)
        finally:
            ended.set()
            follower.join()
            process.kill()


def _follow(pid: int, beside: int, ended: Event) -> None:
    """Before each pass of the C loop move it to the core on which the busiest thread of `beside` ran last.

    From here, not in the C loop: what it takes to find out is none of the floor's CPU time.
    """
    while not ended.wait((FOLLOW_AT - time.time()) % 1):
        with contextlib.suppress(OSError):  # one of the two has ended
            os.sched_setaffinity(pid, {busiest_core(beside)})


def open_all(process: "subprocess.Popen[str]", files: Sequence[str]) -> int:
    """Tell the C loop its files; how many of them it could open."""
    assert process.stdin
    assert process.stdout
    process.stdin.write("".join(f"{path}\n" for path in files))
    process.stdin.close()
    return int(process.stdout.readline().split()[1])


@dataclass(frozen=True, slots=True)
class Wakeups:
    """Seconds in which a program should have begun something, those in which it did not, and how late it was (ns)."""

    seconds: int
    missed: int
    lateness: tuple[int, ...]

    @property
    def missed_share(self) -> float:
        """Missed seconds in percent."""
        return 100 * self.missed / self.seconds if self.seconds else 0.0


def parse_sleeps(text: str) -> Wakeups:
    """What `sleeps` printed: lines of a whole second and the lateness; the first line is the beginning."""
    lines = [tuple(map(int, line.split())) for line in text.splitlines() if line.count(" ") == 1]
    seconds = lines[-1][0] - lines[0][0] if lines else 0
    made = len({second for second, _ in lines}) - 1 if lines else 0
    return Wakeups(seconds, seconds - made, tuple(late for _, late in lines[1:]))
