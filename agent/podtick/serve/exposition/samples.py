"""From one tick to text: families in the table's order, piece by piece."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

from podtick.model.metrics.row import UNKNOWN, UNLIMITED, Level, Metric
from podtick.model.metrics.state import STATES
from podtick.model.metrics.table import NODE_COLUMN, TARGET_COLUMN, rows_at
from podtick.serve.exposition.filters import Matcher, Selection
from podtick.serve.exposition.format import FLOAT_EXACT_BELOW, Format, exact, header, label_pair, number
from podtick.serve.exposition.info import INFO
from podtick.serve.exposition.labels import LabelCache, Labelled
from podtick.serve.interfaces import Snapshot

DeviceParser = Callable[[bytes], Mapping[str, Mapping[str, int]]]
"""Kernel text -> device -> value by the key in a row's source, in stored units."""

BATCH = 250
"""Targets formatted in one go, some 0.2 ms: between two batches the event loop gets its turn."""


@dataclass(frozen=True, slots=True)
class Family:
    """Rows of one name at one level."""

    name: str
    level: Level
    rows: tuple[Metric, ...]


@dataclass(frozen=True, slots=True)
class DeviceParsers:
    """How the texts of disks and interfaces are read: the node's two, a container's block I/O, a pod's net/dev.

    `names`: the names of devices by number (`MAJ:MIN`), from the node's diskstats.
    """

    diskstats: DeviceParser
    net_dev: DeviceParser
    block: DeviceParser
    pod_net_dev: DeviceParser
    names: Callable[[bytes], Mapping[str, str]]


def families(level: Level) -> tuple[Family, ...]:
    """The families of a level, in the table's order."""
    grouped = groupby(rows_at(level), key=lambda row: row.family(level))
    return tuple(Family(name, level, tuple(rows)) for name, rows in grouped)


_FAMILIES = {level: families(level) for level in Level}


class SampleWriter:
    """Writes the samples of every level; knows nothing of HTTP."""

    def __init__(self, labels: LabelCache, parsers: DeviceParsers) -> None:
        self._labels = labels
        self._parsers = parsers

    def write(self, snapshot: Snapshot, selection: Selection, text_format: Format) -> Iterator[str]:
        """Text in pieces of at most `BATCH` targets. A family without samples is left out, header and all."""
        matcher = selection.matcher()
        # Taken before the first piece goes out, so that a change of the roster in between cannot tear a body.
        labelled: dict[Level, list[Labelled]] = {
            level: self._labels.at(level, snapshot.number, selection.namespaces if level in INFO else None)
            for level in Level
            if level is not Level.NODE and selection.wants_level(level)
        }
        for level in Level:
            if not selection.wants_level(level):
                continue
            wanted = [family for family in _FAMILIES[level] if matcher.wants(level, family.name)]
            if level is Level.NODE:
                pieces = self._node(wanted, snapshot)
            else:
                pieces = _targets(wanted, snapshot, labelled[level])
            yield from with_headers(pieces, text_format)
            if level in INFO and (targets := labelled[level]):
                yield from _info(level, matcher, targets, text_format)

    def _node(self, wanted: Sequence[Family], snapshot: Snapshot) -> Iterator[tuple[Family, str]]:
        devices = _Devices(self._parsers, snapshot)
        for family in wanted:
            yield family, "".join(_node_line(family.name, row, snapshot, devices) for row in family.rows)


def _info(level: Level, matcher: Matcher, targets: Sequence[Labelled], text_format: Format) -> Iterator[str]:
    row, _ = INFO[level]
    name = row.family(level)
    if matcher.wants(level, name):
        yield header(name, row, text_format)
        yield "".join([f"{name}{each.info}1\n" for each in targets])


class _Devices:
    """The node's disks and interfaces at one tick, parsed when first asked for."""

    def __init__(self, parsers: DeviceParsers, snapshot: Snapshot) -> None:
        self._texts = {
            "diskstats": (parsers.diskstats, snapshot.diskstats),
            "net/dev": (parsers.net_dev, snapshot.net_dev),
        }
        self._parsed: dict[str, Mapping[str, Mapping[str, int]]] = {}

    def values(self, source: str) -> Iterator[tuple[str, int]]:
        """Device and value for a row's source, such as `diskstats:read_bytes`."""
        file, _, key = source.partition(":")
        if file not in self._parsed:
            parse, text = self._texts[file]
            self._parsed[file] = parse(text) if text else {}
        for device, values in self._parsed[file].items():
            value = values.get(key, UNKNOWN)
            if value < UNLIMITED:
                yield device, value


def with_headers(pieces: Iterator[tuple[Family, str]], text_format: Format) -> Iterator[str]:
    """The lines of families, those of one after another, below its header; a family without lines has none."""
    started: Family | None = None
    for family, lines in pieces:
        if not lines:
            continue
        if family is started:
            yield lines
        else:
            started = family
            yield header(family.name, family.rows[0], text_format) + lines


class Placed(Protocol):
    """A target's slot, and its labels as they stand between name and value."""

    @property
    def slot(self) -> int: ...  # noqa: D102

    @property
    def text(self) -> str: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Batch:
    """Some targets, split into what is looked up and what is written."""

    slots: list[int]
    labels: list[str]


def in_batches(snapshot: Snapshot, labelled: Sequence[Placed], size: int = BATCH) -> list[Batch]:
    """The targets that have a place in this tick, some at a time."""
    places = len(snapshot.column(0))
    known = [one for one in labelled if one.slot < places]
    return [
        Batch([one.slot for one in some], [one.text for one in some])
        for some in (known[start : start + size] for start in range(0, len(known), size))
    ]


def _targets(
    wanted: Sequence[Family], snapshot: Snapshot, labelled: Sequence[Labelled]
) -> Iterator[tuple[Family, str]]:
    batches = in_batches(snapshot, labelled)
    for family in wanted:
        (row,) = family.rows
        column = values_of(row, snapshot)
        for batch in batches:
            yield family, target_lines(family.name, row, column, batch)


def values_of(row: Metric, snapshot: Snapshot) -> list[int]:
    """A row's values by slot, those of a difference computed."""
    if row.minus is None:
        return snapshot.column(TARGET_COLUMN[row.key])
    first, second = (snapshot.column(TARGET_COLUMN[key]) for key in row.minus)
    return [UNKNOWN if a >= UNLIMITED or b >= UNLIMITED else max(a - b, 0) for a, b in zip(first, second, strict=True)]


def target_lines(name: str, row: Metric, column: Sequence[int], batch: Batch) -> str:
    """One line per target that is known. A body of many samples is made in here: each step is one pass in C."""
    labels, values = batch.labels, [column[slot] for slot in batch.slots]
    largest = max(values)
    if row.per == "state":
        lines = [
            f'{text[:-2]},state="{STATES[value]}"}} 1'
            for text, value in zip(labels, values, strict=True)
            if value < len(STATES)
        ]
    else:
        if largest >= UNLIMITED:
            known = [pair for pair in zip(labels, values, strict=True) if pair[1] < UNLIMITED]
            labels, values = [text for text, _ in known], [value for _, value in known]
            largest = max(values, default=0)
        divisor = row.unit.divisor
        if divisor == 1:
            lines = [f"{text}{value}" for text, value in zip(labels, values, strict=True)]
        elif largest < FLOAT_EXACT_BELOW:
            lines = [text + repr(value / divisor) for text, value in zip(labels, values, strict=True)]
        else:
            lines = [text + exact(value, divisor) for text, value in zip(labels, values, strict=True)]
    between = f"\n{name}"
    return f"{name}{between.join(lines)}\n" if lines else ""


def _node_line(name: str, row: Metric, snapshot: Snapshot, devices: _Devices) -> str:
    divisor = row.unit.divisor
    if row.per is not None:
        assert row.v2 is not None, row
        return "".join(
            f"{name}{{{label_pair(row.per, device)}}} {number(value, divisor)}\n"
            for device, value in devices.values(row.v2)
        )
    value = snapshot.node[NODE_COLUMN[row.key]]
    if value >= UNLIMITED:
        return ""
    labels = ",".join(label_pair(*pair) for pair in row.labels)
    return f"{name}{{{labels}}} {number(value, divisor)}\n" if labels else f"{name} {number(value, divisor)}\n"
