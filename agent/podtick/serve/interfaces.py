"""What serving needs of the rest of the agent; history, roster and sampler satisfy it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from podtick.history.reader import Readings
from podtick.history.records import TargetRecord
from podtick.history.ticks import Tick
from podtick.model.metrics.row import Level


class Snapshot(Protocol):
    """A consistent copy of one published tick; nothing changes it once it is handed out."""

    @property
    def number(self) -> int:
        """The tick's number."""
        ...

    @property
    def timestamp(self) -> int:
        """The tick's time: whole seconds since 1970, UTC."""
        ...

    @property
    def node(self) -> Sequence[int]:
        """The node's columns in the order of `NODE_COLUMN`."""
        ...

    @property
    def diskstats(self) -> bytes:
        """The text of /proc/diskstats; empty when it could not be read."""
        ...

    @property
    def net_dev(self) -> bytes:
        """The text of the node's /proc/net/dev; empty when it could not be read."""
        ...

    def column(self, column: int) -> list[int]:
        """One column of `TARGET_COLUMN` for every slot: the index is the slot."""
        ...


class History(Protocol):
    """The readings of the last hour."""

    def latest(self) -> Snapshot | None:
        """The newest published tick; `None` before the first."""
        ...


class Hour(History, Protocol):
    """All of the history, tick by tick. Every method may be called from any thread."""

    @property
    def instance(self) -> int:
        """Another number for every history that is made."""
        ...

    def latest_number(self) -> int:
        """The number of the newest tick; 0 before the first."""
        ...

    def oldest_number(self) -> int:
        """The number of the oldest tick of which there can still be readings; 1 at least."""
        ...

    def tick(self, number: int) -> Tick | None:
        """The record of a tick, or `None` when there is none of that number, or none any more."""
        ...

    def details(self, number: int) -> tuple[bytes, bytes]:
        """The texts of /proc/diskstats and /proc/net/dev at one of the two newest ticks; empty where unknown."""
        ...

    def pieces(self, target: TargetRecord, kind: int, number: int) -> tuple[bytes | None, bytes | None]:
        """A target's per-device file (`layout.PIECES`) as of one of the newest ticks, and as of the tick before it.

        `None` where it is not known.
        """
        ...

    def piece(self, slot: int, kind: int, number: int) -> bytes | None:
        """The per-device file (`layout.PIECES`) of a slot's target, as of one of the newest ticks; `None`: unknown."""
        ...

    def targets(self) -> Sequence[TargetRecord]:
        """Every target that is remembered, departed ones included."""
        ...

    def readings(self, target: TargetRecord, columns: Sequence[int], first: int, last: int) -> Readings:
        """A target's readings at the ticks `first` to `last`, as far as they are held: some columns of its kind."""
        ...


class Target(Protocol):
    """One container or pod that is read at each tick; or a cgroup around pods, of no namespace, pod or UID."""

    @property
    def slot(self) -> int:
        """Its place in every column."""
        ...

    @property
    def first(self) -> int:
        """The number of its first tick; at earlier ones its slot may have been another's."""
        ...

    @property
    def level(self) -> Level:
        """Any but `Level.NODE`."""
        ...

    @property
    def namespace(self) -> str:
        """Namespace of the pod."""
        ...

    @property
    def pod(self) -> str:
        """Name of the pod."""
        ...

    @property
    def uid(self) -> str:
        """UID of the pod."""
        ...

    @property
    def container(self) -> str | None:
        """Name of the container; `None` for a pod."""
        ...

    @property
    def facts(self) -> Mapping[str, str]:
        """What else is known of it, by the labels of `exposition/info.py`; of a class of service its `qos_class`."""
        ...


class Roster(Protocol):
    """Which targets exist now."""

    @property
    def version(self) -> int:
        """Another number whenever a target comes, goes or is renamed."""
        ...

    def targets(self, level: Level) -> Sequence[Target]:
        """All targets of a level."""
        ...


class SourceState(StrEnum):
    """How far a source of targets has come."""

    ABSENT = "absent"  # nobody asked for it and it is not there
    WAITING = "waiting"  # asked for or found, and never listed yet
    LISTED = "listed"  # listed at least once, and followed since
    LOST = "lost"  # was listed; does not answer now


@dataclass(frozen=True, slots=True)
class SourceHealth:
    """One source, such as `docker`, and in plain words why it is in its state."""

    name: str
    state: SourceState
    reason: str


class Health(Protocol):
    """What the probes ask."""

    def ticked(self) -> bool:
        """Whether a tick has been published since the agent started."""
        ...

    def tick_age(self) -> float:
        """Seconds (monotonic) since the newest tick was published, or since the start when there was none."""
        ...

    def sources(self) -> Sequence[SourceHealth]:
        """Every source the agent knows of."""
        ...


class SelfMetrics(Protocol):
    """The agent's own numbers."""

    def values(self) -> Mapping[str, float]:
        """Values by `SelfRow.name` of `serve/exposition/agent.py`; what is not known is left out."""
        ...
