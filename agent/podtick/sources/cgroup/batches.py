"""The same file of many cgroups at once: many texts in, columns out.

On a busy node every file of every container changes each second. Most of these files are tiny, and a parser's call
costs more than its work; one split of all texts joined costs a third. A batch parser answers only where the texts
are laid out the usual way, whole and equal in form, and proves that; else it returns `None`, and `formats` reads one
by one.
"""

from collections.abc import Callable, Sequence

from podtick.model.metrics.row import MAX_VALUE, UNKNOWN
from podtick.sources.cgroup.formats import SAFE_DIGITS

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
    tokens = _tokens(b"".join(texts).replace(b"total=", b" "), len(texts), 10, 2)
    if tokens is None or tokens[0::10].count(b"some") < len(texts) or tokens[5::10].count(b"full") < len(texts):
        return None
    return _numbers(tokens, [4, 9], 10, (1000, 1000))


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
        values = list(map(int, texts))
        columns.append(values if scale == 1 else [value * scale for value in values])
    return columns
