"""The body of `/metrics` in chunks of bytes, plain or gzip."""

import zlib
from collections.abc import Iterator
from enum import StrEnum

from podtick.serve.exposition.agent import AgentMetrics
from podtick.serve.exposition.filters import Selection
from podtick.serve.exposition.format import Format
from podtick.serve.exposition.samples import SampleWriter
from podtick.serve.interfaces import History

_GZIP_LEVEL = 1  # half the time of level 6, a quarter more bytes
_GZIP_WINDOW = 31  # zlib's largest window, in gzip's frame


class Coding(StrEnum):
    """A content coding, as HTTP names it."""

    IDENTITY = "identity"
    GZIP = "gzip"


class Exposition:
    """Everything that `/metrics` shows at one moment."""

    def __init__(self, history: History, samples: SampleWriter, agent: AgentMetrics) -> None:
        self._history = history
        self._samples = samples
        self._agent = agent

    def text(self, selection: Selection, text_format: Format) -> Iterator[str]:
        """Pieces that each take well below a millisecond to make, but for the agent's own (some 2 ms)."""
        snapshot = self._history.latest()
        if snapshot is not None:
            yield from self._samples.write(snapshot, selection, text_format)
        if own := self._agent.write(selection, text_format):
            yield own
        if text_format.end:
            yield text_format.end

    def chunks(self, selection: Selection, text_format: Format, coding: Coding) -> Iterator[bytes]:
        """The encoded body; a chunk may be empty while the compressor gathers."""
        pieces = self.text(selection, text_format)
        if coding is Coding.IDENTITY:
            yield from (piece.encode() for piece in pieces)
            return
        compressor = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
        for piece in pieces:
            yield compressor.compress(piece.encode())
        yield compressor.flush()
