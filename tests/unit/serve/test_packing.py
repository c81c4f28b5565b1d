"""gzip made of blocks that were compressed side by side: one member, as any reader takes it."""

import asyncio
import gzip
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podtick.serve.exposition.packing import SMALL_BYTES, gzipped


async def _packed(blocks: list[bytes]) -> bytes:
    with ThreadPoolExecutor(2) as executor:
        return b"".join([piece async for piece in gzipped(iter(blocks), executor)])


@given(st.lists(st.binary(max_size=200) | st.just(b"x" * SMALL_BYTES), max_size=8))
def test_what_was_packed_unpacks(blocks: list[bytes]) -> None:
    packed = asyncio.run(_packed(blocks))
    assert gzip.decompress(packed) == b"".join(blocks)
    one = zlib.decompressobj(31)  # of several members it would leave the rest
    assert one.decompress(packed) == b"".join(blocks)
    assert one.eof
    assert one.unused_data == b""


async def test_blocks_keep_their_order() -> None:
    """Large ones go through threads, small ones between them do not overtake."""
    blocks = [bytes([number]) * (2 * SMALL_BYTES if number % 3 else 10) for number in range(20)]
    assert gzip.decompress(await _packed(blocks)) == b"".join(blocks)


async def test_a_body_that_breaks_off_has_no_end() -> None:
    pieces: list[bytes] = []

    async def take() -> None:
        with ThreadPoolExecutor(2) as executor:
            async for piece in gzipped(_breaking(), executor):
                pieces.append(piece)  # noqa: PERF401

    with pytest.raises(RuntimeError, match="half-way"):
        await take()
    with pytest.raises(EOFError):
        gzip.decompress(b"".join(pieces))


def _breaking() -> Iterator[bytes]:
    yield b"x" * SMALL_BYTES * 3
    raise RuntimeError("half-way")
