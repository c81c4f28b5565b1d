"""Closed minutes, in segments of a fixed size that are filled one after the other and emptied oldest first.

A segment is empty (sequence 0) or holds blocks of the ticks `first` to `last`. Blocks of one target form a chain from
its newest back to its oldest. A chain ends, without harm, where a segment has been used again: each link is checked for
target, ticks and checksum.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from zlib import crc32

from podtick.history.blocks import decode
from podtick.history.layout import PLANES, SEGMENT_BYTES, SEGMENT_WORDS, WORD, Region, Word
from podtick.model.metrics.table import KERNEL_COLUMNS

SHARED_COLUMNS = KERNEL_COLUMNS
"""What a pod may have in common with its only container: all that is read from cgroup files."""
_HEADER = struct.Struct("<5Q2I")  # target, first, last, previous, shared, length, crc32


@dataclass(frozen=True, slots=True)
class Block:
    """One closed minute of a target as it lies in a segment: ticks `first` to `last`, and the block before it.

    `payload` is what `blocks.decode` takes. With `shared` it has only the columns from `SHARED_COLUMNS` on, and those
    before are in `shared`, the block of another target whose readings are the same.
    """

    target: int
    first: int
    last: int
    previous: int
    payload: bytes
    shared: bytes | None = None

    def columns(self, wanted: Sequence[int]) -> list[list[int]]:
        """The readings of the wanted columns, in that order. Raises `blocks.BlockError`."""
        if self.shared is None:
            return decode(self.payload, wanted)
        own = iter(decode(self.payload, [column - SHARED_COLUMNS for column in wanted if column >= SHARED_COLUMNS]))
        other = iter(decode(self.shared, [column for column in wanted if column < SHARED_COLUMNS]))
        return [next(own if column >= SHARED_COLUMNS else other) for column in wanted]


class SegmentWriter:
    """Appends blocks. Room is bounded by the region's budget; the oldest segment makes room for the newest."""

    def __init__(self, region: Region) -> None:
        self._region = region
        self._words = region.words
        self._directory = region.geometry.directory_at // 8

    def append(self, block: Block, oldest: int, shared: int = 0) -> int:
        """Append a block; returns its place (never 0). Segments that end before tick `oldest` are free to use.

        `shared`: the place of the block that has the columns before `SHARED_COLUMNS`, if this one has not.
        """
        size = _HEADER.size + len(block.payload)
        place = self._room(size, block.first, oldest)
        buffer = self._region.bytes_
        buffer[place + _HEADER.size : place + size] = block.payload
        checksum = crc32(block.payload, block.first & 0xFFFFFFFF)
        fields = (block.target, block.first, block.last, block.previous, shared, len(block.payload), checksum)
        _HEADER.pack_into(buffer, place, *fields)
        entry = self._entry(self._words[Word.CURRENT_SEGMENT])
        self._words[entry + 2] = max(self._words[entry + 2], block.last)
        self._words[entry + 3] += -(-size // WORD) * WORD
        return place

    def _entry(self, segment: int) -> int:
        return self._directory + segment * SEGMENT_WORDS

    def _room(self, size: int, first: int, oldest: int) -> int:
        """The place for `size` bytes of a block that begins at tick `first`."""
        words = self._words
        current = words[Word.CURRENT_SEGMENT]
        entry = self._entry(current)
        if not words[entry] or words[entry + 3] + size > SEGMENT_BYTES:
            current = self._next(oldest)
            entry = self._entry(current)
            words[Word.SEGMENT_SEQUENCE] += 1
            words[entry + 1], words[entry + 2], words[entry + 3] = first, 0, 0
            words[entry] = words[Word.SEGMENT_SEQUENCE]
            words[Word.CURRENT_SEGMENT] = current
        words[entry + 1] = min(words[entry + 1], first)
        return self._region.geometry.segments_at + current * SEGMENT_BYTES + words[entry + 3]

    def _next(self, oldest: int) -> int:
        """An empty segment: a free one, one that has aged out, or, at the limit, the oldest in use."""
        geometry, words = self._region.geometry, self._words
        allowed = self._allowed()
        used = [number for number in range(geometry.segments) if words[self._entry(number)]]
        for number in used:
            if words[self._entry(number) + 2] < oldest:
                words[self._entry(number)] = 0
        used = [number for number in used if words[self._entry(number)]]
        used.sort(key=lambda number: words[self._entry(number)])
        evicted, used = used[: max(0, len(used) + 1 - allowed)], used[max(0, len(used) + 1 - allowed) :]
        if evicted:  # first it is said how far back the history reaches now: for all alike, whatever happens next
            last = max(words[self._entry(number) + 2] for number in evicted)
            words[Word.OLDEST] = max(words[Word.OLDEST], last + 1)
            words[Word.SHORTENED] += 1
        for number in evicted:
            words[self._entry(number)] = 0
        words[Word.SEGMENTS_USED] = len(used) + 1
        taken = set(used)
        return next(number for number in range(geometry.segments) if number not in taken)

    def _allowed(self) -> int:
        """Segments that the budget leaves beside the planes; a few at least, so that minutes can close at all."""
        geometry, words = self._region.geometry, self._words
        planes = words[Word.SLOTS_USED] * geometry.plane_bytes // geometry.slots * PLANES
        left = (geometry.budget - planes) // SEGMENT_BYTES
        return min(geometry.segments, max(8, left))


def read_chain(region: Region, target: int, head: int) -> Iterator[Block]:
    """The blocks of a target, newest first, beginning with the one at `head`; ends where the chain is lost."""
    before = 2**64
    place = head
    while place:
        found = _read(region, place)
        if found is None:
            return
        block, shared = found
        if block.target != target or block.last >= before:
            return
        if shared:
            other = _read(region, shared)
            if other is None or other[0].first != block.first or other[0].last != block.last or other[1]:
                return
            block = replace(block, shared=other[0].payload)
        yield block
        before = block.first
        place = block.previous


def _read(region: Region, place: int) -> tuple[Block, int] | None:
    geometry = region.geometry
    if not geometry.segments_at <= place <= geometry.size - _HEADER.size:
        return None
    target, first, last, previous, shared, length, checksum = _HEADER.unpack_from(region.bytes_, place)
    start = place + _HEADER.size
    if length > SEGMENT_BYTES or start + length > geometry.size or first > last:
        return None
    payload = bytes(region.bytes_[start : start + length])
    if crc32(payload, first & 0xFFFFFFFF) != checksum:
        return None
    return Block(target, first, last, previous, payload), shared
