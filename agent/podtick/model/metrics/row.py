"""What a row of the metric table says.

A row is one column of the history and one series of every output: its name, unit, kind and help, the kernel
file it comes from on cgroup v1 and v2, the levels that have it, and how a pod's value is made where the
pod is not simply one cgroup. The reading plan, the exposition, `docs/metrics.md` and the golden output are all
derived from rows, so that a new metric is one row.

A stored value is an unsigned 64-bit integer in the unit's base (see `Unit`). Two values are reserved: `UNKNOWN`
(nobody could read it) and `UNLIMITED` (read, and there is no limit). Neither is ever exposed as a number.
"""

from dataclasses import dataclass
from enum import Enum, StrEnum

from podtick.model.metrics.cadvisor import Cadvisor

UNKNOWN = 2**64 - 1
UNLIMITED = 2**64 - 2
MAX_VALUE = 2**64 - 3
"""The largest number a column can hold; a kernel number above it is stored as `UNKNOWN`."""


class Kind(StrEnum):
    """The Prometheus type of a metric."""

    COUNTER = "counter"
    GAUGE = "gauge"


class Level(StrEnum):
    """Whose number it is: the word after `podtick_` in a metric's name, and a value of `?level=`."""

    CONTAINER = "container"
    POD = "pod"
    QOS = "qos"  # all pods of one class of service that has a cgroup
    KUBEPODS = "kubepods"  # all pods, those of the class that has none too
    NODE = "node"


SUBTREES = (Level.CONTAINER, Level.POD, Level.QOS, Level.KUBEPODS)
"""Levels of what the kernel counts rightly for a cgroup and all below it: see `Metric.pod_cgroup`."""


class Unit(Enum):
    """What is exposed, and how many stored integers make one of it: (name, divisor)."""

    SECONDS = ("seconds", 1_000_000_000)  # stored as nanoseconds
    BYTES = ("bytes", 1)
    CORES = ("cores", 1_000_000_000)  # stored as billionths of a core
    COUNT = ("", 1)
    LOAD = ("load", 100)  # stored as hundredths, the kernel's own precision

    @property
    def divisor(self) -> int:
        """Stored integers per exposed unit."""
        return self.value[1]


class PodValue(StrEnum):
    """How the value of a pod without a cgroup of its own is made of its containers' values.

    A counter's sum is accumulated: containers that have gone stay in it, so that it never falls.
    """

    SUM = "sum"
    SUM_OF_LIMITS = "sum_of_limits"  # unlimited as soon as one container is
    LONE = "lone"  # no sum means anything: known while the pod has just one container
    OWN = "own"  # belongs to the pod itself: its network, its start


@dataclass(frozen=True, slots=True)
class Metric:
    """One row.

    `v1` and `v2` name the kernel source as `file`, or `file:key` for a file of several values: a cgroup file for
    containers and pods, a path below /proc for the node. `None`: that kernel has no such number. A row without
    either is either told by the roster (`told`) or computed when read (`minus`: this row's value is the row
    `minus[0]` less the row `minus[1]`, never below zero).

    `pod_cgroup` names the cgroup versions on which the kernel's number on a pod's own cgroup is right (it never is
    for CFS throttling, which is not hierarchical); on the others the pod's value is made as `pod` says. Of a class of
    service, and of all pods, the cgroup is all there is: where it is not right there is no value.
    `slow` rows are limits: read once a minute and whenever the roster says that they changed.
    `labels` are constant labels that tell rows of one name apart; `per` names the label (device) under which the
    latest tick is exposed piece by piece, while the history holds the sum.
    `engine` is where the Engine API's stats have the same number: a path of names, or `blkio:LIST:OPERATION`, or
    `networks:COUNTER`; lines of memory.stat need none, they have the kernel's names there too.
    `cadvisor` is what cAdvisor calls the same number; `None` where it has no such thing.
    """

    name: str
    kind: Kind
    unit: Unit
    help: str
    levels: tuple[Level, ...]
    v1: str | None = None
    v2: str | None = None
    pod: PodValue = PodValue.SUM
    pod_cgroup: tuple[int, ...] = (1, 2)
    slow: bool = False
    told: bool = False
    minus: tuple[str, str] | None = None
    labels: tuple[tuple[str, str], ...] = ()
    per: str | None = None
    engine: str | None = None
    cadvisor: Cadvisor | None = None

    def family(self, level: Level) -> str:
        """The full metric name at a level, such as `podtick_pod_cpu_usage_seconds_total`."""
        return f"podtick_{level}_{self.name}"

    @property
    def key(self) -> str:
        """The row's name, made unique by its constant labels: `cpu_seconds_total{mode=user}`."""
        return self.name + "".join(f"{{{name}={value}}}" for name, value in self.labels)
