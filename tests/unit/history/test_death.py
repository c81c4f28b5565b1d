"""The sampler dies at any instruction: whoever comes after it reads nothing wrong and misses nothing published.

The writer's work is traced instruction by instruction (line by line where the interpreter shows no more). Between two
states of the region the words that changed are applied one after the other, as a copy would have done, and each state
in between is what a death leaves behind.
"""

import random
import sys
from array import array
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import FrameType
from typing import Any

import pytest

from podtick.history import writer as writer_module
from podtick.history.layout import MINUTE, ROW_BYTES, Geometry, Region, Word
from podtick.history.reader import HistoryReader
from podtick.history.records import TargetKind, TargetState
from tests.unit.history.book import Book, Entry, new_region, region_of

HISTORY = writer_module.__file__.rpartition("/")[0]
GEOMETRY = Geometry(slots=4, entries=9, segments=2, span=400, budget=1 << 24)
Row = Callable[[int, int], bytes]
BULK = 12  # words: longer runs of changed words are cut at a few places only
LONG_GONE, GONE, NODE, POD, CONTAINER, OTHER, NEW = 8, 9, 1, 2, 3, 4, 5


class Tape:
    """Every state that the region went through, as lists of (word, new value)."""

    def __init__(self, region: Region) -> None:
        self._region = region
        self.start = bytes(region.bytes_)
        self._last = self.start
        self.stores: list[list[tuple[int, int]]] = []

    def run(self, work: Callable[[], object]) -> None:
        before = sys.gettrace()
        sys.settrace(self._trace)
        try:
            work()
        finally:
            sys.settrace(before)
        self._look()

    def _trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(HISTORY) or frame.f_code.co_filename.endswith("blocks.py"):
            return None
        frame.f_trace_opcodes = True
        self._look()
        return self._trace

    def _look(self) -> None:
        now = bytes(self._region.bytes_)
        if now == self._last:
            return
        old, new = array("Q", self._last), array("Q", now)
        self.stores.append([(at, value) for at, (was, value) in enumerate(zip(old, new, strict=True)) if was != value])
        self._last = now

    def deaths(self) -> Iterator[bytes]:
        """The region after each store, and before the first."""
        words = array("Q", self.start)
        yield words.tobytes()
        for stores in self.stores:
            bulk = len(stores) > BULK
            seen = {0, 1, len(stores) // 2, len(stores) - 1} if bulk else range(len(stores))
            for count, (at, value) in enumerate(stores):
                words[at] = value
                if count in seen:
                    yield words.tobytes()


def same_for_both(id_: int, number: int) -> bytes:
    """The readings of the pod and its container are the same, everything else is of its own."""
    who = CONTAINER if id_ == POD else id_
    return array("Q", [(who << 48) + number * (column % 4 == 0) for column in range(2 * ROW_BYTES // 8)]).tobytes()


def noise(id_: int, number: int) -> bytes:
    """Nothing that could be compressed."""
    return random.Random(id_ << 32 | number).randbytes(2 * ROW_BYTES)


def old_node(region: Region, row: Row = same_for_both, ticks: int = MINUTE + 20) -> Book:
    """A node with some history, at a tick at which the next one closes minutes."""
    book = Book(region, twins={POD: CONTAINER})
    book.attach(NODE, TargetKind.NODE)
    book.attach(LONG_GONE)
    book.tick(row)
    book.detach(LONG_GONE)
    book.attach(GONE)
    book.attach(POD, TargetKind.POD)
    book.attach(CONTAINER, parent=POD)
    book.attach(OTHER)
    for _ in range(MINUTE):
        book.tick(row)
    book.detach(GONE)
    for _ in range(ticks - MINUTE):
        book.tick(row)
    return book


def tick(book: Book) -> None:
    book.tick(same_for_both)


def attach(book: Book) -> None:
    book.attach(NEW)


def detach(book: Book) -> None:
    book.detach(CONTAINER)


def rename(book: Book) -> None:
    book.writer.rename(CONTAINER, b"renamed, and longer than the name before it was")
    book.entries[CONTAINER].identity = b"renamed, and longer than the name before it was"


def ticks_until(happened: Callable[[Region], bool], row: Row) -> int:
    """How many ticks an old node makes until the one at which something happens."""
    with new_region(GEOMETRY) as region:
        book = old_node(region, row)
        while not happened(region):
            book.tick(row)
        return book.writer.number - 2


@pytest.mark.parametrize("work", [attach, detach, rename])
def test_between_two_ticks(work: Callable[[Book], None]) -> None:
    with new_region(GEOMETRY) as region:
        book = old_node(region)
        left_behind = record(book, lambda: work(book))
    for image, before in left_behind:
        check(image, before, book, same_for_both)


def test_while_minutes_are_closed() -> None:
    with new_region(GEOMETRY) as region:
        book = old_node(region)
        blocks = region.words[Word.BLOCKS]
    ticks = ticks_until(lambda region: region.words[Word.BLOCKS] >= blocks + 2, same_for_both)
    with new_region(GEOMETRY) as region:
        book = old_node(region, ticks=ticks)
        left_behind = record(book, lambda: book.tick(same_for_both))
        assert region.words[Word.BLOCKS] >= blocks + 2
    for image, before in left_behind:
        check(image, before, book, same_for_both)


def test_while_a_segment_is_used_again() -> None:
    ticks = ticks_until(lambda region: region.words[Word.SHORTENED] > 0, noise)
    with new_region(GEOMETRY) as region:
        book = old_node(region, noise, ticks)
        assert region.words[Word.SHORTENED] == 0
        left_behind = record(book, lambda: book.tick(noise))
        assert region.words[Word.SHORTENED] == 1
    for image, before in left_behind:
        check(image, before, book, noise)


def record(book: Book, work: Callable[[], object]) -> list[tuple[bytes, dict[int, Entry]]]:
    """What each death during `work` leaves behind, and what was known before."""
    before = {id_: replace(entry, rows=dict(entry.rows)) for id_, entry in book.entries.items()}
    tape = Tape(book.region)
    tape.run(work)
    deaths = list(dict.fromkeys(tape.deaths()))
    assert len(deaths) > 5
    return [(image, before) for image in deaths]


def check(image: bytes, before: dict[int, Entry], after: Book, row: Row) -> None:
    with region_of(image) as region:
        published = region.words[Word.LATEST]
        assert published in (after.writer.number - 1, after.writer.number)
        left = Book.__new__(Book)
        left.region = region
        check_readings(left, before, after, published)
        heir = Book(region, twins=after.twins)
        check_readings(heir, before, after, published)
        for target in HistoryReader(region).targets():
            rows = {number: row for number, row in after.entries[target.id].rows.items() if number <= published}
            live = target.state is TargetState.LIVE
            heir.entries[target.id] = Entry(target.kind, target.identity, live, rows)
        for _ in range(MINUTE + 2):
            heir.tick(row)
        heir.check()


def check_readings(left: Book, before: dict[int, Entry], after: Book, published: int) -> None:
    """Everything published is there as it was; a target is what it was before or what it was to be."""
    targets = {target.id: target for target in HistoryReader(left.region).targets()}
    assert set(before) <= set(targets) <= set(after.entries)
    for id_, target in targets.items():
        now = after.entries[id_]
        assert target.identity in {now.identity, before.get(id_, now).identity}
        expected = {number: row for number, row in now.rows.items() if left.oldest <= number <= published}
        assert left.found(target) == expected
