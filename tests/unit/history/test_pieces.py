"""Texts of per-device files: whose they are, as of which tick, and never a part of one."""

import os
from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

import pytest

from podtick.history.layout import PIECE_BYTES, PIECE_HEAD, PIECE_KINDS, PIECE_TURNS, Region
from podtick.history.pieces import ROOM, read_pieces
from podtick.history.reader import HistoryReader
from podtick.history.records import TargetRecord
from podtick.history.writer import HistoryWriter
from tests.unit.history.book import SMALL, Book, new_region

FILE, OTHER = 0, 2
Texts = tuple[bytes | None, bytes | None]
NOTHING: Texts = (None, None)


class Pieces:
    """One target, and what is read of its file."""

    def __init__(self, region: Region) -> None:
        self.book = Book(region)
        self.region = region
        self.book.attach(2)
        self.book.attach(3)

    def record(self, id_: int = 2) -> TargetRecord:
        return next(record for record in HistoryReader(self.region).targets() if record.id == id_)

    def tick(self, *texts: bytes | None) -> int:
        """The next tick, with a new text of the file if there is one."""
        for text in texts:
            self.book.writer.pieces.keep(FILE, [self.record().slot], [text])
        return self.book.tick(lambda id_, number: None)

    def read(self, number: int = 0, kind: int = FILE, id_: int = 2) -> Texts:
        reader = HistoryReader(self.region)
        return reader.pieces(self.record(id_), kind, number or reader.latest_number())


def test_a_text_is_that_of_its_tick_and_stays_until_the_next() -> None:
    with new_region() as region:
        pieces = Pieces(region)
        assert pieces.read(pieces.tick()) == NOTHING
        assert pieces.read(pieces.tick(b"one")) == (b"one", None)
        assert pieces.read(pieces.tick()) == (b"one", b"one")
        assert pieces.read(pieces.tick()) == (b"one", b"one")
        assert pieces.read(pieces.tick(b"two, longer")) == (b"two, longer", b"one")
        assert pieces.read(pieces.tick(b"")) == (b"", b"two, longer")
        assert pieces.read(pieces.tick()) == (b"", b"")


def test_each_tick_of_many_has_its_own_and_the_one_before() -> None:
    with new_region() as region:
        pieces = Pieces(region)
        pieces.tick(b"text 1")
        for number in range(2, 20):
            assert pieces.read(pieces.tick(b"text %d" % number)) == (b"text %d" % number, b"text %d" % (number - 1))


def test_files_and_targets_do_not_mix() -> None:
    with new_region() as region:
        pieces = Pieces(region)
        keep, texts = pieces.book.writer.pieces.keep, {}
        for kind in range(PIECE_KINDS):
            for id_ in (2, 3):
                texts[kind, id_] = b"%d of %d" % (kind, id_) * 100
                keep(kind, [pieces.record(id_).slot], [texts[kind, id_]])
        pieces.tick()
        assert {key: pieces.read(0, *key)[0] for key in texts} == texts


def test_the_tick_under_way_disturbs_no_reader() -> None:
    with new_region() as region:
        pieces = Pieces(region)
        pieces.tick(b"one")
        number = pieces.tick(b"two")
        pieces.book.writer.pieces.keep(FILE, [pieces.record().slot], [b"of the next tick"])
        assert pieces.read(number) == (b"two", b"one")
        pieces.tick()
        assert pieces.read(number) == (b"two", b"one"), "a reader may be one tick late"
        pieces.tick(b"four")
        assert pieces.read(number) == (b"two", None), "later it is unknown, and no other text"
        pieces.tick(b"five")
        assert pieces.read(number) == NOTHING


@pytest.mark.parametrize(("size", "known"), [(ROOM, True), (ROOM + 1, False), (100_000, False)])
def test_a_text_that_is_too_long_is_unknown_and_not_cut(size: int, known: bool) -> None:
    with new_region() as region:
        pieces = Pieces(region)
        pieces.tick(b"one")
        text = b"x" * size
        assert pieces.read(pieces.tick(text)) == ((text, b"one") if known else NOTHING)
        assert pieces.read(pieces.tick(b"two")) == (b"two", text if known else None)


def test_what_is_cleared_is_unknown() -> None:
    with new_region() as region:
        pieces = Pieces(region)
        number = pieces.tick(b"one")
        pieces.book.writer.pieces.keep(OTHER, [pieces.record().slot], [b"another file"])
        number = pieces.tick(b"two")
        pieces.book.writer.pieces.keep(FILE, [pieces.record().slot], [None])
        assert pieces.read(number) == NOTHING
        assert pieces.read(number, OTHER) == (b"another file", None)
        assert pieces.read(pieces.tick(b"three")) == (b"three", None)


def test_the_next_target_of_a_slot_begins_with_nothing() -> None:
    with new_region() as region:
        pieces = Pieces(region)
        number = pieces.tick(b"one")
        left = pieces.record()
        pieces.book.detach(2)
        assert pieces.read(number) == NOTHING
        pieces.book.attach(4)
        assert pieces.record(4).slot == left.slot
        assert pieces.read(number, id_=4) == HistoryReader(region).pieces(left, FILE, number) == NOTHING


def test_nothing_of_a_sampler_that_died_counts() -> None:
    """Not even what it read for the tick under way, which bears the number of its heir's first one."""
    with new_region() as region:
        pieces = Pieces(region)
        number = pieces.tick(b"one")
        pieces.book.writer.pieces.keep(FILE, [pieces.record().slot], [b"of a tick that never came"])
        assert pieces.read(number) == (b"one", None)
        pieces.book.restart()
        assert pieces.read(number) == NOTHING
        assert pieces.read(pieces.tick()) == NOTHING
        assert pieces.read(pieces.tick(b"two")) == (b"two", None)


class Meanwhile:
    """A region in which something happens whenever bytes are copied."""

    def __init__(self, region: Region, happens: Callable[[], object]) -> None:
        self._region, self._happens = region, happens

    def __getitem__(self, part: slice) -> memoryview:
        half = part.start + (part.stop - part.start) // 2
        first = bytes(self._region.bytes_[part.start : half])
        self._happens()
        return memoryview(first + bytes(self._region.bytes_[half : part.stop]))


def test_a_text_that_is_overwritten_while_it_is_copied_is_unknown() -> None:
    with new_region() as region:
        pieces = Pieces(region)
        number = pieces.tick(b"first text")
        slot = pieces.record().slot

        def overwrite() -> None:
            for turn in range(PIECE_TURNS):
                pieces.tick(b"later text %d" % turn)

        torn = SimpleNamespace(
            words=region.words,
            geometry=region.geometry,
            piece_word=region.piece_word,
            bytes_=Meanwhile(region, overwrite),
        )
        assert read_pieces(cast(Region, torn), FILE, slot, number) == NOTHING


def test_a_length_that_makes_no_sense_reads_no_other_piece() -> None:
    with new_region() as region:
        pieces = Pieces(region)
        number = pieces.tick(b"one")
        region.words[region.piece_word(FILE, pieces.record().slot) + 1] = 1 << 40
        text, _ = pieces.read(number)
        assert text is not None
        assert len(text) == PIECE_BYTES - PIECE_HEAD


def test_a_text_that_is_being_written_is_not_to_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    with new_region() as region:
        pieces = Pieces(region)
        number = pieces.tick(b"one")
        for turn in range(1, PIECE_TURNS):
            pieces.tick(b"later text %d" % turn)
        assert pieces.read(number) == (b"one", None)
        seen: list[Texts] = []

        class Bytes:
            def __setitem__(self, place: slice, text: bytes) -> None:
                seen.append(pieces.read(number))

        monkeypatch.setattr(pieces.book.writer.pieces, "_bytes", Bytes())
        pieces.tick(b"in its place")
        assert seen == [NOTHING]


def test_clearing_takes_no_memory_that_was_not_in_use() -> None:
    fd = os.memfd_create("test-history", os.MFD_CLOEXEC)
    region = Region.create(fd, SMALL)
    try:
        writer = HistoryWriter(region)
        before = os.fstat(fd).st_blocks
        for slot in range(SMALL.slots):
            writer.pieces.clear(slot)
        assert os.fstat(fd).st_blocks == before
        writer.pieces.keep(FILE, [0], [b"text"])
        assert os.fstat(fd).st_blocks > before
    finally:
        region.close()
        os.close(fd)
