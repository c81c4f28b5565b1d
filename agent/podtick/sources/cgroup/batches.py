"""The same file of many cgroups at once: many texts in, columns out.

On a busy node every file of every container changes each second. Most of these files are tiny, and a parser's call
costs more than its work; one split of all texts joined costs a third. A batch parser answers only where the texts
are laid out the usual way, whole and equal in form, and proves that; else it returns `None`, and `formats` reads one
by one.
"""

import re
from collections.abc import Callable, Sequence

from podtick.model.metrics.row import MAX_VALUE, UNKNOWN
from podtick.sources.cgroup.formats import PRESSURE_TEXT, SAFE, SAFE_DIGITS
from podtick.sources.integers import integers

APART = b"\0"
"""Goes before each text when they are joined: no kernel file has it."""
END = rb"(?=\0|\Z)"
PRESSURE = re.compile(APART + PRESSURE_TEXT + END)

BatchParser = Callable[[Sequence[bytes]], list[list[int]] | None]
"""One list of values a column, each as long as the texts, or `None`."""
MOST_TOKENS = 16
"""Longer texts are no cheaper together."""


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
        first = texts[0].split()
        names = first[::2]
        if len(first) > MOST_TOKENS or len(first) % 2 or not set(keys) <= set(names):
            return None
        tokens = _tokens(b"".join(texts), len(texts), len(first), texts[0].count(b"\n"))
        if tokens is None or any(
            tokens[place * 2 :: len(first)].count(name) < len(texts) for place, name in enumerate(names)
        ):
            return None
        return _numbers(tokens, [2 * names.index(key) + 1 for key in keys], len(first), scales)

    return parse


def pressure(texts: Sequence[bytes]) -> list[list[int]] | None:
    """`cpu.pressure` and its like: the totals of `some` and `full`, microseconds."""
    columns = _found(PRESSURE, texts)
    return columns and [[value * 1000 for value in column] for column in columns]


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


def _tokens(joined: bytes, texts: int, tokens: int, lines: int) -> list[bytes] | None:
    """All words of the joined texts, where each has as many as the others, in as many whole lines."""
    words = joined.split()
    whole = joined.endswith(b"\n") and joined.count(b"\n") == lines * texts
    return words if whole and len(words) == tokens * texts else None


def _numbers(
    tokens: Sequence[bytes], places: Sequence[int], step: int, scales: Sequence[int]
) -> list[list[int]] | None:
    columns: list[list[int]] = []
    for place, scale in zip(places, scales, strict=True):
        texts = tokens[place::step]
        if not b"".join(texts).isdigit() or max(map(len, texts)) > SAFE_DIGITS:
            return None
        values = integers(texts)
        columns.append(values if scale == 1 else [value * scale for value in values])
    return columns
