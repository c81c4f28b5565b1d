"""From readings to the values of fields: one a tick, `None` where nobody knows."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TypeVar

from podtick.history.records import TargetRecord
from podtick.history.ticks import NODE_SWEEP
from podtick.model.metrics.row import UNKNOWN, UNLIMITED, Level
from podtick.model.metrics.state import STATES
from podtick.model.rates import rates
from podtick.serve.api.names import Field
from podtick.serve.api.plan import Plan
from podtick.serve.interfaces import Hour

T = TypeVar("T")
Value = int | float | str | None | dict[str, object]
Entry = dict[str, object]
DECIMALS = 6


class TickRange:
    """The records of the ticks `first` to `last`. The first of them is there for the rates of the second alone."""

    def __init__(self, hour: Hour, first: int, last: int) -> None:
        self.first = first
        self.last = last
        self.ticks = [hour.tick(number) for number in range(first, last + 1)]
        self._elapsed: dict[int, list[int]] = {}

    def __len__(self) -> int:
        return len(self.ticks)

    @cached_property
    def timestamps(self) -> list[int]:
        """Each tick's whole second; 0 for one that the history has no more."""
        return [tick.timestamp if tick else 0 for tick in self.ticks]

    def elapsed(self, sweep: int) -> list[int]:
        """Nanoseconds between each tick's sweep and the same sweep of the tick before; 0 where it is not known."""
        if sweep not in self._elapsed:
            times = [tick.monotonic_ns + tick.sweeps[sweep] if tick else 0 for tick in self.ticks]
            self._elapsed[sweep] = [0, *(now - before if before and now else 0 for before, now in pairwise(times))]
        return self._elapsed[sweep]


@dataclass(frozen=True, slots=True)
class Series:
    """Fields of one target over a range of ticks, all of its length. `present`: the target was read at that tick."""

    plan: Plan
    present: list[bool]
    values: list[list[Value]]
    limits: list[list[Value]]

    def entry(self, place: int) -> Entry:
        """The fields at one tick, as they are served."""
        return next(self.entries(place, place + 1))

    def entries(self, start: int, end: int) -> Iterator[Entry]:
        """The same for the ticks from place `start` to before `end`."""
        names = [field.name for field in self.plan.values]
        limits = [field.name for field in self.plan.limits]
        rows = zip(*(column[start:end] for column in self.values), strict=True) if names else [()] * (end - start)
        limit_rows = zip(*(column[start:end] for column in self.limits), strict=True)
        for row in rows:
            entry: Entry = {"values": dict(zip(names, row, strict=True))}
            if limits:
                entry["limits"] = dict(zip(limits, next(limit_rows), strict=True))
            yield entry


def read_series(hour: Hour, records: Iterable[TargetRecord], plan: Plan, ticks: TickRange) -> Series | None:
    """The fields of a target over the ticks; `None` when it was not read at any of them but the first.

    `records`, ascending: a target that came again is several, and no rate is made across two of them.
    """
    found: Series | None = None
    for record in records:
        if record.first > ticks.last or (record.last and record.last < ticks.first):
            continue
        readings = hour.readings(record, plan.columns, ticks.first, ticks.last)
        present = _aligned(readings.numbers, [True] * len(readings.numbers), ticks, fill=False)
        if any(present[1:]):
            columns = {
                column: _aligned(readings.numbers, values, ticks, fill=UNKNOWN)
                for column, values in zip(plan.columns, readings.columns, strict=True)
            }
            values = [_values(plan, field, columns, ticks) for field in plan.values]
            limits = [_values(plan, field, columns, ticks) for field in plan.limits]
            one = Series(plan, present, values, limits)
            found = _overlaid(found, one) if found else one
    return found


def _aligned(numbers: Sequence[int], values: list[T], ticks: TickRange, fill: T) -> list[T]:
    """Values by tick number as one a tick of the range."""
    if len(numbers) == len(ticks):
        return values
    result = [fill] * len(ticks)
    for number, value in zip(numbers, values, strict=True):
        result[number - ticks.first] = value
    return result


def _overlaid(earlier: Series, later: Series) -> Series:
    """Two lives of one target as one; where both have a tick, the later one's counts."""

    def merged(first: list[list[Value]], second: list[list[Value]]) -> list[list[Value]]:
        return [
            [new if there else old for old, new, there in zip(*pair, later.present, strict=True)]
            for pair in zip(first, second, strict=True)
        ]

    present = [old or new for old, new in zip(earlier.present, later.present, strict=True)]
    values, limits = merged(earlier.values, later.values), merged(earlier.limits, later.limits)
    return Series(later.plan, present, values, limits)


def _values(plan: Plan, field: Field, columns: Mapping[int, list[int]], ticks: TickRange) -> list[Value]:
    row = field.row
    places = plan.places[field.name]
    stored = columns[places[0]]
    if field.rate:
        sweep = NODE_SWEEP if plan.level is Level.NODE else places[0]
        made = rates(stored, ticks.elapsed(sweep), row.unit.divisor)
        return [*made] if plan.measured else [rounded(value) for value in made]
    if row.per == "state":
        return [STATES[value] if value < len(STATES) else None for value in stored]
    if row.minus is not None:
        others = columns[places[1]]
        stored = [
            UNKNOWN if value >= UNLIMITED or other >= UNLIMITED else max(value - other, 0)
            for value, other in zip(stored, others, strict=True)
        ]
    divisor = row.unit.divisor
    if field.is_limit:
        return [_limit(value, divisor) for value in stored]
    if divisor == 1 and max(stored) < UNLIMITED:
        return [*stored]
    return [exposed(value, divisor) for value in stored]


def rounded(value: float | None) -> float | None:
    """A rate as it is served: to a millionth of a core, of a second, of a byte a second."""
    return value if value is None else round(value, DECIMALS)


def exposed(stored: int, divisor: int) -> int | float | None:
    """A stored integer in the exposed unit."""
    if stored >= UNLIMITED:
        return None
    return stored if divisor == 1 else stored / divisor


def _limit(stored: int, divisor: int) -> dict[str, object]:
    """A limit, no limit (`limited` false), or an unknown one (`limited` null)."""
    known = None if stored == UNKNOWN else stored != UNLIMITED
    return {"value": exposed(stored, divisor), "limited": known}
