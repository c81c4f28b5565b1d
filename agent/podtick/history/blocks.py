"""A target's minute as bytes: column by column, differences, bytes regrouped by significance, zlib.

Pure. A block of `rows` readings of `columns` words each (row after row) becomes

    u16 rows, u16 columns, one bit a column (set: it varies), one word for each column (its first reading),
    then for all varying columns together the differences to the reading before: 8 planes of bytes, lowest first

and all of that through zlib at level 1. Most columns of most minutes do not vary, and the high bytes of differences
are nearly all alike, which is what zlib is good at.
"""

import struct
import zlib
from array import array
from collections.abc import Sequence
from itertools import accumulate
from operator import sub

LEVEL = 1
MASK = 2**64 - 1
_HEAD = struct.Struct("<HH")


class BlockError(ValueError):
    """The bytes are not a block."""


def encode(rows: bytes | bytearray, columns: int) -> bytes:
    """Compress readings: `rows` holds whole rows of `columns` little-endian 64-bit words, one after the other."""
    words = array("Q", rows)
    count = len(words) // columns
    varying = 0
    differences = bytearray()
    idle = rows == rows[: 8 * columns] * count  # the usual minute of most targets
    for column in range(0 if idle else columns):
        values = words[column::columns]
        raw = values.tobytes()
        if raw != raw[:8] * count:
            varying |= 1 << column
            differences += _differences(values)
    head = _HEAD.pack(count, columns) + varying.to_bytes(-(-columns // 8), "little") + words[:columns].tobytes()
    planes = b"".join([differences[place::8] for place in range(8)])
    return zlib.compress(head + planes, LEVEL)


def _differences(values: "array[int]") -> bytes:
    numbers = values.tolist()
    steps = map(sub, numbers[1:], numbers)
    try:
        return array("q", steps).tobytes()
    except OverflowError:  # to or from UNKNOWN, or a counter near 2^64: differences modulo 2^64
        return array("Q", [step & MASK for step in map(sub, numbers[1:], numbers)]).tobytes()


def decode(block: bytes | memoryview, wanted: Sequence[int] | None = None) -> list[list[int]]:
    """The readings of a block, column by column: those of `wanted` columns, in that order, or all.

    Raises `BlockError` for bytes that are not a block.
    """
    try:
        data = zlib.decompress(block)
        count, columns = _HEAD.unpack_from(data)
    except (zlib.error, struct.error) as error:
        raise BlockError(f"not a block: {error}") from None
    flags_end = _HEAD.size + -(-columns // 8)
    firsts_end = flags_end + 8 * columns
    varying = int.from_bytes(data[_HEAD.size : flags_end], "little")
    steps = count - 1
    total = steps * varying.bit_count()
    if not count or len(data) != firsts_end + 8 * total:
        raise BlockError("not a block: its length does not fit its head")
    if varying >> columns or max(wanted or (), default=0) >= columns:
        raise BlockError(f"not a block: it has {columns} columns")
    firsts = array("Q", data[flags_end:firsts_end])
    raw = bytearray(8 * total)
    for place in range(8):
        raw[place::8] = data[firsts_end + place * total : firsts_end + (place + 1) * total]
    differences = array("q", bytes(raw)).tolist()
    result: list[list[int]] = []
    for column in range(columns) if wanted is None else wanted:
        if not varying >> column & 1:
            result.append([firsts[column]] * count)
            continue
        at = (varying & ((1 << column) - 1)).bit_count() * steps
        values = accumulate(differences[at : at + steps], initial=firsts[column])
        result.append([value & MASK for value in values])
    return result
