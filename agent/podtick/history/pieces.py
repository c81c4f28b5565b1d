"""The newest texts of targets' per-device files: of disks of containers, of interfaces of pods.

A text is kept when it has changed, with the tick at which it was read, so that one that stays as it is costs nothing.
Nothing of a sampler that died counts: its stamps bear another start.
"""

from collections.abc import Iterable, Sequence

from podtick.history.layout import (
    PIECE_BYTES,
    PIECE_HEAD,
    PIECE_KINDS,
    PIECE_TURNS,
    STAMP_BITS,
    WORD,
    Region,
    Word,
)

TURN_WORDS = PIECE_BYTES // WORD
ROOM = PIECE_BYTES - PIECE_HEAD
"""Bytes of the longest text that can be kept."""
LATEST = Word.LATEST


class PieceWriter:
    """The sampler's side; made once the region says which start of a sampler this is."""

    def __init__(self, region: Region) -> None:
        self._words = region.words
        self._bytes = region.bytes_
        self._start = region.words[Word.STARTS] << STAMP_BITS
        self._turns = [bytearray(region.geometry.slots) for _ in range(PIECE_KINDS)]  # the last turn from 1 on; 0: none
        self._stride = region.geometry.slots * TURN_WORDS
        self._firsts = [region.piece_word(kind, 0) for kind in range(PIECE_KINDS)]

    def keep(self, kind: int, slots: Sequence[int], texts: Iterable[bytes | None]) -> None:
        """Keep new texts of these targets' files for the tick under way, each in place of its oldest one.

        With `None`, or a text that is too long, nothing is known of that file: never a part of it.
        """
        turns, words, bytes_ = self._turns[kind], self._words, self._bytes
        first, stride = self._firsts[kind], self._stride
        stamp = self._start + words[LATEST] + 1
        for slot, text in zip(slots, texts, strict=True):
            if text is None or (size := len(text)) > ROOM:
                if turns[slot]:  # else it stays untouched memory
                    self._forget(kind, slot)
                continue
            turn = turns[slot] % PIECE_TURNS
            turns[slot] = turn + 1
            word = first + slot * TURN_WORDS + turn * stride
            words[word] = 0
            words[word + 1] = size
            at = word * WORD + PIECE_HEAD
            bytes_[at : at + size] = text
            words[word] = stamp

    def _forget(self, kind: int, slot: int) -> None:
        self._turns[kind][slot] = 0
        word = self._firsts[kind] + slot * TURN_WORDS
        for turn in range(PIECE_TURNS):
            self._words[word + turn * self._stride] = 0

    def clear(self, slot: int) -> None:
        """Nothing is known of any file of this slot."""
        for kind in range(PIECE_KINDS):
            if self._turns[kind][slot]:
                self._forget(kind, slot)


def read_pieces(region: Region, kind: int, slot: int, number: int) -> tuple[bytes | None, bytes | None]:
    """The text of a file as of one of the newest ticks, and as of the tick before it; `None` where it is not known."""
    start, word = region.words[Word.STARTS] << STAMP_BITS, region.piece_word(kind, slot)
    stride = region.geometry.slots * TURN_WORDS
    places = range(word, word + PIECE_TURNS * stride, stride)
    turns = sorted(((region.words[place], place) for place in places), reverse=True)
    known = [turn for turn in turns if start < turn[0] <= start + number]
    earlier = [turn for turn in known if turn[0] < start + number]
    return _newest(region, known), _newest(region, earlier)


def _newest(region: Region, turns: list[tuple[int, int]]) -> bytes | None:
    """A copy of the first of these texts; `None` when there is none, or it is overwritten meanwhile."""
    if not turns:
        return None
    stamp, word = turns[0]
    at = word * WORD + PIECE_HEAD
    text = bytes(region.bytes_[at : at + min(region.words[word + 1], ROOM)])
    return text if region.words[word] == stamp else None
