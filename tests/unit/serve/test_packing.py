"""gzip made block by block: one member, as any reader takes it."""

import gzip
import zlib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podtick.serve.exposition import packing
from podtick.serve.exposition.packing import gzipped


@given(st.lists(st.binary(max_size=200) | st.just(b"x" * 200_000), max_size=8))
def test_what_was_packed_unpacks(blocks: list[bytes]) -> None:
    packed = b"".join(gzipped(iter(blocks)))
    one = zlib.decompressobj(31)  # of several members it would leave the rest
    assert one.decompress(packed) == b"".join(blocks)
    assert one.eof
    assert one.unused_data == b""


def test_without_isal_a_reader_gets_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = [bytes([number]) * 10_000 for number in range(20)]
    monkeypatch.setattr(packing, "deflate", zlib)
    assert gzip.decompress(b"".join(gzipped(iter(blocks)))) == b"".join(blocks)


def test_a_body_goes_out_while_it_is_made() -> None:
    """Else a body would be in memory whole."""
    taken: list[int] = []

    def blocks() -> Iterator[bytes]:
        for number in range(40):
            taken.append(number)
            yield b"".join(b"%d" % (number * i) for i in range(20_000))

    next(pieces := gzipped(blocks()))
    next(pieces)
    assert len(taken) < 10


def test_a_body_that_breaks_off_has_no_end() -> None:
    pieces: list[bytes] = []
    with pytest.raises(RuntimeError, match="half-way"):
        pieces.extend(gzipped(_breaking()))
    assert any(pieces)
    with pytest.raises(EOFError):
        gzip.decompress(b"".join(pieces))


def _breaking() -> Iterator[bytes]:
    yield b" ".join(b"%d" % (number * number) for number in range(50_000))
    raise RuntimeError("half-way")
