"""What the sampler writes: planes tick by tick, blocks minute by minute, and who the targets are.

One writer a region. A tick is `begin`, the sweeps fill the plane, `publish`; between two ticks targets come and go
and minutes are closed. Rows start as the tick before left them: a sweep writes only what changed.
"""

from collections.abc import Callable
from dataclasses import replace

from podtick.history.blocks import encode
from podtick.history.layout import (
    DETAIL_BYTES,
    DETAIL_TURNS,
    MINUTE,
    NODE_BYTES,
    NODE_COLUMNS,
    ROW_BYTES,
    TARGET_COLUMNS,
    WORD,
    Region,
    Word,
)
from podtick.history.pieces import PieceWriter
from podtick.history.records import TargetKind, TargetRecord, TargetState, TargetTable
from podtick.history.segments import SHARED_COLUMNS, Block, SegmentWriter, read_chain
from podtick.history.ticks import Tick, write_tick

UNKNOWN_ROW = b"\xff" * ROW_BYTES
SHARED_BYTES = SHARED_COLUMNS * WORD
SPREAD = 2654435761
"""Knuth's multiplier: neighbouring ids close at far-off ticks."""


class FullError(Exception):
    """There is no slot for one more target."""


class HistoryWriter:
    """The sampler's side of a region."""

    def __init__(self, region: Region) -> None:
        self.region = region
        self._words = region.words
        self._table = TargetTable(region)
        self._segments = SegmentWriter(region)
        self._index: dict[int, int] = {}
        self._live: dict[int, TargetRecord] = {}
        self._by_phase: list[set[int]] = [set() for _ in range(MINUTE)]
        self._free_slots: list[int] = []
        self._free_entries = list(range(region.geometry.entries - 1, -1, -1))
        self._departed: dict[int, TargetRecord] = {}
        self._closed: dict[int, tuple[int, int, bytes]] = {}  # at this tick: place, first tick, rows
        self.number = self._words[Word.LATEST]
        self._recover()
        self._words[Word.STARTS] += 1
        self.pieces = PieceWriter(region)

    # -- the targets of a sampler before this one -----------------------------------------------------------------

    def _recover(self) -> None:
        """Take up the table of a sampler that died. Whoever lived then goes on when the agent attaches it again."""
        used: set[int] = set()
        for index, record in self._table.all():
            if record.id in self._index:  # it was being renamed
                self._table.free(index)
                continue
            self._index[record.id] = index
            if record.state is TargetState.LIVE and record.last:  # it was leaving
                record = self._table.departed(index, record, record.last)
            if record.state is TargetState.LIVE:
                record = self._complete(record)
                self._live[record.id] = record
                self._by_phase[_phase(record)].add(record.id)
                if record.kind is not TargetKind.NODE:
                    used.add(record.slot)
            else:
                self._departed[record.id] = record
        taken = set(self._index.values())
        self._free_entries = [index for index in self._free_entries if index not in taken]
        self._free_slots = sorted(set(range(self._words[Word.SLOTS_USED])) - used, reverse=True)
        for record in [record for record in self._live.values() if self.number - record.closed >= MINUTE]:
            self._close(record)  # it was due: at its next turn the planes would no longer have it

    def _complete(self, record: TargetRecord) -> TargetRecord:
        """A record whose newest block was written, but not yet said to be closed."""
        newest = next(read_chain(self.region, record.id, record.head), None)
        if newest is None or newest.last <= record.closed:
            return record
        self._table.block_added(self._index[record.id], newest.last, record.head)
        return replace(record, closed=newest.last)

    def row_before(self, slot: int) -> bytes:
        """The row that the last published tick holds for a slot."""
        start = self.region.plane_word(self.number) * WORD + NODE_BYTES + slot * ROW_BYTES
        return bytes(self.region.bytes_[start : start + ROW_BYTES])

    def carried(self, slot: int) -> int:
        """The byte at which a slot's carried row begins: what the next sampler goes on from, last row or not.

        All unknown when a target gets the slot.
        """
        return self.region.geometry.carried_at + slot * ROW_BYTES

    # -- ticks -----------------------------------------------------------------------------------------------------

    def begin(self, *, fresh: bool) -> int:
        """Start the plane of the next tick and return the byte at which it begins.

        It is a copy of the tick before, or all unknown when `fresh`: nothing read by a sampler that died is ours.
        """
        number = self.number + 1
        start = self.region.plane_word(number) * WORD
        size = NODE_BYTES + self._words[Word.SLOTS_USED] * ROW_BYTES
        if fresh:
            self.region.bytes_[start : start + size] = b"\xff" * size
        else:
            before = self.region.plane_word(self.number) * WORD
            self.region.bytes_[start : start + size] = self.region.bytes_[before : before + size]
        return start

    def publish(self, tick: Tick) -> None:
        """Make the tick that was begun the newest one."""
        write_tick(self.region, tick)
        self.number = tick.number
        self._words[Word.LATEST] = tick.number

    def details(self, which: int, text: bytes) -> None:
        """Keep the text of a node's file (0 diskstats, 1 net/dev) for the tick under way, cut at a line's end."""
        at = self.region.geometry.details_at + (2 * ((self.number + 1) % DETAIL_TURNS) + which) * DETAIL_BYTES
        if len(text) > DETAIL_BYTES - WORD:
            text = text[: text.rfind(b"\n", 0, DETAIL_BYTES - WORD) + 1]
        self.region.bytes_[at + WORD : at + WORD + len(text)] = text
        self._words[at // WORD] = len(text)

    # -- targets ---------------------------------------------------------------------------------------------------

    def attach(self, id_: int, kind: TargetKind, parent: int, identity: bytes) -> TargetRecord:
        """Give a target its row from the next tick on; one that is attached already keeps it. Raises `FullError`."""
        record = self._live.get(id_)
        if record is None:
            slot = 0 if kind is TargetKind.NODE else self._take_slot()
            record = TargetRecord(
                id_, kind, TargetState.LIVE, slot, parent, self.number + 1, 0, self.number, 0, identity
            )
            try:
                self._index[id_] = self._take_entry()
            except FullError:
                if kind is not TargetKind.NODE:
                    self._free_slots.append(slot)
                raise
            self._live[id_] = record
            self._by_phase[_phase(record)].add(id_)
            self._table.write(self._index[id_], record)
        elif record.identity != identity:
            self.rename(id_, identity)
        self._words[Word.TARGETS] = len(self._live)
        return self._live[id_]

    def rename(self, id_: int, identity: bytes) -> None:
        """Keep another identity for a live target: in another entry, so that at every instant one of them is whole."""
        record = replace(self._live[id_], identity=identity)
        self._live[id_] = record
        before = self._index[id_]
        if self._free_entries:
            self._index[id_] = self._take_entry()
        self._table.write(self._index[id_], record)
        if self._index[id_] != before:
            self._table.free(before)
            self._free_entries.append(before)

    def detach(self, id_: int) -> None:
        """End a target: close what is open of it, keep it among the departed, give its slot away."""
        record = self._live.get(id_)
        if record is None:
            return
        self._close(record)
        record = self._live.pop(id_)
        self._by_phase[_phase(record)].discard(id_)
        self._departed[id_] = self._table.departed(self._index[id_], record, self.number)
        if record.kind is not TargetKind.NODE:
            self._free_slots.append(record.slot)
        self._words[Word.TARGETS] = len(self._live)

    def live(self) -> list[TargetRecord]:
        """The targets that have a row."""
        return list(self._live.values())

    def _take_slot(self) -> int:
        if not self._free_slots:
            slot = self._words[Word.SLOTS_USED]
            if slot >= self.region.geometry.slots:
                self._words[Word.REFUSED_TARGETS] += 1
                raise FullError(f"all {slot} slots of the history are taken")
            self._words[Word.SLOTS_USED] = slot + 1
        else:
            slot = self._free_slots.pop()
        self._blank(slot, self.number)  # what the next plane is a copy of
        self.region.bytes_[self.carried(slot) : self.carried(slot) + ROW_BYTES] = UNKNOWN_ROW
        self.pieces.clear(slot)
        return slot

    def _blank(self, slot: int, number: int) -> None:
        start = self.region.plane_word(number) * WORD + NODE_BYTES + slot * ROW_BYTES
        self.region.bytes_[start : start + ROW_BYTES] = UNKNOWN_ROW

    def _take_entry(self) -> int:
        if not self._free_entries:
            oldest = min(self._departed.values(), key=lambda record: record.last, default=None)
            if oldest is None:
                self._words[Word.REFUSED_TARGETS] += 1
                raise FullError("all entries of the history's table are taken by live targets")
            self._forget(oldest.id)
        index = self._free_entries.pop()
        self._words[Word.ENTRIES_USED] = max(self._words[Word.ENTRIES_USED], index + 1)
        return index

    def _forget(self, id_: int) -> None:
        self._departed.pop(id_)
        index = self._index.pop(id_)
        self._table.free(index)
        self._free_entries.append(index)

    # -- closing minutes -------------------------------------------------------------------------------------------

    def close_due(self, twin: Callable[[int], int | None]) -> None:
        """Close the minutes that are due after the tick just published, and forget who left before the history.

        `twin(id)` may name a target whose readings could be the very same: the only container of a pod.
        """
        self._closed.clear()
        due = [self._live[id_] for id_ in self._by_phase[self.number % MINUTE]]
        for record in sorted(due, key=lambda record: -record.kind):  # containers, then pods, which may equal them
            self._close(record, twin(record.id))
        oldest = self._oldest()
        if self.number % MINUTE == MINUTE - 1:
            for id_ in [id_ for id_, record in self._departed.items() if record.last < oldest]:
                self._forget(id_)

    def _oldest(self) -> int:
        span = self.region.geometry.span
        oldest = max(self._words[Word.OLDEST], self.number + 1 - span, 0)
        self._words[Word.OLDEST] = oldest
        return oldest

    def _close(self, record: TargetRecord, twin: int | None = None) -> None:
        first, last = max(record.closed + 1, self.number - MINUTE + 1), self.number
        if first > last:
            return
        rows = self._rows(record, first)
        other = self._closed.get(twin) if twin is not None else None
        if other and other[1] == first and _same(rows, other[2]):
            payload = encode(_tails(rows), TARGET_COLUMNS - SHARED_COLUMNS)
            shared = other[0]
        else:
            payload = encode(rows, NODE_COLUMNS if record.kind is TargetKind.NODE else TARGET_COLUMNS)
            shared = 0
        place = self._segments.append(Block(record.id, first, last, record.head, payload), self._oldest(), shared)
        if not shared:
            self._closed[record.id] = (place, first, rows)
        self._words[Word.BLOCKS] += 1
        self._table.block_added(self._index[record.id], last, place)
        self._live[record.id] = replace(record, closed=last, head=place)

    def _rows(self, record: TargetRecord, first: int) -> bytes:
        offset, size = (
            (0, NODE_BYTES) if record.kind is TargetKind.NODE else (NODE_BYTES + record.slot * ROW_BYTES, ROW_BYTES)
        )
        buffer, region = self.region.bytes_, self.region
        starts = [region.plane_word(number) * WORD + offset for number in range(first, self.number + 1)]
        return b"".join([buffer[start : start + size] for start in starts])


def _phase(record: TargetRecord) -> int:
    """When in the minute its block closes: at one tick for a pod and its containers, whose readings may be equal."""
    return ((record.parent or record.id) * SPREAD >> 16) % MINUTE


def _same(rows: bytes, others: bytes) -> bool:
    """Whether two targets have the same readings in the columns that may be shared."""
    return len(rows) == len(others) and all(
        rows[at : at + SHARED_BYTES] == others[at : at + SHARED_BYTES] for at in range(0, len(rows), ROW_BYTES)
    )


def _tails(rows: bytes) -> bytes:
    """The columns that are never shared, row after row."""
    return b"".join([rows[at + SHARED_BYTES : at + ROW_BYTES] for at in range(0, len(rows), ROW_BYTES)])
