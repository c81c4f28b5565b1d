"""The reader's edges: windows, old records, damaged places, texts of the node, a writer that goes on meanwhile."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podtick.history.layout import DETAIL_BYTES, DETAIL_TURNS, PLANES, ROW_BYTES, TARGET_COLUMNS, Region, Word
from podtick.history.reader import HistoryReader
from podtick.history.records import IDENTITY_BYTES, TargetKind, TargetRecord, TargetState, TargetTable
from podtick.history.ticks import AFTER_START, Tick
from tests.unit.history.book import EPOCH, SMALL, Book, new_region


def row(id_: int, number: int) -> bytes:
    return ((id_ << 32) + number).to_bytes(8, "little") * (ROW_BYTES // 8)


def record_of(region: Region, id_: int) -> TargetRecord:
    return next(record for record in HistoryReader(region).targets() if record.id == id_)


@pytest.fixture(scope="module")
def windows() -> Iterator[Book]:
    """Four minutes of one target, and two of one that has left."""
    with new_region() as region:
        book = Book(region)
        book.attach(2)
        book.attach(3)
        for number in range(250):
            book.tick(row)
            if number == 130:
                book.detach(3)
        yield book


@settings(max_examples=60)
@given(first=st.integers(-5, 260), last=st.integers(-5, 260))
def test_a_window_is_what_lies_in_it(windows: Book, first: int, last: int) -> None:
    for id_ in (2, 3):
        readings = HistoryReader(windows.region).readings(record_of(windows.region, id_), [5, 0], first, last)
        expected = [number for number in sorted(windows.entries[id_].rows) if first <= number <= last]
        expected = [number for number in expected if number >= windows.oldest]
        assert readings.numbers == expected
        assert readings.columns == [[(id_ << 32) + number for number in expected]] * 2


def test_no_columns_are_no_values(windows: Book) -> None:
    assert HistoryReader(windows.region).readings(record_of(windows.region, 2), [], 1, 250).columns == []


def test_an_old_record_never_gives_the_next_target_of_the_slot() -> None:
    with new_region() as region:
        book = Book(region)
        book.attach(2)
        for _ in range(10):
            book.tick(row)
        stale = record_of(region, 2)
        book.detach(2)
        book.attach(3)
        assert record_of(region, 3).slot == stale.slot
        for _ in range(30):
            book.tick(row)
        readings = HistoryReader(region).readings(stale, [0], 1, 1000)
        assert readings.numbers == list(range(1, 11))
        assert readings.columns == [[(2 << 32) + number for number in range(1, 11)]]


def test_an_old_record_of_a_forgotten_target_gives_nothing_of_another() -> None:
    with new_region(replace(SMALL, entries=1)) as region:
        book = Book(region)
        book.attach(2)
        book.tick(row)
        stale = record_of(region, 2)
        book.detach(2)
        book.attach(3)
        for _ in range(5):
            book.tick(row)
        readings = HistoryReader(region).readings(stale, [0], 1, 1000)
        assert readings.columns[0] in ([], [(2 << 32) + 1])


@pytest.mark.parametrize("ticks", [1, 30, 61, 63, 130])
def test_an_old_record_of_a_live_target_is_no_loss(ticks: int) -> None:
    """Whatever minutes have been closed since."""
    with new_region() as region:
        book = Book(region)
        book.attach(2)
        book.tick(row)
        stale = record_of(region, 2)
        for _ in range(ticks):
            book.tick(row)
        readings = HistoryReader(region).readings(stale, [0], 1, 1000)
        assert readings.numbers == list(range(1, ticks + 2))


def test_a_minute_that_closes_while_it_is_read_comes_once() -> None:
    """Between a record's new head and its new last tick both the block and the planes have those ticks."""
    with new_region() as region:
        book = Book(region)
        book.attach(2)
        for _ in range(90):
            book.tick(row)
        record = record_of(region, 2)
        word = (SMALL.targets_at + record.index * 1024) // 8 + 7
        assert region.words[word] == record.closed > 0
        region.words[word] = 0
        half = record_of(region, 2)
        assert (half.head, half.closed) == (record.head, 0)
        assert HistoryReader(region).readings(half, [0], 1, 90).numbers == list(range(1, 91))


def damage_payload(book: Book, record: TargetRecord) -> None:
    book.region.bytes_[record.head + 60] ^= 1


def damage_owner(book: Book, record: TargetRecord) -> None:
    book.region.words[record.head // 8] += 1


def damage_length(book: Book, record: TargetRecord) -> None:
    book.region.bytes_[record.head + 40 : record.head + 44] = b"\xff" * 4


def damage_order(book: Book, record: TargetRecord) -> None:
    book.region.words[record.head // 8 + 3] = record.head  # its predecessor is itself


@pytest.mark.parametrize("damage", [damage_payload, damage_owner, damage_length, damage_order])
def test_a_chain_ends_at_damage(damage: Callable[[Book, TargetRecord], None]) -> None:
    with new_region() as region:
        book = Book(region)
        book.attach(2)
        for _ in range(190):
            book.tick(row)
        record = record_of(region, 2)
        damage(book, record)
        readings = HistoryReader(region).readings(record, [0], 1, 190)
        assert readings.numbers[-1] == 190
        assert 0 < len(readings.numbers) <= 190 - record.closed + 60
        assert readings.columns == [[(2 << 32) + number for number in readings.numbers]]


@pytest.mark.parametrize("head", [1, 2**63, 8])
def test_a_head_outside_of_the_segments_is_no_block(head: int) -> None:
    with new_region() as region:
        book = Book(region)
        book.attach(2)
        book.tick(row)
        record = replace(record_of(region, 2), head=head)
        assert HistoryReader(region).readings(record, [0], 1, 9).numbers == [1]


def test_a_damaged_entry_is_no_target() -> None:
    with new_region() as region:
        book = Book(region)
        for id_, identity in ((2, b"first"), (3, b"second"), (4, b"third"), (5, b"fourth")):
            book.attach(id_, identity=identity)
        at = SMALL.targets_at
        region.bytes_[at + 96] ^= 1  # an identity that is not what was written
        region.words[(at + 1024) // 8 + 1] = 77  # a kind that there is not
        region.words[(at + 2048) // 8 + 9] = 1 << 40  # longer than an entry
        assert [record.identity for record in HistoryReader(region).targets()] == [b"fourth"]


def test_an_identity_longer_than_an_entry_is_cut() -> None:
    with new_region() as region:
        book = Book(region)
        book.writer.attach(2, TargetKind.CONTAINER, 0, b"x" * 4096)
        assert record_of(region, 2).identity == b"x" * IDENTITY_BYTES


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (b"", b""),
        (b"sda 1 2 3\n", b"sda 1 2 3\n"),
        (b"x" * 9 + b"\n" + b"y" * DETAIL_BYTES, b"x" * 9 + b"\n"),
        (b"a\n" * (DETAIL_BYTES // 2 - 4), b"a\n" * (DETAIL_BYTES // 2 - 4)),
    ],
)
def test_the_nodes_texts_belong_to_their_tick(text: bytes, kept: bytes) -> None:
    with new_region() as region:
        book, reader = Book(region), HistoryReader(region)
        for which, here in ((0, text), (1, b"net\n")):
            book.writer.details(which, here)
        book.tick(row)
        book.writer.details(0, b"of the next tick, which is not out yet\n")
        snapshot = reader.latest()
        assert snapshot is not None
        assert (snapshot.diskstats, snapshot.net_dev) == (kept, b"net\n")
        book.tick(row)
        following = reader.latest()
        assert following is not None
        assert following.diskstats == b"of the next tick, which is not out yet\n"


def test_the_texts_of_the_tick_before_stay_while_the_next_is_written() -> None:
    with new_region() as region:
        book, reader = Book(region), HistoryReader(region)
        for number in range(1, 8):
            for which in range(2):
                book.writer.details(which, b"%d of tick %d\n" % (which, number))
            if number > 2:  # what follows is not out yet
                for known in (number - 1, number - 2):
                    assert reader.details(known) == (b"0 of tick %d\n" % known, b"1 of tick %d\n" % known)
            book.tick(row)
        assert reader.details(8) == (b"", b""), "not out yet"
        assert reader.details(7 - DETAIL_TURNS + 1) == (b"", b""), "the next tick may be written there"
        assert reader.details(0) == (b"", b"")


def test_ticks_are_known_for_the_span() -> None:
    with new_region() as region:
        book, reader = Book(region), HistoryReader(region)
        book.attach(2)
        assert reader.oldest_tick() is None
        for _ in range(SMALL.ticks + 30):
            book.tick(row)
        number = reader.latest_number()
        assert number == SMALL.ticks + 30
        newest = reader.tick(number)
        assert newest == Tick(number, EPOCH + number, number * 10**9, 7, 0, 0, 1000)
        assert reader.tick(number + 1) is None
        assert reader.tick(30) is None
        oldest = reader.oldest_tick()
        assert oldest is not None
        assert oldest.number == number + 1 - SMALL.span
        assert reader.counter(Word.OLDEST) == oldest.number


def test_a_tick_keeps_what_befell_it() -> None:
    with new_region() as region:
        writer = Book(region).writer
        writer.begin(fresh=True)
        tick = Tick(1, EPOCH, 123, 456, 7, AFTER_START, 89, tuple(range(1, TARGET_COLUMNS + 2)))
        writer.publish(tick)
        assert HistoryReader(region).tick(1) == tick
        assert HistoryReader(region).latest_number() == 1


def test_what_takes_memory_is_told() -> None:
    with new_region() as region:
        book, reader = Book(region), HistoryReader(region)
        nobody = reader.plane_bytes()
        book.attach(2)
        assert reader.plane_bytes() == nobody + PLANES * ROW_BYTES


def test_a_slot_starts_unknown_for_its_next_target() -> None:
    with new_region() as region:
        book, reader = Book(region), HistoryReader(region)
        book.attach(2)
        book.tick(row)
        slot = record_of(region, 2).slot
        book.detach(2)
        book.attach(3)
        assert record_of(region, 3).slot == slot
        snapshot = reader.latest()
        assert snapshot is not None
        assert set(snapshot.row(slot)) == {2**64 - 1}
        book.tick(lambda id_, number: None)
        after = reader.latest()
        assert after is not None
        assert set(after.row(slot)) == {2**64 - 1}


def test_nothing_of_a_dead_sampler_is_carried_over() -> None:
    with new_region() as region:
        book, reader = Book(region), HistoryReader(region)
        book.attach(1, TargetKind.NODE)
        book.attach(2)
        book.tick(row)
        book.restart()
        book.tick(lambda id_, number: None)
        snapshot = reader.latest()
        assert snapshot is not None
        assert set(snapshot.row(0)) | set(snapshot.node) == {2**64 - 1}


def test_a_restarted_writer_counts_on() -> None:
    with new_region() as region:
        book = Book(region)
        book.attach(2)
        book.tick(row)
        book.restart()
        assert region.words[Word.STARTS] == 2
        assert book.tick(row) == 2
        assert [record.id for record in book.writer.live()] == [2]


def test_a_full_table_gives_the_slot_back() -> None:
    """More live targets than entries: the slot of the refused one is there for the next."""
    with new_region(replace(SMALL, entries=2)) as region:
        book = Book(region)
        book.attach(2)
        book.attach(3)
        for id_ in range(4, 20):
            with pytest.raises(Exception, match="entries"):
                book.attach(id_)
        assert region.words[Word.SLOTS_USED] == 3
        book.detach(2)
        book.attach(20)
        assert region.words[Word.SLOTS_USED] == 3


def test_the_longest_gone_makes_room_in_a_full_table() -> None:
    with new_region(replace(SMALL, entries=4)) as region:
        book = Book(region)
        for id_ in (5, 2, 9):
            book.attach(id_)
            book.tick(row)
            book.detach(id_)
        for id_ in (11, 12, 13):
            book.attach(id_)
        assert sorted(record.id for record in HistoryReader(region).targets()) == [9, 11, 12, 13]
        book.check(may_be_forgotten=True)


def test_a_record_says_whether_it_lives() -> None:
    with new_region() as region:
        book = Book(region)
        book.attach(2, identity=b"a name")
        book.tick(row)
        live = record_of(region, 2)
        assert (live.state, live.first, live.last, live.identity) == (TargetState.LIVE, 1, 0, b"a name")
        book.detach(2)
        book.writer.detach(2)  # once more is nothing
        gone = record_of(region, 2)
        assert (gone.state, gone.first, gone.last, gone.closed) == (TargetState.DEPARTED, 1, 1, 1)


def test_entries_are_found_by_place() -> None:
    with new_region() as region:
        book = Book(region)
        for id_ in random.Random(1).sample(range(2, 2**63), 5):
            book.attach(id_)
        table = TargetTable(region)
        assert [index for index, _ in table.all()] == list(range(5))
        assert all(table.read(index) == record for index, record in table.all())
        assert table.read(6) is None
