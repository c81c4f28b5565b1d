"""The same file of many cgroups at once: many texts in, columns out.

On a busy node every file of every container changes each second. Most of these files are tiny, and a parser's call
costs more than its work; reading all texts joined costs a third. A batch parser answers only where the texts are laid
out the usual way, whole and equal in form, and proves that: without its digits, such a text is always the same. Else
it returns `None`, and `formats` reads one by one.
"""

import json
import re
from collections.abc import Callable, Sequence

from podtick.model.metrics.row import MAX_VALUE, UNKNOWN
from podtick.sources.cgroup.formats import SAFE, SAFE_DIGITS
from podtick.sources.integers import integers

APART = b"\0"
"""Stands between texts that are joined, or before each: no kernel file has it."""
END = rb"(?=\0|\Z)"
DIGITS = b"0123456789"
COMMAS = bytes.maketrans(b"\n", b",")
NO_NUMBERS = bytes(set(range(256)) - set(DIGITS + b" \n"))
"""What is left out to leave numbers, the spaces before them, and the ends of their lines."""
PRESSURE = b"some avg=. avg=. avg=. total=\nfull avg=. avg=. avg=. total=\n"
"""A whole text, but for its digits."""
TOTALS = re.compile(b"total=" + SAFE + b"\n")

BatchParser = Callable[[Sequence[bytes]], list[list[int]] | None]
"""One list of values a column, each as long as the texts, or `None`."""
MOST_NAMES = 16
"""Longer texts are hardly cheaper together: all their numbers are made, not only the wanted ones."""


def singles(texts: Sequence[bytes]) -> list[list[int]] | None:
    """Files of one number."""
    joined = b"".join(texts)
    if joined.count(b"\n") != len(texts) or not joined.translate(None, b"\n").isdigit():
        return None
    try:
        values = list(map(int, texts))
    except ValueError:
        return None
    return [values] if max(values) <= MAX_VALUE else None


def blkio(texts: Sequence[bytes]) -> list[list[int]] | None:
    """v1 `blkio.throttle.*` of kernels that list no device."""
    return [[UNKNOWN] * len(texts)] * 2 if b":" not in b"".join(texts) else None


def keyed(keys: Sequence[bytes], scales: Sequence[int]) -> BatchParser:
    """Flat keyed files, such as `cpuacct.stat`: `KEY VALUE` lines, the same keys in each, in the same order."""

    def parse(texts: Sequence[bytes]) -> list[list[int]] | None:
        names = texts[0].split()[::2]
        if len(names) > MOST_NAMES or not set(keys) <= set(names):
            return None
        numbers = _values(texts, names)
        if numbers is None:
            return None
        columns = [numbers[names.index(key) :: len(names)] for key in keys]
        if max(map(max, columns)) >= 10**SAFE_DIGITS:
            return None
        return [
            column if scale == 1 else [value * scale for value in column]
            for column, scale in zip(columns, scales, strict=True)
        ]

    return parse


def pressure(texts: Sequence[bytes]) -> list[list[int]] | None:
    """`cpu.pressure` and its like: the totals of `some` and `full`, microseconds."""
    joined = _joined(texts, PRESSURE)
    totals = TOTALS.findall(joined) if joined else ()
    if len(totals) != 2 * len(texts):
        return None
    values = [value * 1000 for value in map(int, totals)]
    return [values[::2], values[1::2]]


def long(keys: Sequence[bytes]) -> BatchParser:
    """Long flat keyed files, such as `memory.stat`: one pattern for all lines from the first wanted key to the end."""
    wanted = tuple(keys)
    learned: tuple[re.Pattern[bytes], list[int]] | None = None

    def parse(texts: Sequence[bytes]) -> list[list[int]] | None:
        nonlocal learned
        learned = learned or _learn(texts[0], wanted)
        columns = _found(learned[0], texts) if learned else None
        if columns is None or learned is None:
            learned = None
            return None
        return [columns[place] for place in learned[1]]

    return parse


def _learn(text: bytes, wanted: Sequence[bytes]) -> tuple[re.Pattern[bytes], list[int]] | None:
    """The pattern of a text, and for each wanted key which of its groups that is."""
    names = [line.partition(b" ")[0] for line in text.split(b"\n")[:-1]]
    before = b"\n" if names and names[0] not in wanted else APART
    while names and names[0] not in wanted:
        del names[0]
    present = [name for name in names if name in wanted]
    if sorted(present) != sorted(wanted):
        return None
    lines = [re.escape(name) + b" " + (SAFE if name in wanted else rb"\d+") + b"\n" for name in names]
    return re.compile(before + b"".join(lines) + END), [present.index(key) for key in wanted]


def _found(pattern: re.Pattern[bytes], texts: Sequence[bytes]) -> list[list[int]] | None:
    """What the pattern, which ends where a text ends, finds in each text: so never twice in one of them."""
    joined = APART.join([b"", *texts])
    found = pattern.findall(joined)
    if len(found) != len(texts) or joined.count(APART) != len(texts):
        return None
    return [integers(column) for column in zip(*found, strict=True)]


def _joined(texts: Sequence[bytes], form: bytes) -> bytes | None:
    """The texts in one, where each is of this form, which is a text without its digits."""
    joined = APART.join(texts)
    return joined if joined.translate(None, DIGITS) == APART.join([form] * len(texts)) else None


def _values(texts: Sequence[bytes], names: Sequence[bytes]) -> list[int] | None:
    """All numbers of the texts, where each is made of the lines `NAME NUMBER` of these names."""
    joined = _joined(texts, b"".join([name + b" \n" for name in names]))
    if joined is None:
        return None
    numbers = joined.translate(COMMAS, NO_NUMBERS)
    if b" ," in numbers:  # a line that ends without one
        return None
    try:  # as JSON they cost half of what they cost one by one
        values: list[int] = json.loads(b"[" + numbers[:-1] + b"]")
    except ValueError:  # a digit elsewhere, or a nought ahead of others
        return None
    return values if len(values) == len(names) * len(texts) else None
