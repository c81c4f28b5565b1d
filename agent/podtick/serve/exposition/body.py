"""The bodies of `/metrics` and `/metrics/cadvisor`, block by block."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Protocol

from podtick.serve.exposition.agent import AgentMetrics
from podtick.serve.exposition.filters import Selection
from podtick.serve.exposition.format import Format
from podtick.serve.health import DEAD_AFTER
from podtick.serve.interfaces import Health, History, Snapshot

BLOCK = 128 * 1024
"""Characters of a block: short enough to make (below a millisecond) that the loop never stands still."""


class Coding(StrEnum):
    """A content coding, as HTTP names it."""

    IDENTITY = "identity"
    GZIP = "gzip"


class Writer(Protocol):
    """Writes the samples of one tick, under the names of its route."""

    def write(self, snapshot: Snapshot, selection: Selection, text_format: Format) -> Iterator[str]:
        """Text in pieces, each short to make."""
        ...


class Exposition:
    """Everything that a route shows at one moment. `agent`: the agent's own metrics, where they belong to it."""

    def __init__(self, history: History, samples: Writer, agent: AgentMetrics | None, health: Health) -> None:
        self._history = history
        self._health = health
        self._samples = samples
        self._agent = agent

    def text(self, selection: Selection, text_format: Format) -> Iterator[str]:
        """Pieces that each take well below a millisecond to make, but for the agent's own (some 2 ms)."""
        snapshot = self._history.latest()
        if snapshot is not None and self._health.tick_age() <= DEAD_AFTER:  # else nobody knows how things are now
            yield from self._samples.write(snapshot, selection, text_format)
        if self._agent is not None and (own := self._agent.write(selection, text_format)):
            yield own
        if text_format.end:
            yield text_format.end

    def blocks(self, selection: Selection, text_format: Format) -> Iterator[bytes]:
        """The encoded body."""
        gathered: list[str] = []
        size = 0
        for piece in self.text(selection, text_format):
            gathered.append(piece)
            size += len(piece)
            if size >= BLOCK:
                yield "".join(gathered).encode()
                gathered.clear()
                size = 0
        if gathered:
            yield "".join(gathered).encode()
