"""What the agent reads: the newest tick whole, and one target's readings over any part of the history.

A reader never waits for the writer and never holds it up. It copies, then looks whether what it copied can have been
overwritten meanwhile: the planes of the last `PLANES` ticks stay as they were for about a minute.
"""

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from podtick.history.blocks import BlockError
from podtick.history.layout import (
    DETAIL_BYTES,
    DETAIL_TURNS,
    NODE_COLUMNS,
    PLANES,
    ROW_BYTES,
    TARGET_COLUMNS,
    WORD,
    Region,
    Word,
)
from podtick.history.pieces import read_pieces
from podtick.history.records import TargetKind, TargetRecord, TargetState, TargetTable
from podtick.history.segments import read_chain
from podtick.history.ticks import Tick, read_tick

GRACE = 2
"""Planes that the writer may be working on: the tick under way, and one it may have begun while we copied."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The newest published tick: a copy, so that it stays consistent however long it is used."""

    tick: Tick
    node: Sequence[int]
    rows: "array[int]"
    diskstats: bytes
    net_dev: bytes

    @property
    def number(self) -> int:
        """The tick's number."""
        return self.tick.number

    @property
    def timestamp(self) -> int:
        """The tick's whole second, Unix time."""
        return self.tick.timestamp

    def column(self, column: int) -> list[int]:
        """One column of every slot, by slot."""
        return self.rows[column::TARGET_COLUMNS].tolist()

    def row(self, slot: int) -> Sequence[int]:
        """All columns of one slot."""
        return self.rows[slot * TARGET_COLUMNS : (slot + 1) * TARGET_COLUMNS]


@dataclass(frozen=True, slots=True)
class Readings:
    """Readings of one target: tick numbers, ascending, and for each wanted column one value a tick."""

    numbers: list[int]
    columns: list[list[int]]


class HistoryReader:
    """Reads a region that another process writes."""

    def __init__(self, region: Region) -> None:
        self._region = region
        self._words = region.words
        self._table = TargetTable(region)

    @property
    def instance(self) -> int:
        """What tells this history from every other: a number chosen when it was made."""
        return self._words[Word.INSTANCE]

    def latest_number(self) -> int:
        """The number of the newest tick; 0 before the first."""
        return self._words[Word.LATEST]

    def counter(self, place: int) -> int:
        """One of the header's counters (`Word`)."""
        return self._words[place]

    def tick(self, number: int) -> Tick | None:
        """The record of a tick, or `None` when it is out of the span."""
        return read_tick(self._region, number)

    def oldest_number(self) -> int:
        """The number of the oldest tick of which there can still be readings; 1 at least."""
        return max(self._words[Word.OLDEST], 1)

    def oldest_tick(self) -> Tick | None:
        """The record of that tick."""
        return self.tick(self.oldest_number())

    def plane_bytes(self) -> int:
        """Memory that the planes take: only what was touched of them."""
        return PLANES * (NODE_COLUMNS * WORD + self._words[Word.SLOTS_USED] * ROW_BYTES)

    def latest(self) -> Snapshot | None:
        """A copy of the newest tick; `None` before the first."""
        while number := self.latest_number():
            tick = self.tick(number)
            start = self._region.plane_word(number) * WORD
            rows_start = start + NODE_COLUMNS * WORD
            rows_end = rows_start + self._words[Word.SLOTS_USED] * ROW_BYTES
            node = self._region.bytes_[start:rows_start].cast("Q").tolist()
            rows = array("Q", bytes(self._region.bytes_[rows_start:rows_end]))
            details = [self._detail(number, which) for which in range(2)]
            if tick and self.latest_number() == number:
                return Snapshot(tick, node, rows, *details)
        return None

    def details(self, number: int) -> tuple[bytes, bytes]:
        """The texts of the node's diskstats and net/dev at one of the newest ticks; empty where they are not known."""
        texts = self._detail(number, 0), self._detail(number, 1)
        kept = self.latest_number() + 1 - DETAIL_TURNS < number <= self.latest_number() and number > 0
        return texts if kept else (b"", b"")

    def _detail(self, number: int, which: int) -> bytes:
        at = self._region.geometry.details_at + (2 * (number % DETAIL_TURNS) + which) * DETAIL_BYTES
        length = min(self._words[at // WORD], DETAIL_BYTES - WORD)
        return bytes(self._region.bytes_[at + WORD : at + WORD + length])

    def pieces(self, target: TargetRecord, kind: int, number: int) -> tuple[bytes | None, bytes | None]:
        """The text of a live target's file as of one of the newest ticks, and as of the tick before it.

        `None` where it is not known. A text that did not change is kept once, and is both.
        """
        if target.state is not TargetState.LIVE:
            return None, None
        return read_pieces(self._region, kind, target.slot, number)

    def piece(self, slot: int, kind: int, number: int) -> bytes | None:
        """The first of `pieces`, of the live target that has this slot."""
        return read_pieces(self._region, kind, slot, number)[0]

    def targets(self) -> list[TargetRecord]:
        """Every target that the region remembers, departed ones included."""
        return list({record.id: record for _, record in self._table.all()}.values())  # twice while it is renamed

    def readings(self, target: TargetRecord, columns: Sequence[int], first: int, last: int) -> Readings:
        """The target's readings at the ticks `first` to `last` that the history still holds.

        `target` may be older than what the table says by now; columns are those of its kind's table.
        """
        first = max(first, target.first, self._words[Word.OLDEST])
        target, open_numbers, open_columns = self._open(target, columns, first, last)
        parts: list[tuple[int, list[list[int]]]] = []
        for block in read_chain(self._region, target.id, target.head):
            if block.last < first:
                break
            try:
                parts.append((block.first, block.columns(columns)))
            except BlockError:
                break
        numbers: list[int] = []
        values: list[list[int]] = [[] for _ in columns]
        for start, decoded in reversed(parts):
            low = max(first - start, numbers[-1] + 1 - start if numbers else 0, 0)
            high = min(max(last - start + 1, 0), len(decoded[0]) if decoded else 0)
            numbers.extend(range(start + low, start + high))
            for into, column in zip(values, decoded, strict=True):
                into.extend(column[low:high])
        twice = bisect_right(open_numbers, numbers[-1]) if numbers else 0  # a block that was not yet said to be closed
        for into, column in zip(values, open_columns, strict=True):
            into.extend(column[twice:])
        return Readings(numbers + open_numbers[twice:], values)

    def _open(
        self, target: TargetRecord, columns: Sequence[int], first: int, last: int
    ) -> tuple[TargetRecord, list[int], list[list[int]]]:
        """The part of a target's readings that is not in a block yet, from the planes.

        With the record to which it belongs: when the target has left meanwhile, its slot may be another one's.
        """
        while target.state is TargetState.LIVE:
            numbers, values = self._from_planes(target, columns, first, last)
            now = self._again(target)
            if now is None:
                break
            if (now.state, now.closed, now.slot) == (target.state, target.closed, target.slot):
                return now, numbers, values
            target = now
        return target, [], [[] for _ in columns]

    def _again(self, target: TargetRecord) -> TargetRecord | None:
        """What the table says of a target now; `None` when it has forgotten it."""
        now = self._table.read(target.index) if target.index >= 0 else None
        if now and now.id == target.id:
            return now
        return next((record for _, record in self._table.all() if record.id == target.id), None)

    def _from_planes(
        self, target: TargetRecord, columns: Sequence[int], first: int, last: int
    ) -> tuple[list[int], list[list[int]]]:
        latest = self.latest_number()
        first = max(first, target.closed + 1, latest - PLANES + GRACE + 1)
        numbers = list(range(first, min(last, latest) + 1))
        node = target.kind is TargetKind.NODE
        offset = 0 if node else NODE_COLUMNS + target.slot * TARGET_COLUMNS
        rows = [self._region.plane_word(number) + offset for number in numbers]
        words = self._words
        values = [[words[row + column] for row in rows] for column in columns]
        stale = max(0, self.latest_number() - PLANES + GRACE + 1 - first)
        return numbers[stale:], [column[stale:] for column in values]
