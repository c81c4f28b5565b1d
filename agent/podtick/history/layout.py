"""Where everything lies in the mapped history: one region, shared by the sampler (writes) and the agent (reads).

    header    one page: what region this is, the newest tick, the sampler's counters
    ticks     a ring: when each tick of the span was, and what befell it
    targets   a table: who the targets are and were, and where their newest closed minute lies
    details   some turns of the node's per-device files, as text
    carried   a row for each slot: counters that a pod goes on from, and that its newest row does not show
    pieces    some turns of the text of each target's per-device files, file by file
    planes    a ring of `PLANES` ticks: the row of every target, as the tick left it
    segments  closed minutes, compressed

All numbers are little-endian 64-bit words, so that amd64 and arm64 read each other's regions. The region is sparse:
only what was touched takes memory. Order of writing makes it safe for either process to die at any instruction: first
the content, then the word that makes it known (a tick's number in the header, a target's newest block in the table).
"""

import mmap
import os
import sys
from dataclasses import dataclass
from functools import cached_property

from podtick.model.metrics.table import FINGERPRINT, NODE_COLUMN, TARGET_COLUMN

MAGIC = int.from_bytes(b"podtick\0", "little")
VERSION = 3

WORD = 8
PAGE = 4096
PLANES = 64
"""Ticks held raw: the open minute of every target and a few ticks of grace for readers."""
MINUTE = 60
"""Readings in a block. Targets close their blocks at different ticks, so that the work is spread over the minute."""
LONGEST_SPAN = 6 * 3600
"""Ticks that a history can be asked to hold."""
ENTRY_BYTES = 1024
DETAIL_BYTES = 64 * 1024
DETAIL_TURNS = 4
"""Ticks whose texts of the node are kept: two to read, one that is being written, one of grace."""
PIECES = {
    "blkio.throttle.io_service_bytes_recursive": 0,
    "io.stat": 0,
    "blkio.throttle.io_serviced_recursive": 1,
    "net/dev": 2,
}
"""Files of targets whose text is kept, for its devices one by one, and the kind of piece that it is."""
PIECE_KINDS = max(PIECES.values()) + 1
PIECE_BYTES = 1024
PIECE_HEAD = 2 * WORD
"""Of a piece: its stamp (the sampler's start and the tick; 0: nothing, or being written), then the text's length."""
PIECE_TURNS = 3
"""Texts kept of a file: two to read, one that is being written."""
STAMP_BITS = 40
"""Of a stamp: the tick's number. What a sampler before this one has written counts no more."""
SEGMENT_BYTES = 128 * 1024
SEGMENT_WORDS = 4

TARGET_COLUMNS = len(TARGET_COLUMN)
NODE_COLUMNS = len(NODE_COLUMN)
ROW_BYTES = TARGET_COLUMNS * WORD
TICK_FIXED = 8
SWEEPS = TARGET_COLUMNS + 1
"""Times kept of a tick's sweeps: one for each column of a target, and one for the node."""
TICK_WORDS = TICK_FIXED + SWEEPS
NODE_BYTES = NODE_COLUMNS * WORD


class HistoryError(Exception):
    """The region is not one that this podtick can use; the message says why."""


class Word:
    """Places of the header's words. From `TICKS_TOTAL` on: the sampler's counters, since the region was made."""

    MAGIC, VERSION, FINGERPRINT, SLOTS, ENTRIES, SEGMENTS, SPAN, BUDGET, INSTANCE = range(9)
    LATEST, STARTS, OLDEST, SLOTS_USED, SEGMENTS_USED, SEGMENT_SEQUENCE, CURRENT_SEGMENT, ENTRIES_USED = range(16, 24)
    (
        TICKS_TOTAL,
        TICKS_LATE,
        TICKS_MISSED,
        CLOCK_STEPS,
        READ_ERRORS,
        STALLED_READS,
        OPEN_FILES,
        TRANSIENT_READS,
        TARGETS,
        PASS_NANOSECONDS,
        SHORTENED,
        REFUSED_TARGETS,
        BLOCKS,
    ) = range(32, 45)


@dataclass(frozen=True)  # without slots: places are worked out once
class Geometry:
    """Sizes that are chosen when a region is made.

    `slots` targets at a time, `entries` targets remembered, `segments` of closed minutes at the most, `span` ticks of
    history, `budget` bytes for planes and segments together.
    """

    slots: int
    entries: int
    segments: int
    span: int
    budget: int

    @classmethod
    def for_budget(cls, span: int, budget: int, slots: int = 4096, entries: int = 8192) -> "Geometry":
        """The geometry that holds `span` ticks (seconds) in `budget` bytes."""
        if not MINUTE <= span <= LONGEST_SPAN:
            raise HistoryError(f"a history of {span} ticks: possible are {MINUTE} to {LONGEST_SPAN}")
        if budget < 16 * SEGMENT_BYTES:
            raise HistoryError(f"a history of {budget} bytes: at least {16 * SEGMENT_BYTES} are needed")
        return cls(slots, entries, budget // SEGMENT_BYTES, span, budget)

    @cached_property
    def plane_bytes(self) -> int:
        """Size of one tick's plane."""
        return NODE_BYTES + self.slots * ROW_BYTES

    @cached_property
    def ticks(self) -> int:
        """Records in the tick ring: the span, and the minutes that are being closed at either end of it."""
        return self.span + 2 * MINUTE

    @cached_property
    def ticks_at(self) -> int:
        """Where the tick ring begins."""
        return PAGE

    @cached_property
    def targets_at(self) -> int:
        """Where the table of targets begins."""
        return _page(self.ticks_at + self.ticks * TICK_WORDS * WORD)

    @cached_property
    def directory_at(self) -> int:
        """Where the directory of segments begins."""
        return self.targets_at + self.entries * ENTRY_BYTES

    @cached_property
    def details_at(self) -> int:
        """Where the node's texts begin."""
        return _page(self.directory_at + self.segments * SEGMENT_WORDS * WORD)

    @cached_property
    def carried_at(self) -> int:
        """Where the carried rows begin."""
        return self.details_at + 2 * DETAIL_TURNS * DETAIL_BYTES

    @cached_property
    def pieces_at(self) -> int:
        """Where the pieces begin: kind by kind, turn by turn, so that one that is not in use takes no memory."""
        return _page(self.carried_at + self.slots * ROW_BYTES)

    @cached_property
    def planes_at(self) -> int:
        """Where the planes begin."""
        return _page(self.pieces_at + PIECE_KINDS * self.slots * PIECE_TURNS * PIECE_BYTES)

    @cached_property
    def segments_at(self) -> int:
        """Where the segments begin."""
        return _page(self.planes_at + PLANES * self.plane_bytes)

    @cached_property
    def size(self) -> int:
        """Size of the whole region in bytes."""
        return self.segments_at + self.segments * SEGMENT_BYTES


def _page(offset: int) -> int:
    return -(-offset // PAGE) * PAGE


class Region:
    """A mapped history: `bytes_` to copy, `words` to read and write single numbers (both over the same memory)."""

    def __init__(self, fd: int, geometry: Geometry, *, writable: bool) -> None:
        access = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
        self._map = mmap.mmap(fd, geometry.size, mmap.MAP_SHARED, access)
        self.geometry = geometry
        self.bytes_ = memoryview(self._map)
        self.words = self.bytes_.cast("Q")

    @classmethod
    def create(cls, fd: int, geometry: Geometry) -> "Region":
        """Lay out a new, empty region in the file `fd` and map it. Raises `HistoryError`."""
        if sys.byteorder != "little":
            raise HistoryError("podtick's history needs a little-endian machine")
        try:
            os.ftruncate(fd, 0)
            os.ftruncate(fd, geometry.size)
            region = cls(fd, geometry, writable=True)
        except OSError as error:
            size = f"{geometry.size >> 20} MiB of address space"
            raise HistoryError(f"no history of {size}: {error.strerror}: ulimit -v and -f may be too low") from None
        words = region.words
        words[Word.VERSION] = VERSION
        words[Word.FINGERPRINT] = FINGERPRINT
        words[Word.SLOTS] = geometry.slots
        words[Word.ENTRIES] = geometry.entries
        words[Word.SEGMENTS] = geometry.segments
        words[Word.SPAN] = geometry.span
        words[Word.BUDGET] = geometry.budget
        words[Word.INSTANCE] = int.from_bytes(os.urandom(8), "little")
        words[Word.MAGIC] = MAGIC
        return region

    @classmethod
    def open(cls, fd: int, *, writable: bool) -> "Region":
        """Map an existing region, refusing what is not one of this version, table and size."""
        header = os.pread(fd, PAGE, 0)
        if len(header) < PAGE:
            raise HistoryError("history: the file is too short to be one")
        words = memoryview(header).cast("Q")
        if words[Word.MAGIC] != MAGIC:
            raise HistoryError("history: not a podtick history")
        if words[Word.VERSION] != VERSION or words[Word.FINGERPRINT] != FINGERPRINT:
            raise HistoryError("history: written by a podtick of another version")
        geometry = Geometry(
            *(words[place] for place in (Word.SLOTS, Word.ENTRIES, Word.SEGMENTS, Word.SPAN, Word.BUDGET))
        )
        if os.fstat(fd).st_size != geometry.size:
            raise HistoryError("history: the file's size does not fit its header")
        return cls(fd, geometry, writable=writable)

    def close(self) -> None:
        """Unmap. No view of the region may be in use any more."""
        self.words.release()
        self.bytes_.release()
        self._map.close()

    def plane_word(self, number: int) -> int:
        """The word at which the plane of tick `number` begins: the node's row, then one row a slot."""
        return (self.geometry.planes_at + (number % PLANES) * self.geometry.plane_bytes) // WORD

    def piece_word(self, kind: int, slot: int) -> int:
        """The word at which the first turn of a target's file begins; the next one lies `slots` pieces further on."""
        place = kind * PIECE_TURNS * self.geometry.slots + slot
        return (self.geometry.pieces_at + place * PIECE_BYTES) // WORD

    def tick_word(self, number: int) -> int:
        """The word at which the record of tick `number` begins."""
        return self.geometry.ticks_at // WORD + (number % self.geometry.ticks) * TICK_WORDS
