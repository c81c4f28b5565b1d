"""The formats of cgroup files: bytes in, stored integers out.

Pure. A parser takes the whole text of a file and returns one integer for each key that was asked of it, in the unit
that the history stores (nanoseconds, bytes, counts, billionths of a core). It never raises: what is missing, torn or
not understood is `UNKNOWN`, and a line nobody has seen is passed over.

Sources: the kernel's documents `admin-guide/cgroup-v2`, `admin-guide/cgroup-v1/{cpuacct,memory,blkio-controller}`,
`scheduler/sched-bwc` and `accounting/psi`.
"""

import os
from collections.abc import Callable, Sequence
from operator import itemgetter

from podtick.model.metrics.row import MAX_VALUE, UNKNOWN, UNLIMITED

Parser = Callable[[bytes], Sequence[int]]

USER_HZ_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
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
    text = data.strip()
    if text == b"max":
        return (UNLIMITED,)
    return (number(text),)


def v1_limit(data: bytes) -> Sequence[int]:
    """`memory.limit_in_bytes`: a number, the largest possible one for no limit."""
    value = number(data.strip())
    return (UNLIMITED if V1_UNLIMITED <= value < UNLIMITED else value,)


def keyed(keys: Sequence[bytes], scales: Sequence[int]) -> Parser:
    """A flat keyed file: `KEY VALUE` lines, such as `memory.stat`.

    The places of the keys are learned from the text and proven again at each call, so that the usual call is one split
    and one look.
    """
    wanted = tuple(keys)
    plain = all(scale == 1 for scale in scales)
    layout: tuple[Callable[[list[bytes]], object], Callable[[list[bytes]], object]] | None = None

    def parse(data: bytes) -> Sequence[int]:
        nonlocal layout
        tokens = data.split()
        try:
            if layout and layout[0](tokens) == wanted:
                texts = layout[1](tokens)
                values = list(map(int, texts))  # type: ignore[call-overload]
                if plain and max(values) <= MAX_VALUE and min(values) >= 0:
                    return values
        except (IndexError, ValueError):
            pass
        lines = dict(zip(tokens[::2], tokens[1::2], strict=False)) if len(tokens) % 2 == 0 else _pairs(data)
        places = [tokens.index(key) if key in lines else -1 for key in wanted]
        if len(wanted) > 1 and min(places) >= 0:
            layout = (itemgetter(*places), itemgetter(*(place + 1 for place in places)))
        return [number(lines.get(key, b""), scale) for key, scale in zip(wanted, scales, strict=True)]

    return parse


def _pairs(data: bytes) -> dict[bytes, bytes]:
    """`KEY VALUE` lines, those of another shape passed over."""
    return {words[0]: words[1] for line in data.split(b"\n") if len(words := line.split()) == 2}


def pressure(keys: Sequence[bytes]) -> Parser:
    """`cpu.pressure` and its like: the `total=` of the lines named (`some`, `full`), microseconds."""

    def parse(data: bytes) -> Sequence[int]:
        totals = {line[:4]: line[line.rfind(b"total=") + 6 :] for line in data.split(b"\n") if b"total=" in line}
        return [number(totals.get(key, b"").strip(), 1000) for key in keys]

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

    def parse(data: bytes) -> Sequence[int]:
        sums = dict.fromkeys(keys, 0)
        anything = False
        for line in data.split(b"\n"):
            words = line.split()
            if len(words) == 3 and b":" in words[0]:
                value = number(words[2])
                if value == UNKNOWN:
                    return [UNKNOWN] * len(keys)
                anything = anything or value > 0
                if words[1] in sums:
                    sums[words[1]] += value
        if not anything:
            return [UNKNOWN] * len(keys)
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
