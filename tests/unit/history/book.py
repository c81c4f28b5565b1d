"""A history and, beside it, what it should hold: plain dictionaries that a test can compare it with."""

import os
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain

from podtick.history.layout import (
    NODE_BYTES,
    NODE_COLUMNS,
    ROW_BYTES,
    TARGET_COLUMNS,
    WORD,
    Geometry,
    Region,
    Word,
)
from podtick.history.reader import HistoryReader
from podtick.history.records import TargetKind, TargetRecord, TargetState
from podtick.history.ticks import Tick
from podtick.history.writer import HistoryWriter

SMALL = Geometry(slots=6, entries=9, segments=12, span=200, budget=1 << 24)
UNKNOWN_ROW = b"\xff" * ROW_BYTES
EPOCH = 1_700_000_000


@contextmanager
def new_region(geometry: Geometry = SMALL) -> Iterator[Region]:
    """An empty region in memory."""
    fd = os.memfd_create("test-history", os.MFD_CLOEXEC)
    region = Region.create(fd, geometry)
    try:
        yield region
    finally:
        region.close()
        os.close(fd)


@contextmanager
def region_of(image: bytes) -> Iterator[Region]:
    """A region with this content, opened as a new process would."""
    fd = os.memfd_create("test-history", os.MFD_CLOEXEC)
    try:
        os.pwrite(fd, image, 0)
        region = Region.open(fd, writable=True)
        try:
            yield region
        finally:
            region.close()
    finally:
        os.close(fd)


@dataclass
class Entry:
    """What the history should know of a target."""

    kind: TargetKind
    identity: bytes
    live: bool = True
    rows: dict[int, bytes] = field(default_factory=dict)


@dataclass
class Book:
    """Writes a history through a writer, and keeps every reading of it."""

    region: Region
    entries: dict[int, Entry] = field(default_factory=dict)
    fresh: bool = True
    twins: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.writer = HistoryWriter(self.region)

    def attach(self, id_: int, kind: TargetKind = TargetKind.CONTAINER, identity: bytes = b"", parent: int = 0) -> None:
        record = self.writer.attach(id_, kind, parent, identity or b"target %d" % id_)
        known = self.entries.setdefault(id_, Entry(kind, record.identity))
        known.identity, known.live = record.identity, True

    def detach(self, id_: int) -> None:
        self.writer.detach(id_)
        self.entries[id_].live = False

    def restart(self) -> None:
        """The writer dies between two instructions of nobody's, and another takes its place."""
        self.writer = HistoryWriter(self.region)
        self.fresh = True

    def tick(self, row_of: Callable[[int, int], bytes | None]) -> int:
        """One tick: `row_of(target, number)` gives a whole row, or `None` to leave it as the tick before did."""
        start = self.writer.begin(fresh=self.fresh)
        number = self.writer.number + 1
        for record in self.writer.live():
            node = record.kind is TargetKind.NODE
            at, size = (start, NODE_BYTES) if node else (start + NODE_BYTES + record.slot * ROW_BYTES, ROW_BYTES)
            row = row_of(record.id, number)
            rows = self.entries[record.id].rows
            if row is None:
                row = rows.get(number - 1, b"\xff" * size) if not self.fresh else b"\xff" * size
            else:
                row = row[:size].ljust(size, b"\xff")
                self.region.bytes_[at : at + size] = row
            rows[number] = row
        self.fresh = False
        self.writer.publish(Tick(number, EPOCH + number, number * 10**9, 7, 0, 0, 1000))
        self.writer.close_due(self.twins.get)
        return number

    # -- comparing -------------------------------------------------------------------------------------------------

    @property
    def oldest(self) -> int:
        """The oldest tick that the history promises to have."""
        return max(1, self.region.words[Word.OLDEST])

    def found(self, record: TargetRecord) -> dict[int, bytes]:
        """Every reading that the history gives of a target; fails when one comes twice or out of order."""
        count = NODE_COLUMNS if record.kind is TargetKind.NODE else TARGET_COLUMNS
        readings = HistoryReader(self.region).readings(record, range(count), 1, 1 << 40)
        assert readings.numbers == sorted(set(readings.numbers)), "a tick twice, or out of order"
        assert {len(column) for column in readings.columns} == {len(readings.numbers)}
        words = array("Q", chain.from_iterable(zip(*readings.columns, strict=True))).tobytes()
        size = count * WORD
        return {number: words[at * size : (at + 1) * size] for at, number in enumerate(readings.numbers)}

    def check(self, *, may_be_forgotten: bool = False) -> None:
        """The history has every reading that it should have, as it was, and no other."""
        records = {record.id: record for record in HistoryReader(self.region).targets()}
        assert set(records) <= set(self.entries)
        for id_, entry in self.entries.items():
            expected = {number: row for number, row in entry.rows.items() if number >= self.oldest}
            record = records.get(id_)
            if record is None:
                assert not entry.live
                assert may_be_forgotten or not expected, f"target {id_} is forgotten, but not its ticks"
                continue
            assert record.identity == entry.identity
            assert record.kind is entry.kind
            assert (record.state is TargetState.LIVE) == entry.live
            found = self.found(record)
            assert sorted(found) == sorted(expected), f"ticks of target {id_}"
            assert found == expected
