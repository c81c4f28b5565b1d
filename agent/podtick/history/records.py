"""The table of targets: who they are and were, and where the newest closed minute of each lies.

An entry outlives its target: it stays until its last minute is older than the history, or until the table is full
and it is the one that left longest ago.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from zlib import crc32

from podtick.history.layout import ENTRY_BYTES, Region, Word


class TargetKind(IntEnum):
    """What a target is, as stored."""

    NODE = 1
    POD = 2
    CONTAINER = 3
    QOS = 4  # the cgroup of a class of service, or of all pods


class TargetState(IntEnum):
    """Whether a target is still read, as stored. An entry of no state is free."""

    LIVE = 1
    DEPARTED = 2


@dataclass(frozen=True, slots=True)
class TargetRecord:
    """An entry of the table.

    `id` is given by the agent and never used twice in a region. `slot` is the target's row in the planes while it
    lives. `first` is its first tick, `last` its last one (0 while it lives), `closed` the last tick that is in a
    block, `head` the place of its newest block (0: none). `identity` is opaque here: the agent's JSON. `index` is the
    entry that the record was read from.
    """

    id: int
    kind: TargetKind
    state: TargetState
    slot: int
    parent: int
    first: int
    last: int
    closed: int
    head: int
    identity: bytes
    index: int = -1


_FIXED = struct.Struct("<12Q")
IDENTITY_BYTES = ENTRY_BYTES - _FIXED.size
"""The longest identity an entry has room for."""
_STATE, _LAST, _CLOSED, _HEAD = 2, 6, 7, 8


class TargetTable:
    """The entries of a region, by index. Only the sampler writes."""

    def __init__(self, region: Region) -> None:
        self._region = region
        self._at = region.geometry.targets_at

    def read(self, index: int) -> TargetRecord | None:
        """The entry, or `None` when it is free, half written or damaged."""
        at = self._at + index * ENTRY_BYTES
        id_, kind, state, slot, parent, first, last, closed, head, length, checksum, _ = _FIXED.unpack_from(
            self._region.bytes_, at
        )
        if not id_ or length > IDENTITY_BYTES:
            return None
        identity = bytes(self._region.bytes_[at + _FIXED.size : at + _FIXED.size + length])
        if crc32(identity, id_ & 0xFFFFFFFF) != checksum:
            return None
        try:
            return TargetRecord(
                id_, TargetKind(kind), TargetState(state), slot, parent, first, last, closed, head, identity, index
            )
        except ValueError:
            return None

    def all(self) -> Iterator[tuple[int, TargetRecord]]:
        """Every entry that holds a target, with its index."""
        words, step = self._region.words, ENTRY_BYTES // 8
        start = self._at // 8
        for index in range(min(words[Word.ENTRIES_USED], self._region.geometry.entries)):
            if words[start + index * step]:
                record = self.read(index)
                if record:
                    yield index, record

    def write(self, index: int, record: TargetRecord) -> None:
        """Write an entry whole; its id goes in last, so that a half-written entry is a free one."""
        at = self._at + index * ENTRY_BYTES
        words = self._region.words
        words[at // 8] = 0
        identity = record.identity[:IDENTITY_BYTES]
        fields = (
            record.kind,
            record.state,
            record.slot,
            record.parent,
            record.first,
            record.last,
            record.closed,
            record.head,
        )
        checksum = crc32(identity, record.id & 0xFFFFFFFF)
        _FIXED.pack_into(self._region.bytes_, at, 0, *fields, len(identity), checksum, 0)
        self._region.bytes_[at + _FIXED.size : at + _FIXED.size + len(identity)] = identity
        words[at // 8] = record.id

    def free(self, index: int) -> None:
        """Forget the target of an entry."""
        self._region.words[(self._at + index * ENTRY_BYTES) // 8] = 0

    def block_added(self, index: int, closed: int, head: int) -> None:
        """A block up to tick `closed` now lies at `head`.

        The head goes in first: a reader that sees the old `closed` beside it reads some ticks twice, which it can tell;
        the other way round it would miss them.
        """
        word = (self._at + index * ENTRY_BYTES) // 8
        self._region.words[word + _HEAD] = head
        self._region.words[word + _CLOSED] = closed

    def departed(self, index: int, record: TargetRecord, last: int) -> TargetRecord:
        """Mark a target as gone after tick `last`, and return its new record.

        In place, so that it is known at every instant: who reads a last tick of a live target knows that it is going.
        """
        word = (self._at + index * ENTRY_BYTES) // 8
        self._region.words[word + _LAST] = last
        self._region.words[word + _STATE] = TargetState.DEPARTED
        return replace(record, state=TargetState.DEPARTED, last=last)
