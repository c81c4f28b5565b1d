"""The history of a running agent, read as the agent itself reads it; and an hour of it made faster than time."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench import agent as podtick
from podtick.history.layout import MINUTE, NODE_BYTES, ROW_BYTES, WORD, Geometry, Region, Word
from podtick.history.reader import HistoryReader
from podtick.history.records import TargetKind, TargetRecord
from podtick.history.ticks import Tick
from podtick.history.writer import HistoryWriter


@dataclass(frozen=True, slots=True)
class Recording:
    """Planes of consecutive ticks, their records, and whose rows they hold, by slot."""

    targets: Sequence[TargetRecord]
    planes: Sequence[bytes]
    ticks: Sequence[Tick]


def _region(agent: podtick.Agent) -> Region:
    fd = os.open(agent.history_path(), os.O_RDONLY | os.O_CLOEXEC)
    try:
        return Region.open(fd, writable=False)
    finally:
        os.close(fd)


def open_history(agent: podtick.Agent) -> HistoryReader:
    """A reader of the agent's mapped history."""
    return HistoryReader(_region(agent))


def record(agent: podtick.Agent) -> Recording:
    """Copy the newest planes of a running agent: at most a minute."""
    region = _region(agent)
    reader = HistoryReader(region)
    last = reader.latest_number()
    size = NODE_BYTES + region.words[Word.SLOTS_USED] * ROW_BYTES
    planes, ticks = [], []
    for number in range(max(2, last - MINUTE + 1), last + 1):
        if tick := reader.tick(number):
            start = region.plane_word(number) * WORD
            planes.append(bytes(region.bytes_[start : start + size]))
            ticks.append(tick)
    targets = [target for target in reader.targets() if not target.last]
    return Recording(
        sorted(targets, key=lambda target: (target.kind is not TargetKind.NODE, target.slot)), planes, ticks
    )


def fill(recording: Recording, seconds: int, budget: int) -> Path:
    """Feed the recording, over and over, to the real writer for `seconds` ticks; the filled region's file.

    Where the recording begins again its counters fall back once, which a block of differences hardly notices.
    """
    fd = os.memfd_create("podtick-bench")
    region = Region.create(fd, Geometry.for_budget(seconds, budget))
    writer = HistoryWriter(region)
    for target in recording.targets:
        made = writer.attach(target.id, target.kind, target.parent, target.identity)
        assert made.slot == target.slot
    twins = {target.parent: target.id for target in recording.targets if target.parent}
    for number in range(1, seconds + 1):
        start = writer.begin(fresh=number == 1)
        plane = recording.planes[number % len(recording.planes)]
        region.bytes_[start : start + len(plane)] = plane
        writer.publish(replace(recording.ticks[number % len(recording.ticks)], number=number))
        writer.close_due(twins.get)
    return Path(f"/proc/self/fd/{fd}")
