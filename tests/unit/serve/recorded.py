"""A real history, written tick by tick as a test says, and what `/api/v1` answers from it."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from podtick.history.layout import NODE_BYTES, ROW_BYTES, SWEEPS, WORD, Geometry, Region
from podtick.history.reader import HistoryReader
from podtick.history.records import TargetKind, TargetRecord
from podtick.history.ticks import Tick
from podtick.history.writer import HistoryWriter
from podtick.model.identity import Identity
from podtick.model.metrics.row import Level
from podtick.model.metrics.table import NODE_COLUMN, TARGET_COLUMN
from podtick.serve.api.answers import Answers
from podtick.serve.api.facts import Facts
from podtick.serve.api.query import Query, read_query
from podtick.serve.exposition.filters import EVERYTHING
from podtick.serve.exposition.samples import DeviceParsers
from podtick.sources.cgroup.devices import block_devices
from podtick.sources.proc.network import pod_interfaces, real_interfaces
from podtick.sources.proc.node import device_names, disks
from tests.support.world import FakeRoster
from tests.unit.history.book import new_region

EPOCH = 1_764_021_000
SECOND = 10**9
NODE = 1
PARSERS = DeviceParsers(disks, real_interfaces, block_devices, pod_interfaces, device_names)
MINUTES = Geometry(slots=8, entries=24, segments=64, span=200, budget=1 << 24)
HOUR = replace(MINUTES, span=3600)
Json = dict[str, Any]


@dataclass
class Recorded:
    """Values of a target stay as they are until they are set anew; what was never set is unknown."""

    region: Region
    now: int = EPOCH
    monotonic: int = 1000 * SECOND
    flags: int = 0
    fresh: bool = True
    sweeps: tuple[int, ...] = (0,) * SWEEPS
    records: dict[int, TargetRecord] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.writer = HistoryWriter(self.region)
        self.reader = HistoryReader(self.region)
        self.roster = FakeRoster()
        self.answers = Answers(self.reader, "worker-7", PARSERS, Facts(self.roster))
        self._next = NODE
        self.attach(TargetKind.NODE, b"")

    def attach(self, kind: TargetKind, identity: bytes, parent: int = 0) -> int:
        id_ = self._next
        self._next += 1
        self.records[id_] = self.writer.attach(id_, kind, parent, identity)
        return id_

    def pod(self, name: str = "cart", uid: str = "u1", namespace: str = "shop") -> int:
        return self.attach(TargetKind.POD, Identity(namespace, name, uid).text().encode())

    def container(
        self, pod: int, container: str = "app", name: str = "cart", uid: str = "u1", namespace: str = "shop"
    ) -> int:
        return self.attach(TargetKind.CONTAINER, Identity(namespace, name, uid, container).text().encode(), pod)

    def around_pods(self, identity: str) -> int:
        """The cgroup of a class of service, or of all pods."""
        return self.attach(TargetKind.QOS, identity.encode())

    def detach(self, *ids: int) -> None:
        for id_ in ids:
            self.writer.detach(id_)
            del self.records[id_]

    def tick(self, values: Mapping[int, Mapping[str, int]] | None = None, missed: int = 0, flags: int = 0) -> int:
        """The next tick, after `missed` seconds without one; its whole second."""
        self.now += 1 + missed
        self.monotonic += (1 + missed) * SECOND
        plane = self.writer.begin(fresh=self.fresh)
        for id_, row in (values or {}).items():
            columns, at = self._place(id_, plane)
            for key, value in row.items():
                self.region.words[at + columns[key]] = value
        self.fresh = False
        number = self.writer.number + 1
        self.writer.publish(Tick(number, self.now, self.monotonic, 0, missed, flags, 1000, self.sweeps))
        self.writer.close_due(lambda _: None)
        return self.now

    def _place(self, id_: int, plane: int) -> tuple[Mapping[str, int], int]:
        if id_ == NODE:
            return NODE_COLUMN, plane // WORD
        return TARGET_COLUMN, (plane + NODE_BYTES + self.records[id_].slot * ROW_BYTES) // WORD

    # -- asking, without a server ----------------------------------------------------------------------------------

    def ask_node(self, **query: str) -> Json:
        return _decoded(self.answers.node(_query((Level.NODE, Level.QOS, Level.KUBEPODS), query)))

    def ask_pods(self, **query: str) -> Json:
        return _decoded(self.answers.pods(_query((Level.POD, Level.CONTAINER), query)))

    def ask_pod(self, name: str = "cart", namespace: str = "shop", **query: str) -> Json:
        return _decoded(self.answers.pod(namespace, name, _query((Level.POD, Level.CONTAINER), query)))

    def ask_container(self, container: str = "app", **query: str) -> Json:
        return _decoded(self.answers.container("shop", "cart", container, _query((Level.CONTAINER,), query)))


@contextmanager
def recording(geometry: Geometry = MINUTES) -> Iterator[Recorded]:
    with new_region(geometry) as region:
        yield Recorded(region)


def _query(levels: tuple[Level, ...], query: Mapping[str, str]) -> Query:
    return read_query(query.items(), [*query], levels, EVERYTHING)


def _decoded(pieces: Iterator[bytes]) -> Json:
    found: Json = json.loads(b"".join(pieces))
    return found
