"""From one tick to text under cAdvisor's names: the rows that have one, at the levels at which cAdvisor has them.

Devices come first: their texts are kept for the newest ticks alone.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from podtick.history.layout import PIECES
from podtick.model.metrics.cadvisor import Cadvisor
from podtick.model.metrics.row import UNKNOWN, UNLIMITED, Level, Metric
from podtick.model.metrics.table import NODE_COLUMN, NODE_ROWS, TARGET_COLUMN, TARGET_ROWS
from podtick.serve.exposition.cadvisor_labels import CadvisorLabels, Labels
from podtick.serve.exposition.filters import Matcher, Selection
from podtick.serve.exposition.format import Format, label_pair, number
from podtick.serve.exposition.samples import (
    Batch,
    DeviceParsers,
    Family,
    in_batches,
    target_lines,
    values_of,
    with_headers,
)
from podtick.serve.interfaces import Hour, Roster, Snapshot

DEVICE_BATCH = 50
"""Targets whose devices are read in one go, some 1 ms."""


@dataclass(frozen=True, slots=True)
class Served:
    """A row, what cAdvisor calls it, and the levels at which it is served under that name."""

    row: Metric
    there: Cadvisor
    levels: tuple[Level, ...]


@cache
def families() -> tuple[tuple[Family, tuple[Served, ...]], ...]:
    """All families, those of devices first, else in the table's order; rows of one name stand together."""
    by_name: dict[str, list[Served]] = {}
    for row in (*TARGET_ROWS, *NODE_ROWS):
        if row.cadvisor is not None:
            there = (Level.CONTAINER, *([Level.POD] if row.cadvisor.pods else []), Level.NODE)
            levels = tuple(level for level in row.levels if level in there)
            by_name.setdefault(row.cadvisor.name, []).append(Served(row, row.cadvisor, levels))
    made = [
        (Family(name, served[0].levels[0], tuple(one.row for one in served)), tuple(served))
        for name, served in by_name.items()
    ]
    return tuple(sorted(made, key=lambda family: family[1][0].there.per is None))


class CadvisorWriter:
    """Writes the samples of containers, pods and machine as cAdvisor would; knows nothing of HTTP."""

    def __init__(self, history: Hour, roster: Roster, parsers: DeviceParsers) -> None:
        self._history = history
        self._labels = CadvisorLabels(roster)
        self._parsers = parsers

    def write(self, snapshot: Snapshot, selection: Selection, text_format: Format) -> Iterator[str]:
        """Text in pieces, each short to make. A family without samples is left out, header and all."""
        # Taken before the first piece goes out, so that a change of the roster in between cannot tear a body.
        labels = self._labels.at(snapshot.number, selection.namespaces)
        body = _Body(snapshot, labels, _Devices(self._history, self._parsers, snapshot))
        yield from with_headers(self._pieces(body, selection), text_format)

    def _pieces(self, body: "_Body", selection: Selection) -> Iterator[tuple[Family, str]]:
        matcher = selection.matcher()
        for family, rows in families():
            for served in rows:
                levels = [level for level in served.levels if _wanted(served, level, selection, matcher)]
                if levels:
                    yield from ((family, lines) for lines in body.lines(served, levels))


def _wanted(served: Served, level: Level, selection: Selection, matcher: Matcher) -> bool:
    return selection.wants_level(level) and matcher.wants(level, served.row.family(level), served.there.name)


class _Body:
    """One tick on its way to text."""

    def __init__(self, snapshot: Snapshot, labels: Labels, devices: "_Devices") -> None:
        self._snapshot = snapshot
        self._devices = devices
        self._batches = {
            Level.CONTAINER: in_batches(snapshot, labels.containers),
            Level.POD: in_batches(snapshot, labels.pods),
        }
        self._with_devices = {
            Level.CONTAINER: in_batches(snapshot, labels.containers, DEVICE_BATCH),
            Level.POD: in_batches(snapshot, labels.networks, DEVICE_BATCH),
        }

    def lines(self, served: Served, levels: Sequence[Level]) -> Iterator[str]:
        """The lines of one row at some levels."""
        if levels == [Level.NODE]:
            yield self._machine(served)
        elif served.there.per is not None:
            for level in levels:
                for batch in self._with_devices[level]:
                    yield self._devices.lines(served, batch)
        else:
            column = self._column(served)
            for level in levels:
                for batch in self._batches[level]:
                    yield target_lines(served.there.name, served.row, column, _labelled(batch, served.there))

    def _machine(self, served: Served) -> str:
        value = self._snapshot.node[NODE_COLUMN[served.row.key]]
        return f"{served.there.name} {number(value, served.row.unit.divisor)}\n" if value < UNLIMITED else ""

    def _column(self, served: Served) -> list[int]:
        """The values by slot, as cAdvisor has them."""
        column, there = values_of(served.row, self._snapshot), served.there
        if there.unlimited is not None:
            column = [there.unlimited if value == UNLIMITED else value for value in column]
        if there.only_with is not None:
            needed = self._snapshot.column(TARGET_COLUMN[there.only_with])
            column = [value if other < UNLIMITED else UNKNOWN for value, other in zip(column, needed, strict=True)]
        return column


def _labelled(batch: Batch, there: Cadvisor) -> Batch:
    """The same targets with the labels that the metric adds."""
    if not there.labels:
        return batch
    more = "".join(f",{label_pair(*pair)}" for pair in there.labels) + "} "
    return Batch(batch.slots, [text[:-2] + more for text in batch.labels])


class _Devices:
    """Disks of containers and interfaces of pods at one tick, read when first asked for."""

    def __init__(self, history: Hour, parsers: DeviceParsers, snapshot: Snapshot) -> None:
        self._history = history
        self._parsers = parsers
        self._number = snapshot.number
        self._names = cache(lambda: parsers.names(snapshot.diskstats))
        self._pairs: dict[tuple[str, str], str] = {}
        self._read: dict[tuple[int, int], Mapping[str, Mapping[str, int]]] = {}

    def lines(self, served: Served, batch: Batch) -> str:
        """One line per target and device that are known."""
        name, per, divisor = served.there.name, served.there.per or "", served.row.unit.divisor
        parse = self._parsers.pod_net_dev if per == "interface" else self._parsers.block
        sources = {_source(source) for source in (served.row.v1, served.row.v2) if source}
        lines = []
        for slot, text in zip(batch.slots, batch.labels, strict=True):
            for kind, key in sources:
                for device, values in self._of(slot, kind, parse).items():
                    value = values.get(key, UNKNOWN)
                    if value < UNLIMITED:
                        lines.append(f"{name}{text[:-2]},{self._pair(per, device)}}} {number(value, divisor)}\n")
        return "".join(lines)

    def _of(
        self, slot: int, kind: int, parse: Callable[[bytes], Mapping[str, Mapping[str, int]]]
    ) -> Mapping[str, Mapping[str, int]]:
        if (slot, kind) not in self._read:
            self._read[slot, kind] = parse(self._history.piece(slot, kind, self._number) or b"")
        return self._read[slot, kind]

    def _pair(self, per: str, device: str) -> str:
        """The label of an interface, or of a disk as cAdvisor calls it, by number where it has no name."""
        if (per, device) not in self._pairs:
            disk = self._names().get(device) if per == "device" else None
            self._pairs[per, device] = label_pair(per, f"/dev/{disk}" if disk else device)
        return self._pairs[per, device]


def _source(source: str) -> tuple[int, str]:
    """Kind of piece, and key in its text."""
    file, _, key = source.partition(":")
    return PIECES[file], key
