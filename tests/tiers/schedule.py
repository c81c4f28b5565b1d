"""Runs side by side, the longest first; one that needs something built begins once that is there."""

import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock

from tests.tiers.report import Row

AT_ONCE = 3
"""Runs side by side, each with an engine of its own: most of their time passes waiting for ticks."""
LOOK_SECONDS = 5.0
"""So long a builder may take to find that all has been built before."""
Building = Mapping[str, "subprocess.Popen[bytes]"]
"""Under way, by the module that builds."""


@dataclass(frozen=True, slots=True)
class Job:
    """What makes a row, about how many minutes it takes, and the module that builds what it needs, if any."""

    minutes: float
    make: Callable[[], Row]
    build: str = ""


def build_ahead(modules: Iterable[str]) -> Building:
    """Begin to build what takes minutes the first time."""
    nothing = subprocess.DEVNULL
    return {
        each: subprocess.Popen(["nice", sys.executable, "-m", each], stdin=nothing, stdout=nothing) for each in modules
    }


def side_by_side(jobs: Sequence[Job], building: Building) -> list[Row]:
    """The jobs' rows, in the jobs' order.

    Whoever begins before its builder has ended would spend a test's time, which is limited, on waiting for it. After
    Ctrl-C, or an error of a job's own, those under way come to their end and no other begins.
    """
    for builder in building.values():
        with suppress(subprocess.TimeoutExpired):
            builder.wait(LOOK_SECONDS)
    left = sorted(range(len(jobs)), key=lambda number: -jobs[number].minutes)
    taking = Lock()
    rows: dict[int, Row] = {}

    def work() -> None:
        while True:
            with taking:
                if not left:
                    return
                number = next((each for each in left if _is_built(jobs[each], building)), left[0])
                left.remove(number)
            if builder := building.get(jobs[number].build):
                builder.wait()  # it limits its own steps
            rows[number] = jobs[number].make()

    with ThreadPoolExecutor(AT_ONCE) as threads:
        try:
            workers = [threads.submit(work) for _ in range(AT_ONCE)]
            wait(workers, return_when=FIRST_EXCEPTION)
        finally:
            with taking:
                left.clear()
    for worker in workers:
        worker.result()
    return [rows[number] for number in range(len(jobs))]


def _is_built(job: Job, building: Building) -> bool:
    builder = building.get(job.build)
    return builder is None or builder.poll() is not None
