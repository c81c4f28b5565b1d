"""A JSON body in pieces: an object with one long list, so that no more than a piece of it is in memory."""

from collections.abc import Iterable, Iterator

import msgspec

from podtick.serve.api.series import Entry

PIECE = 64 * 1024
"""Bytes of a piece, and one item more."""
_ENCODER = msgspec.json.Encoder()


def whole(body: Entry) -> Iterator[bytes]:
    """A body of one piece."""
    yield _ENCODER.encode(body) + b"\n"


def listed(head: Entry, name: str, items: Iterable[Entry], tail: Entry) -> Iterator[bytes]:
    """The object `head`, then the list `name` of `items`, then what `tail` holds. `head` is not empty."""
    pieces = [_ENCODER.encode(head)[:-1] + b"," + _ENCODER.encode(name) + b":["]
    size = 0
    between = b""
    for item in items:
        encoded = _ENCODER.encode(item)
        pieces += between, encoded
        between = b","
        size += len(encoded)
        if size >= PIECE:
            yield b"".join(pieces)
            pieces.clear()
            size = 0
    end = _ENCODER.encode(tail)[1:-1]
    yield b"".join([*pieces, b"],", end, b"}\n"] if end else [*pieces, b"]}\n"])
