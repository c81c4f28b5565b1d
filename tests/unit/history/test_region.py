"""What a region may be: sizes that are refused, files that are none, places that do not overlap."""

import os
import struct
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podtick.history import layout
from podtick.history.layout import (
    DETAIL_BYTES,
    DETAIL_TURNS,
    ENTRY_BYTES,
    LONGEST_SPAN,
    MINUTE,
    PAGE,
    PLANES,
    SEGMENT_BYTES,
    SEGMENT_WORDS,
    TICK_WORDS,
    WORD,
    Geometry,
    HistoryError,
    Region,
    Word,
)
from podtick.model.metrics.table import FINGERPRINT
from tests.unit.history.book import SMALL, new_region, region_of


@pytest.fixture
def file() -> Iterator[int]:
    fd = os.memfd_create("test-history", os.MFD_CLOEXEC)
    yield fd
    os.close(fd)


def test_what_is_created_can_be_opened(file: int) -> None:
    Region.create(file, SMALL).close()
    region = Region.open(file, writable=False)
    assert region.geometry == SMALL
    with pytest.raises(TypeError):
        region.words[Word.LATEST] = 1
    region.close()


def test_an_old_content_is_not_taken_over(file: int) -> None:
    os.pwrite(file, b"\xff" * (PAGE * 40), 0)
    region = Region.create(file, SMALL)
    assert region.words[Word.LATEST] == 0
    assert not any(region.bytes_[PAGE : 40 * PAGE])
    region.close()


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (Word.MAGIC, 0, "not a podtick history"),
        (Word.VERSION, 99, "another version"),
        (Word.FINGERPRINT, FINGERPRINT ^ 1, "another version"),
        (Word.SPAN, 10**6, "size does not fit"),
        (Word.SLOTS, 2**40, "size does not fit"),
        (Word.ENTRIES, 0, "size does not fit"),
    ],
)
def test_a_foreign_header_is_refused(file: int, place: int, value: int, message: str) -> None:
    Region.create(file, SMALL).close()
    os.pwrite(file, struct.pack("<Q", value), place * WORD)
    with pytest.raises(HistoryError, match=message):
        Region.open(file, writable=True)


@pytest.mark.parametrize(("length", "message"), [(0, "too short"), (PAGE - 1, "too short"), (PAGE, "size")])
def test_a_cut_file_is_refused(file: int, length: int, message: str) -> None:
    Region.create(file, SMALL).close()
    os.ftruncate(file, length)
    with pytest.raises(HistoryError, match=message):
        Region.open(file, writable=True)


def test_a_half_made_region_is_none(file: int) -> None:
    """The word that says what it is goes in last."""

    class Dying(Region):
        def __init__(self, fd: int, geometry: Geometry, *, writable: bool) -> None:
            super().__init__(fd, geometry, writable=writable)
            self.close()  # every store after this one fails

    with pytest.raises(ValueError, match="released"):
        Dying.create(file, SMALL)
    with pytest.raises(HistoryError, match="not a podtick history"):
        Region.open(file, writable=True)


def test_a_big_endian_machine_is_told_so(file: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "byteorder", "big")
    with pytest.raises(HistoryError, match="little-endian"):
        Region.create(file, SMALL)


@pytest.mark.parametrize(
    ("span", "budget", "message"),
    [
        (MINUTE - 1, 1 << 26, f"{MINUTE} to {LONGEST_SPAN}"),
        (LONGEST_SPAN + 1, 1 << 26, f"{MINUTE} to {LONGEST_SPAN}"),
        (3600, 16 * SEGMENT_BYTES - 1, f"at least {16 * SEGMENT_BYTES}"),
    ],
)
def test_sizes_that_no_history_has(span: int, budget: int, message: str) -> None:
    with pytest.raises(HistoryError, match=message):
        Geometry.for_budget(span, budget)


@given(
    slots=st.integers(1, 5000),
    entries=st.integers(1, 9000),
    span=st.integers(MINUTE, LONGEST_SPAN),
    budget=st.integers(16 * SEGMENT_BYTES, 1 << 31),
)
def test_the_parts_lie_one_after_the_other(slots: int, entries: int, span: int, budget: int) -> None:
    geometry = Geometry.for_budget(span, budget, slots, entries)
    assert Word.BLOCKS * WORD < PAGE
    assert geometry.segments * SEGMENT_BYTES <= budget
    assert geometry.ticks_at >= PAGE
    assert geometry.targets_at >= geometry.ticks_at + geometry.ticks * TICK_WORDS * WORD
    assert geometry.directory_at >= geometry.targets_at + entries * ENTRY_BYTES
    assert geometry.details_at >= geometry.directory_at + geometry.segments * SEGMENT_WORDS * WORD
    assert geometry.planes_at >= geometry.details_at + 2 * DETAIL_TURNS * DETAIL_BYTES
    assert geometry.segments_at >= geometry.planes_at + PLANES * geometry.plane_bytes
    assert geometry.size == geometry.segments_at + geometry.segments * SEGMENT_BYTES
    for at in (geometry.targets_at, geometry.details_at, geometry.planes_at, geometry.segments_at):
        assert at % WORD == 0


def test_every_history_has_a_name_of_its_own() -> None:
    with new_region() as one, new_region() as other:
        names = {region.words[Word.INSTANCE] for region in (one, other)}
        with region_of(bytes(one.bytes_)) as again:
            assert names == {again.words[Word.INSTANCE], other.words[Word.INSTANCE]}
        assert len(names) == 2


def test_neighbouring_ticks_have_places_of_their_own() -> None:
    with new_region() as region:
        planes = {region.plane_word(number) for number in range(1000, 1000 + PLANES)}
        ticks = {region.tick_word(number) for number in range(1000, 1000 + SMALL.ticks)}
        assert len(planes) == PLANES
        assert len(ticks) == SMALL.ticks
        assert max(planes) * WORD + SMALL.plane_bytes <= SMALL.segments_at


def test_the_minute_fits_into_the_planes() -> None:
    """A minute is closed from the planes, and readers have two ticks of grace."""
    assert layout.MINUTE + 2 < layout.PLANES


@pytest.mark.parametrize("words", [b"\0" * PAGE, os.urandom(PAGE)])
def test_other_files_are_none(file: int, words: Any) -> None:
    os.pwrite(file, words, 0)
    with pytest.raises(HistoryError, match="not a podtick history"):
        Region.open(file, writable=True)
