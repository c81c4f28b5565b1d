"""From one tick to text: families in the table's order, piece by piece."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from podtick.model.metrics.row import UNKNOWN, UNLIMITED, Level, Metric
from podtick.model.metrics.state import STATES
from podtick.model.metrics.table import NODE_COLUMN, TARGET_COLUMN, rows_at
from podtick.serve.exposition.filters import Selection
from podtick.serve.exposition.format import FLOAT_EXACT_BELOW, Format, exact, header, label_pair, number
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
    """How the pieces of the node's disks and interfaces are read."""

    diskstats: DeviceParser
    net_dev: DeviceParser


def families(level: Level) -> tuple[Family, ...]:
    """The families of a level, in the table's order."""
    grouped = groupby(rows_at(level), key=lambda row: row.family(level))
    return tuple(Family(name, level, tuple(rows)) for name, rows in grouped)


_FAMILIES = {level: families(level) for level in Level}


class SampleWriter:
    """Writes the samples of containers, pods and node; knows nothing of HTTP."""

    def __init__(self, labels: LabelCache, parsers: DeviceParsers) -> None:
        self._labels = labels
        self._parsers = parsers

    def write(self, snapshot: Snapshot, selection: Selection, text_format: Format) -> Iterator[str]:
        """Text in pieces of at most `BATCH` targets. A family without samples is left out, header and all."""
        matcher = selection.matcher()
        # Taken before the first piece goes out, so that a change of the roster in between cannot tear a body.
        labelled = {
            level: self._labels.at(level, snapshot.number, selection.namespaces)
            for level in (Level.CONTAINER, Level.POD)
            if selection.wants_level(level)
        }
        for level in Level:
            if not selection.wants_level(level):
                continue
            wanted = [family for family in _FAMILIES[level] if matcher.wants(level, family.name)]
            if level is Level.NODE:
                pieces = self._node(wanted, snapshot)
            else:
                pieces = _targets(wanted, snapshot, labelled[level])
            yield from _with_headers(pieces, text_format)

    def _node(self, wanted: Sequence[Family], snapshot: Snapshot) -> Iterator[tuple[Family, str]]:
        devices = _Devices(self._parsers, snapshot)
        for family in wanted:
            yield family, "".join(_node_line(family.name, row, snapshot, devices) for row in family.rows)


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


def _with_headers(pieces: Iterator[tuple[Family, str]], text_format: Format) -> Iterator[str]:
    started: Family | None = None
    for family, lines in pieces:
        if not lines:
            continue
        if family is started:
            yield lines
        else:
            started = family
            yield header(family.name, family.rows[0], text_format) + lines


def _targets(
    wanted: Sequence[Family], snapshot: Snapshot, labelled: Sequence[Labelled]
) -> Iterator[tuple[Family, str]]:
    batches = [labelled[start : start + BATCH] for start in range(0, len(labelled), BATCH)]
    for family in wanted:
        (row,) = family.rows
        column = _values(row, snapshot)
        for batch in batches:
            yield family, _target_lines(family.name, row, column, batch)


def _values(row: Metric, snapshot: Snapshot) -> list[int]:
    if row.minus is None:
        return snapshot.column(TARGET_COLUMN[row.key])
    first, second = (snapshot.column(TARGET_COLUMN[key]) for key in row.minus)
    return [UNKNOWN if a >= UNLIMITED or b >= UNLIMITED else max(a - b, 0) for a, b in zip(first, second, strict=True)]


def _target_lines(name: str, row: Metric, column: Sequence[int], batch: Sequence[Labelled]) -> str:
    size = len(column)
    if row.per == "state":
        return "".join(_state_line(name, column[one.slot], one.text) for one in batch if one.slot < size)
    if row.unit.divisor == 1:
        return "".join(
            [
                f"{name}{one.text}{value}\n"
                for one in batch
                if one.slot < size and (value := column[one.slot]) < UNLIMITED
            ]
        )
    divisor = row.unit.divisor
    lines = [
        f"{name}{one.text}{value / divisor if value < FLOAT_EXACT_BELOW else exact(value, divisor)}\n"
        for one in batch
        if one.slot < size and (value := column[one.slot]) < UNLIMITED
    ]
    return "".join(lines).replace(".0\n", "\n")


def _state_line(name: str, value: int, labels: str) -> str:
    if value >= len(STATES):
        return ""
    return f'{name}{labels[:-2]},state="{STATES[value]}"}} 1\n'


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
