"""The history against a plain model, whatever comes and goes."""

import random
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from podtick.history.layout import NODE_BYTES, ROW_BYTES, TARGET_COLUMNS, Geometry, Word
from podtick.history.reader import HistoryReader
from podtick.history.records import TargetKind
from podtick.history.writer import FullError
from podtick.model.metrics.row import UNKNOWN
from tests.unit.history.book import EPOCH, UNKNOWN_ROW, Book, new_region

GEOMETRIES = (
    Geometry(slots=5, entries=7, segments=16, span=150, budget=1 << 24),
    Geometry(slots=5, entries=40, segments=3, span=1000, budget=1 << 24),  # far too few segments for the span
    Geometry(slots=3, entries=8, segments=1, span=120, budget=1 << 20),
)
STYLES = ("noise", "steady", "counting", "still")


class HistoryMachine(RuleBasedStateMachine):
    """Targets come, go and come again under other slots; samplers die; ticks pass by the minute."""

    @initialize(geometry=st.sampled_from(GEOMETRIES), seed=st.integers(0, 2**32))
    def start(self, geometry: Geometry, seed: int) -> None:
        self.context = new_region(geometry)
        self.book = Book(self.context.__enter__())
        self.random = random.Random(seed)
        self.next_id = 2
        self.styles: dict[int, str] = {}
        self.may_be_forgotten = False
        self.book.attach(1, TargetKind.NODE)
        self.styles[1] = "counting"

    @property
    def live(self) -> list[int]:
        return [id_ for id_, entry in self.book.entries.items() if entry.live and id_ != 1]

    def row(self, id_: int, number: int) -> bytes | None:
        style = self.styles[id_]
        if style == "noise":
            return self.random.randbytes(max(ROW_BYTES, NODE_BYTES))
        if style == "counting":
            columns = max(ROW_BYTES, NODE_BYTES) // 8
            values = (UNKNOWN if c == number % 90 else (id_ << 40) + number * (c % 5) for c in range(columns))
            return b"".join(value.to_bytes(8, "little") for value in values)
        return None if style == "still" or number % 7 else bytes([id_ % 256]) * ROW_BYTES

    @rule(style=st.sampled_from(STYLES), pod=st.booleans())
    def attach(self, style: str, pod: bool) -> None:
        id_, geometry = self.next_id, self.book.region.geometry
        self.next_id += 1
        if len(self.live) == geometry.slots:
            refused = self.book.region.words[Word.REFUSED_TARGETS]
            with pytest.raises(FullError):
                self.book.attach(id_)
            assert self.book.region.words[Word.REFUSED_TARGETS] == refused + 1
            return
        self.may_be_forgotten |= len(self.book.entries) >= geometry.entries
        self.styles[id_] = style
        if pod and self.live:  # a pod whose only container has the same readings
            other = self.live[-1]
            self.book.attach(id_, TargetKind.POD, parent=other)
            self.book.twins[id_] = other
        else:
            self.book.attach(id_)

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def detach(self, data: Any) -> None:
        self.book.detach(data.draw(st.sampled_from(self.live)))

    @precondition(lambda self: self.live)
    @rule(data=st.data(), identity=st.binary(max_size=200))
    def rename(self, data: Any, identity: bytes) -> None:
        id_ = data.draw(st.sampled_from(self.live))
        self.book.writer.rename(id_, identity)
        self.book.entries[id_].identity = identity

    @rule(ticks=st.integers(1, 130))
    def tick(self, ticks: int) -> None:
        for _ in range(ticks):
            self.book.tick(self.row)

    @rule()
    def die(self) -> None:
        self.book.restart()

    @invariant()
    def the_model_agrees(self) -> None:
        if not hasattr(self, "book"):
            return
        self.book.check(may_be_forgotten=self.may_be_forgotten)
        words, number, span = self.book.region.words, self.book.writer.number, self.book.region.geometry.span
        assert words[Word.OLDEST] >= number + 1 - span
        if not words[Word.SHORTENED]:
            assert words[Word.OLDEST] <= max(0, number + 1 - span)

    @invariant()
    def the_newest_tick_is_whole(self) -> None:
        if not hasattr(self, "book"):
            return
        number = self.book.writer.number
        snapshot = HistoryReader(self.book.region).latest()
        if not number:
            assert snapshot is None
            return
        assert snapshot is not None
        assert (snapshot.number, snapshot.timestamp) == (number, EPOCH + number)
        for record in self.book.writer.live():
            if record.kind is TargetKind.NODE:
                words = b"".join(word.to_bytes(8, "little") for word in snapshot.node)
            else:
                words = b"".join(word.to_bytes(8, "little") for word in snapshot.row(record.slot))
                assert snapshot.column(TARGET_COLUMNS - 1)[record.slot] == snapshot.row(record.slot)[-1]
            assert words == self.book.entries[record.id].rows.get(number, UNKNOWN_ROW)

    def teardown(self) -> None:
        if hasattr(self, "book"):
            self.context.__exit__(None, None, None)


TestHistory = HistoryMachine.TestCase
TestHistory.settings = settings(max_examples=25, stateful_step_count=20)
