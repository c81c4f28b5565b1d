"""Which pods the demo has: what each does, and within which limits."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from podtick.demo import loads

CPU_LIMIT = 0.5
"""Cores. Two processes want four times as much, so that they are throttled on a busy machine too."""
_PERIOD = 100_000  # us
_QUOTA = int(CPU_LIMIT * _PERIOD)
_CPU = (("cpu.cfs_quota_us", str(_QUOTA)), ("cpu.max", f"{_QUOTA} {_PERIOD}"))
_MEMORY = (("memory.limit_in_bytes", str(loads.MEMORY_LIMIT)), ("memory.max", str(loads.MEMORY_LIMIT)))

Limits = tuple[tuple[str, str], ...]
"""Files of a cgroup, of version 1 and 2 side by side, and what is written to them."""


@dataclass(frozen=True, slots=True)
class DemoPod:
    """A pod with one container. `uid` is its name too: that of a static pod need not be a UUID either."""

    uid: str
    does: str
    load: Callable[[], None]
    processes: int = 1
    limits: Limits = ()


PODS = (
    DemoPod(
        "demo-cpu-burst",
        f"saturates its limit of {CPU_LIMIT} cores for {loads.BURST_SECONDS} s from each whole minute on, throttled",
        loads.burst,
        processes=2,
        limits=_CPU,
    ),
    DemoPod(
        "demo-memory-sawtooth",
        f"fills its memory within {loads.CLIMB_SECONDS} s, meets its limit of {loads.MEMORY_LIMIT // loads.MIB} MiB,"
        " gives all back",
        loads.sawtooth,
        limits=_MEMORY,
    ),
    DemoPod(
        "demo-disk-writer",
        f"writes {loads.WRITE_BYTES // loads.MIB} MiB to the disk every {loads.WRITE_SECONDS} s, where the kernel"
        " counts that (podtick check)",
        loads.writer,
    ),
)
JOB = DemoPod("demo-job", f"a new pod every {loads.JOB_EVERY} s, which lives for {loads.JOB_SECONDS}", loads.job)


def lines(now: float) -> Iterator[str]:
    """What the pods do, for people, a line a pod; `now` in unix seconds."""
    wait = loads.seconds_to_burst(now)
    when = f"the next burst comes in {wait:.0f} s" if wait else "just now"
    for pod in PODS:
        yield f"{pod.uid:21} {pod.does}" + (f" ({when})" if pod.load is loads.burst else "")
    yield f"{JOB.uid + '-N':21} {JOB.does}"
