"""A made-up node to serve: snapshot, roster, health and self metrics that a test can set as it likes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from podtick.history.reader import Readings
from podtick.history.records import TargetRecord
from podtick.history.ticks import Tick
from podtick.model.metrics.row import UNKNOWN, UNLIMITED, Level, Unit
from podtick.model.metrics.table import NODE_COLUMN, NODE_ROWS, TARGET_COLUMN, TARGET_ROWS
from podtick.serve.exposition.samples import DeviceParsers
from podtick.serve.interfaces import SourceHealth, SourceState

Devices = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class FakeTarget:
    slot: int
    level: Level
    namespace: str
    pod: str
    uid: str
    container: str | None = None
    first: int = 1
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass
class FakeRoster:
    all_targets: list[FakeTarget] = field(default_factory=list)
    version: int = 1

    def targets(self, level: Level) -> Sequence[FakeTarget]:
        return [target for target in self.all_targets if target.level is level]


@dataclass
class FakeSnapshot:
    """`rows` are the targets' columns by slot; what is not set is unknown."""

    rows: list[dict[str, int]] = field(default_factory=list)
    node_values: dict[str, int] = field(default_factory=dict)
    diskstats: bytes = b""
    net_dev: bytes = b""
    number: int = 1
    timestamp: int = 1_764_021_256

    def column(self, column: int) -> list[int]:
        key = list(TARGET_COLUMN)[column]
        return [row.get(key, UNKNOWN) for row in self.rows]

    @property
    def node(self) -> Sequence[int]:
        return [self.node_values.get(key, UNKNOWN) for key in NODE_COLUMN]


@dataclass
class FakeHistory:
    """The newest tick alone; whoever asks for more finds an hour in which nothing was sampled."""

    snapshot: FakeSnapshot | None = None
    instance: int = 1
    piece_texts: dict[tuple[int, int], bytes] = field(default_factory=dict)

    def latest(self) -> FakeSnapshot | None:
        return self.snapshot

    def latest_number(self) -> int:
        return 0

    def oldest_number(self) -> int:
        return 1

    def tick(self, number: int) -> Tick | None:
        return None

    def details(self, number: int) -> tuple[bytes, bytes]:
        return b"", b""

    def pieces(self, target: TargetRecord, kind: int, number: int) -> tuple[bytes | None, bytes | None]:
        return None, None

    def piece(self, slot: int, kind: int, number: int) -> bytes | None:
        return self.piece_texts.get((slot, kind))

    def targets(self) -> Sequence[TargetRecord]:
        return []

    def readings(self, target: TargetRecord, columns: Sequence[int], first: int, last: int) -> Readings:
        return Readings([], [[] for _ in columns])


@dataclass
class FakeHealth:
    has_ticked: bool = True
    age: float = 0.4
    all_sources: list[SourceHealth] = field(default_factory=list)

    def ticked(self) -> bool:
        return self.has_ticked

    def tick_age(self) -> float:
        return self.age

    def sources(self) -> Sequence[SourceHealth]:
        return self.all_sources


@dataclass
class FakeSelf:
    numbers: dict[str, float] = field(default_factory=dict)

    def values(self) -> Mapping[str, float]:
        return self.numbers


def no_devices(data: bytes) -> Devices:
    return {}


def parsers(
    disks: Callable[[bytes], Devices] = no_devices, net: Callable[[bytes], Devices] = no_devices
) -> DeviceParsers:
    return DeviceParsers(disks, net, no_devices, no_devices, lambda _: {})


@dataclass
class World:
    history: FakeHistory = field(default_factory=FakeHistory)
    roster: FakeRoster = field(default_factory=FakeRoster)
    health: FakeHealth = field(default_factory=FakeHealth)
    own: FakeSelf = field(default_factory=FakeSelf)
    parsers: DeviceParsers = field(default_factory=parsers)


def plausible(row_number: int, slot: int, unit: Unit) -> int:
    """A value that differs from row to row and slot to slot, in stored units."""
    seed = (row_number + 1) * 1_000_003 + (slot + 1) * 7_919
    match unit:
        case Unit.SECONDS | Unit.CORES:
            return seed * 1_234_567
        case Unit.BYTES:
            return seed * 4096
        case Unit.COUNT | Unit.LOAD:
            return seed % 100_000


def _row(slot: int) -> dict[str, int]:
    values = {
        row.key: plausible(number, slot, row.unit) for number, row in enumerate(TARGET_ROWS) if row.key in TARGET_COLUMN
    }
    values["state"] = 1 + slot % 2
    return values


def full_world(pods: int, containers_each: int = 1) -> World:
    """A node whose every number is known, for size and speed."""
    world = World()
    rows: list[dict[str, int]] = []
    for pod in range(pods):
        uid = f"{pod:08x}-0000-4000-8000-{pod:012x}"
        identity = (f"team-{pod % 5}", f"shop-{pod:04d}", uid)
        world.roster.all_targets.append(FakeTarget(len(rows), Level.POD, *identity))
        rows.append(_row(len(rows)))
        for container in range(containers_each):
            target = FakeTarget(len(rows), Level.CONTAINER, *identity, container=f"c{container}")
            world.roster.all_targets.append(target)
            rows.append(_row(len(rows)))
    for qos_class in ("Burstable", "BestEffort", None):
        level, facts = (Level.QOS, {"qos_class": qos_class}) if qos_class else (Level.KUBEPODS, {})
        world.roster.all_targets.append(FakeTarget(len(rows), level, "", "", "", facts=facts))
        rows.append(_row(len(rows)))
    node = {row.key: plausible(number, 0, row.unit) for number, row in enumerate(NODE_ROWS)}
    world.history.snapshot = FakeSnapshot(rows, node, b"some", b"some")
    disk = {"read_bytes": 4096, "written_bytes": 8192, "reads": 1, "writes": 2, "io_time": 1_500_000_000}
    keys = ("bytes", "packets", "errs", "drop")
    net = {f"{way}_{key}": 7 for way in ("receive", "transmit") for key in keys}
    world.parsers = parsers(lambda _: {"sda": disk, "nvme0n1": disk}, lambda _: {"eth0": net})
    world.health.all_sources = [
        SourceHealth("docker", SourceState.LISTED, "3 containers at unix:///var/run/docker.sock")
    ]
    world.own.numbers = {"ticks_total": 3600.0, "ticks_late_total": 2.0, "history_bytes": 4_194_304.0}
    return world


def small_world() -> World:
    """Three containers in two pods: limits and none, unknown numbers, an exited one, a name with quotes."""
    world = full_world(pods=2)
    world.roster.all_targets[3] = FakeTarget(3, Level.CONTAINER, "team-1", 'odd "name"\\\n', "uid-1", "c0")
    snapshot = world.history.snapshot
    assert snapshot is not None
    unlimited, exited = snapshot.rows[1], snapshot.rows[3]
    for key in ("spec_cpu_limit_cores", "spec_memory_limit_bytes", "threads_max"):
        unlimited[key] = UNLIMITED
    known = {"state": 5, "restarts_total": 2, "start_time_seconds": 1_764_000_000_123_456_789}
    exited.clear()
    exited.update(known)
    return world
