"""Network of pods: /proc/PID/net/dev of one process of the pod's network namespace, `lo` left out.

Containers that share a namespace cannot be told apart, so this is the pod's number and no container's. A pod in the
host's namespace has no traffic of its own: no series.
"""

from podtick.model.metrics.cadvisor import Cadvisor
from podtick.model.metrics.row import Kind, Level, Metric, PodValue, Unit

_ENGINE = {"receive": "rx", "transmit": "tx", "errs": "errors", "drop": "dropped"}


def _row(direction: str, what: str, unit: Unit, column: str, text: str) -> Metric:
    source = f"net/dev:{direction}_{column}"
    return Metric(
        f"network_{direction}_{what}_total",
        Kind.COUNTER,
        unit,
        text,
        (Level.POD,),
        v1=source,
        v2=source,
        pod=PodValue.OWN,
        engine=f"networks:{_ENGINE[direction]}_{_ENGINE.get(column, column)}",
        cadvisor=Cadvisor(f"container_network_{direction}_{what}_total", per="interface"),
    )


NETWORK = tuple(
    _row(direction, what, unit, column, text.format(verb))
    for direction, verb in (("receive", "received"), ("transmit", "sent"))
    for what, unit, column, text in (
        ("bytes", Unit.BYTES, "bytes", "Bytes {}, on all interfaces but lo."),
        ("packets", Unit.COUNT, "packets", "Packets {}, on all interfaces but lo."),
        ("errors", Unit.COUNT, "errs", "Packets not {} because of an error."),
        ("packets_dropped", Unit.COUNT, "drop", "Packets not {} because they were dropped."),
    )
)
