"""Blocks: any readings come back as they were; damaged bytes are told from a block."""

import zlib
from array import array

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from podtick.history.blocks import BlockError, decode, encode
from podtick.model.metrics.row import MAX_VALUE, UNKNOWN, UNLIMITED

EDGES = (0, 1, 2**31, 2**32, 2**63 - 1, 2**63, 2**63 + 1, MAX_VALUE, UNLIMITED, UNKNOWN)
words = st.sampled_from(EDGES) | st.integers(0, UNKNOWN)


@st.composite
def tables(draw: st.DrawFn) -> list[list[int]]:
    """Columns of equal length, each of the kind that kernel files give."""
    rows = draw(st.integers(1, 60))
    counters = st.builds(
        lambda first, steps: [min(first + sum(steps[:at]), UNKNOWN) for at in range(rows)],
        words,
        st.lists(st.integers(0, 2**40), min_size=rows, max_size=rows),
    )
    anything = st.lists(words, min_size=rows, max_size=rows)
    still = words.map(lambda word: [word] * rows)
    return draw(st.lists(still | counters | anything, min_size=1, max_size=12))


def pack(columns: list[list[int]]) -> bytes:
    return array("Q", [word for row in zip(*columns, strict=True) for word in row]).tobytes()


@given(tables())
@example([[MAX_VALUE, 0], [0, MAX_VALUE], [UNKNOWN, 5], [5, UNKNOWN], [UNLIMITED, UNKNOWN]])
@example([[7]])
@example([[1, 2, 3]] * 300)
def test_readings_come_back_as_they_were(columns: list[list[int]]) -> None:
    block = encode(pack(columns), len(columns))
    assert decode(block) == columns
    backwards = list(range(len(columns)))[::-1]
    assert decode(memoryview(block), backwards) == [columns[column] for column in backwards]
    assert decode(block, []) == []


@given(tables(), st.data())
def test_some_columns_are_those_of_all(columns: list[list[int]], data: st.DataObject) -> None:
    wanted = data.draw(st.lists(st.integers(0, len(columns) - 1), max_size=5))
    assert decode(encode(pack(columns), len(columns)), wanted) == [columns[column] for column in wanted]


@given(tables(), st.data())
def test_damaged_bytes_are_no_block(columns: list[list[int]], data: st.DataObject) -> None:
    block = bytearray(encode(pack(columns), len(columns)))
    at = data.draw(st.integers(0, len(block) - 1))
    if data.draw(st.booleans()):
        del block[at:]
    else:
        block[at] ^= data.draw(st.integers(1, 255))
    try:
        decoded = decode(bytes(block))
    except BlockError:
        return
    assert decoded == columns  # zlib has bits that mean nothing


@given(st.binary(max_size=300))
@example(b"")
@example(b"\x00\x00\x01\x00\x01")  # no row, one column, and it varies
@example(b"\x00\x00\x01\x00\x00" + bytes(8))
@example(b"\x02\x00\x00\x00")  # two rows of no column
@example(b"\xff\xff\xff\xff")
@example(b"\x02\x00\x01\x00\xff" + bytes(8 + 64))  # more varying columns than columns
def test_other_content_is_no_block(content: bytes) -> None:
    with_sum = zlib.compress(content)
    for data in (content, with_sum):
        try:
            columns = decode(data)
        except BlockError:
            continue
        assert len({len(column) for column in columns}) <= 1


def test_an_idle_minute_is_small() -> None:
    still = [[column * 1000] * 60 for column in range(40)]
    busy = [[second * 1_000_003 for second in range(60)]]
    assert len(encode(pack(still + busy), 41)) < 60 * 41 * 8 / 40


def test_a_column_that_a_block_has_not_got() -> None:
    with pytest.raises(BlockError):
        decode(encode(pack([[1, 2]]), 1), [1])
