"""Pressure stall information of containers and pods (kernel document `accounting/psi`).

It is a cgroup v2 file; on cgroup v1 it is there only where the host mounts a v2 tree beside v1 and the runtime makes
its cgroups in both.
"""

from podtick.model.metrics.cadvisor import Cadvisor
from podtick.model.metrics.row import SUBTREES, Kind, Metric, PodValue, Unit


def _row(resource: str, word: str, kernel: str, text: str) -> Metric:
    source = f"{resource}.pressure:{kernel}"
    name = f"pressure_{resource}_{word}_seconds_total"
    return Metric(
        name,
        Kind.COUNTER,
        Unit.SECONDS,
        text,
        SUBTREES,
        v1=source,
        v2=source,
        pod=PodValue.LONE,
        cadvisor=Cadvisor(f"container_{name}"),
    )


PRESSURE = (
    _row("cpu", "waiting", "some", "Time in which some task waited for a CPU."),
    _row("cpu", "stalled", "full", "Time in which all tasks waited for a CPU."),
    _row("memory", "waiting", "some", "Time in which some task waited for memory."),
    _row("memory", "stalled", "full", "Time in which all tasks waited for memory."),
    _row("io", "waiting", "some", "Time in which some task waited for I/O."),
    _row("io", "stalled", "full", "Time in which all tasks waited for I/O."),
)
