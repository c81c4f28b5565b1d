"""Disks and interfaces one by one, of node, pods and containers: of the newest tick, which alone is kept like that."""

from collections.abc import Mapping, Sequence

from podtick.history.layout import PIECES
from podtick.history.records import TargetRecord
from podtick.history.ticks import NODE_SWEEP
from podtick.model.metrics.row import UNKNOWN, Level
from podtick.model.rates import rates
from podtick.serve.api.names import Field
from podtick.serve.api.plan import Plan, make_plan
from podtick.serve.api.series import Entry, TickRange, exposed, rounded
from podtick.serve.exposition.filters import Matcher
from podtick.serve.exposition.samples import DeviceParser, DeviceParsers
from podtick.serve.interfaces import Hour

GROUPS = {"diskstats": "disks", "net/dev": "interfaces"}
"""What the devices of a kernel file are called."""


def devices_at(hour: Hour, parsers: DeviceParsers, ticks: TickRange, matcher: Matcher) -> Entry:
    """Fields by device, by group; `ticks` are the tick in question and the one before it."""
    now, before = hour.details(ticks.last), hour.details(ticks.first)
    parse: tuple[DeviceParser, ...] = (parsers.diskstats, parsers.net_dev)
    plan = make_plan(Level.NODE, matcher)
    found: Entry = {}
    for place, (file, group) in enumerate(GROUPS.items()):
        fields = [field for field in plan.values if field.row.per and _source(field)[0] == file]
        there = parse[place](now[place])
        earlier = parse[place](before[place])
        if fields:
            found[group] = {
                device: {field.name: _value(field, earlier.get(device, {}), values, ticks) for field in fields}
                for device, values in there.items()
            }
    return found


Source = tuple[int, str]
"""Kind of piece, and key in its text."""


def pieces_at(
    hour: Hour, parsers: DeviceParsers, records: Sequence[TargetRecord], plan: Plan, ticks: TickRange
) -> Entry:
    """A pod's interfaces, or a container's disks, by group as above; nothing where no device is known."""
    sources = {field: found for field in plan.values if (found := _pieces(field, plan.level))}
    if not sources or not records:
        return {}
    parse = parsers.pod_net_dev if plan.level is Level.POD else parsers.block
    now: dict[str, dict[Source, int]] = {}
    before: dict[str, dict[Source, int]] = {}
    for kind in sorted({kind for found in sources.values() for kind, _ in found}):
        for into, text in zip((now, before), hour.pieces(records[-1], kind, ticks.last), strict=True):
            for device, values in parse(text or b"").items():
                into.setdefault(device, {}).update({(kind, key): value for key, value in values.items()})
    if not now:
        return {}
    group, names = "interfaces", dict[str, str]()
    if plan.level is Level.CONTAINER:
        group, names = "disks", {**parsers.names(hour.details(ticks.last)[0])}
    return {
        group: {
            names.get(device, device): _piece(sources, plan, ticks, before.get(device, {}), values)
            for device, values in now.items()
        }
    }


def _pieces(field: Field, level: Level) -> list[Source]:
    """Where a field stands in the pieces, on either version of cgroups; nowhere, if it is not one of devices."""
    found = [(source or "").partition(":") for source in (field.row.v1, field.row.v2)]
    wanted = [(file, key) for file, _, key in found if file in PIECES and (level is Level.POD) == (file == "net/dev")]
    return [(PIECES[file], key) for file, key in wanted]


def _piece(
    sources: Mapping[Field, Sequence[Source]],
    plan: Plan,
    ticks: TickRange,
    before: Mapping[Source, int],
    now: Mapping[Source, int],
) -> Entry:
    """The fields of one device."""
    fields: Entry = {}
    for field, places in sources.items():
        place = next((place for place in places if place in now), places[0])
        elapsed = ticks.elapsed(plan.places[field.name][0])
        fields[field.name] = _field(field, before.get(place, UNKNOWN), now.get(place, UNKNOWN), elapsed)
    return fields


def _source(field: Field) -> tuple[str, str]:
    """File and key of a row of devices."""
    file, _, key = (field.row.v2 or "").partition(":")
    return file, key


def _value(field: Field, before: Mapping[str, int], now: Mapping[str, int], ticks: TickRange) -> int | float | None:
    key = _source(field)[1]
    return _field(field, before.get(key, UNKNOWN), now.get(key, UNKNOWN), ticks.elapsed(NODE_SWEEP))


def _field(field: Field, before: int, now: int, elapsed: Sequence[int]) -> int | float | None:
    divisor = field.row.unit.divisor
    return rounded(rates([before, now], elapsed, divisor)[1]) if field.rate else exposed(now, divisor)
