"""The formats of cgroup files: bytes in, stored integers out.

Pure. A parser takes the whole text of a file and returns one integer for each key that was asked of it, in the unit
that the history stores (nanoseconds, bytes, counts, billionths of a core). It never raises: what is missing, torn or
not understood is `UNKNOWN`, and a line nobody has seen is passed over.

Sources: the kernel's documents `admin-guide/cgroup-v2`, `admin-guide/cgroup-v1/{cpuacct,memory,blkio-controller}`,
`scheduler/sched-bwc` and `accounting/psi`.
"""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import mul

from podtick.model.metrics.row import MAX_VALUE, UNKNOWN, UNLIMITED

Parser = Callable[[bytes], Sequence[int]]

USER_HZ_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
SAFE_DIGITS = 15
SAFE = rb"(\d{1,15})"
"""A number that fits into a column whatever its unit; longer ones take the way on which that is checked."""
_AVERAGES = rb" avg10=[0-9.]+ avg60=[0-9.]+ avg300=[0-9.]+ total="
PRESSURE = re.compile(b"some" + _AVERAGES + SAFE + b"\nfull" + _AVERAGES + SAFE + b"\n").match
V1_UNLIMITED = 2**63 - 2**20
"""v1 writes "no limit" as the largest multiple of the page size below 2^63, whatever the page size."""


def number(text: bytes, scale: int = 1) -> int:
    """A kernel number in stored units; `UNKNOWN` for what is none, is negative or does not fit."""
    if not text.isdigit():
        return UNKNOWN
    value = int(text) * scale if len(text) < 25 else UNKNOWN
    return value if value <= MAX_VALUE else UNKNOWN


def single(data: bytes) -> Sequence[int]:
    """A file of one number, such as `memory.current`; `max` is no limit."""
    text = data[:-1]
    if len(text) <= SAFE_DIGITS and text.isdigit() and data.endswith(b"\n"):
        return (int(text),)
    if data == b"max\n":
        return (UNLIMITED,)
    return (number(data.strip()) if data.endswith(b"\n") else UNKNOWN,)


def v1_limit(data: bytes) -> Sequence[int]:
    """`memory.limit_in_bytes`: a number, the largest possible one for no limit."""
    value = number(data.strip())
    return (UNLIMITED if V1_UNLIMITED <= value < UNLIMITED else value,)


def keyed(keys: Sequence[bytes], scales: Sequence[int]) -> Parser:
    """A flat keyed file: `KEY VALUE` lines, such as `memory.stat`.

    The kernel lays a file out in one way for as long as it runs. That way is learned as a pattern of all lines from the
    first wanted key to the last; a text that does not match it to the letter is read line by line.
    """
    wanted = tuple(keys)
    scaled = tuple(scales) if set(scales) != {1} else None
    layout: Layout | None = None

    def parse(data: bytes) -> Sequence[int]:
        nonlocal layout
        if layout:
            found = layout.match(data, data.find(layout.anchor) + 1)
            if found:
                values = list(map(int, found.groups()))
                if layout.order:
                    values = [values[place] for place in layout.order]
                return values if scaled is None else list(map(mul, values, scaled))
        lines = _pairs(data)
        layout = Layout.learn(list(lines), wanted)
        return [number(lines.get(key, b""), scale) for key, scale in zip(wanted, scales, strict=True)]

    return parse


@dataclass(frozen=True, slots=True)
class Layout:
    """How a flat keyed file is laid out: `match` its lines from behind `anchor` on; `order` where groups are to go."""

    anchor: bytes
    match: Callable[[bytes, int], re.Match[bytes] | None]
    order: tuple[int, ...]

    @classmethod
    def learn(cls, keys: Sequence[bytes], wanted: Sequence[bytes]) -> "Layout | None":
        """The layout of a file with these keys, in their order; `None` where a wanted one is missing."""
        places = [keys.index(key) for key in wanted if key in keys]
        if len(places) < len(wanted):
            return None
        first, last = min(places), max(places)
        lines = [(re.escape(key), SAFE if key in wanted else rb"\d+") for key in keys[first : last + 1]]
        pattern = re.compile(b"".join([key + b" " + value + b"\n" for key, value in lines]))
        anchor = b"\n" + keys[first] + b" "
        ascending = sorted(places)
        order = () if places == ascending else tuple(ascending.index(place) for place in places)
        return cls(anchor, pattern.match, order)


def _pairs(data: bytes) -> dict[bytes, bytes]:
    """Whole `KEY VALUE` lines, those of another shape passed over."""
    return {words[0]: words[1] for line in data.split(b"\n")[:-1] if len(words := line.split()) == 2}


def pressure(keys: Sequence[bytes]) -> Parser:
    """`cpu.pressure` and its like: the `total=` of the lines named (`some`, `full`), microseconds."""
    both = tuple(keys) == (b"some", b"full")

    def parse(data: bytes) -> Sequence[int]:
        found = PRESSURE(data) if both else None
        if found:
            some, full = found.groups()
            return (int(some) * 1000, int(full) * 1000)
        totals = {line[:4]: line[line.rfind(b"total=") + 6 :] for line in data.split(b"\n")[:-1] if b"total=" in line}
        return [number(totals.get(key, b""), 1000) for key in keys]

    return parse


def io_stat(keys: Sequence[bytes]) -> Parser:
    """v2 `io.stat`: `MAJ:MIN rbytes=N wbytes=N ...`, summed over the devices; no device yet is 0.

    The kernel lists a device as soon as it has counted something for it; some lines have no values.
    """
    prefixes = tuple(key + b"=" for key in keys)

    def parse(data: bytes) -> Sequence[int]:
        if data and not data.endswith(b"\n"):
            return [UNKNOWN] * len(prefixes)
        sums = [0] * len(prefixes)
        words = data.split()
        for place, prefix in enumerate(prefixes):
            for word in words:
                if word.startswith(prefix):
                    value = number(word[len(prefix) :])
                    if value == UNKNOWN:
                        return [UNKNOWN] * len(prefixes)
                    sums[place] += value
        return [value if value <= MAX_VALUE else UNKNOWN for value in sums]

    return parse


def blkio(keys: Sequence[bytes]) -> Parser:
    """v1 `blkio.throttle.*`: `MAJ:MIN Operation N` lines, summed over the devices.

    Some kernels list nothing, or zeros, until a throttle rule exists on the disk: nothing on any device is unknown.
    """
    nothing = (UNKNOWN,) * len(keys)

    def parse(data: bytes) -> Sequence[int]:
        if b":" not in data:
            return nothing
        sums = dict.fromkeys(keys, 0)
        anything = False
        for line in data.split(b"\n")[:-1]:
            words = line.split()
            if len(words) == 3 and b":" in words[0]:
                value = number(words[2])
                if value == UNKNOWN:
                    return nothing
                anything = anything or value > 0
                if words[1] in sums:
                    sums[words[1]] += value
        if not anything:
            return nothing
        return [value if value <= MAX_VALUE else UNKNOWN for value in sums.values()]

    return parse


def cpu_limit(data: bytes) -> Sequence[int]:
    """v2 `cpu.max`, or v1 `cpu.cfs_quota_us` and `cpu.cfs_period_us` one after the other: `QUOTA PERIOD`, microseconds.

    Billionths of a core; `max` and -1 are no limit.
    """
    words = data.split()
    if len(words) != 2:
        return (UNKNOWN,)
    if words[0] in (b"max", b"-1"):
        return (UNLIMITED,)
    quota, period = number(words[0]), number(words[1])
    if UNKNOWN in (quota, period) or not period:
        return (UNKNOWN,)
    return (min(quota * 1_000_000_000 // period, MAX_VALUE),)
