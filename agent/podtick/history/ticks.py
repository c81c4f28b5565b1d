"""The record of one tick: when it was, how late, what was missed before it, and when each sweep of it began."""

import struct
from dataclasses import dataclass

from podtick.history.layout import SWEEPS, TICK_FIXED, TICK_WORDS, WORD, Region

AFTER_START = 1
"""Flag: the first tick of a sampler; nobody sampled between the tick before and this one."""
CLOCK_STEPPED = 2
"""Flag: the wall clock was set between the tick before and this one."""
NODE_SWEEP = SWEEPS - 1
"""The place of the node's own sweep in `Tick.sweeps`."""

_RECORD = struct.Struct(f"<{TICK_WORDS - 1}Q")


@dataclass(frozen=True, slots=True)
class Tick:
    """One tick.

    `number` counts the ticks that were made; `timestamp` is its whole UTC second; `monotonic_ns` is when its pass
    began on the monotonic clock (CLOCK_MONOTONIC, shared by all processes of the node) and `late_ns` how long after
    the whole second that was; `missed` seconds before it had no tick; `duration_ns` is the length of its pass.
    `sweeps[c]` is when the sweep that filled column c began, in ns after `monotonic_ns`.
    """

    number: int
    timestamp: int
    monotonic_ns: int
    late_ns: int
    missed: int
    flags: int
    duration_ns: int
    sweeps: tuple[int, ...] = (0,) * SWEEPS


def write_tick(region: Region, tick: Tick) -> None:
    """Put the record into the ring. The number goes in last: a reader that sees it sees the rest."""
    at = region.tick_word(tick.number)
    region.words[at] = 0
    fixed = (tick.timestamp, tick.monotonic_ns, tick.late_ns, tick.missed, tick.flags, tick.duration_ns, 0)
    _RECORD.pack_into(region.bytes_, (at + 1) * WORD, *fixed, *tick.sweeps)
    region.words[at] = tick.number


def read_tick(region: Region, number: int) -> Tick | None:
    """The record of tick `number`; `None` when the ring no longer (or not yet) has it."""
    at = region.tick_word(number)
    if not number or region.words[at] != number:
        return None
    words = region.words[at : at + TICK_WORDS].tolist()
    if words[0] != number or region.words[at] != number:
        return None
    timestamp, monotonic_ns, late_ns, missed, flags, duration_ns = words[1:7]
    return Tick(number, timestamp, monotonic_ns, late_ns, missed, flags, duration_ns, tuple(words[TICK_FIXED:]))
