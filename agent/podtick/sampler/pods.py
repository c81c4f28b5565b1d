"""The value of a pod that is made of its containers' values.

A counter is a monotone sum of increments: containers that have gone stay in it, so that it never falls. Everything else
follows the row's `PodValue`. On plain Docker that is all of a pod; in Kubernetes it is what the pod's own cgroup does
not get right.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import gt
from struct import Struct

from podtick.model.metrics.row import MAX_VALUE, UNKNOWN, UNLIMITED, Kind, PodValue
from podtick.model.metrics.table import KERNEL_COLUMNS, TARGET_COLUMN, TARGET_ROWS

_ROWS = [row for row in TARGET_ROWS if row.key in TARGET_COLUMN][:KERNEL_COLUMNS]
_COUNTERS = tuple(column for column, row in enumerate(_ROWS) if row.kind is Kind.COUNTER)
_LONE = frozenset(column for column, row in enumerate(_ROWS) if row.pod is PodValue.LONE)
_SUMS = tuple(column for column, row in enumerate(_ROWS) if row.kind is Kind.GAUGE and row.pod is PodValue.SUM)
_LIMITS = tuple(column for column, row in enumerate(_ROWS) if row.pod is PodValue.SUM_OF_LIMITS)
_LONE_GAUGES = tuple(column for column in _LONE if _ROWS[column].kind is Kind.GAUGE)
KERNEL_ROW = Struct(f"<{KERNEL_COLUMNS}Q")
COUNTERS = Struct("<" + "".join("Q" if column in _COUNTERS else "8x" for column in range(KERNEL_COLUMNS)))
"""The counters of a row alone, in the order of `_COUNTERS`."""


@dataclass(slots=True)
class Child:
    """A container of a pod: where its row is, and the counters already in the pod's sum (`None`: not read yet).

    `fresh`: it was started while its pod was watched, so that all it has counted belongs to the pod.
    """

    offset: int
    fresh: bool
    counted: list[int | None] = field(default_factory=lambda: [None] * KERNEL_COLUMNS)


class Pod:
    """The sums of one pod. `offset` is where its row begins in a plane; `own` columns come from its own cgroup.

    `carried` is where sums are left for the next sampler, as long as the row does not show them.
    """

    __slots__ = ("_alone", "_counters", "_sums", "_unknown", "carried", "children", "offset", "own")

    def __init__(self, offset: int, own: frozenset[int] = frozenset(), carried: int | None = None) -> None:
        self.offset = offset
        self.own = own
        self.carried = carried
        self.children: dict[int, Child] = {}
        self._sums: list[int | None] = [None] * KERNEL_COLUMNS
        self._alone = True  # only ever one container: the pod's row is that one's
        self._counters: tuple[int, ...] = ()
        self._unknown = KERNEL_COLUMNS  # so many of them are not known

    def restore(self, row: Sequence[int]) -> None:
        """Take up the sums where an earlier sampler left them: `row` is the pod's last published one."""
        self._alone = False
        for column in _COUNTERS:
            if row[column] <= MAX_VALUE:
                self._sums[column] = row[column]

    def found(self, own: frozenset[int]) -> None:
        """The pod's own cgroup has been found, or is another one: these columns come from it."""
        self._settle()
        self.own = own

    def add(self, id_: int, child: Child, row: Sequence[int] | None = None) -> None:
        """A container joins, or starts again under its old id.

        `row`: what an earlier sampler read of it last, already in the sums of the pod.
        """
        if self.children or row is not None or not self._alone:
            self._settle()
        if row is not None:
            child.counted = [value if value <= MAX_VALUE else None for value in row]
        elif id_ in self.children or self._sums.count(None) == KERNEL_COLUMNS:
            child.fresh = True  # started again; or the pod's first, with whose counts its sums begin
        self.children[id_] = child

    def remove(self, id_: int) -> None:
        """A container has gone, or stopped: what it counted stays."""
        if id_ in self.children:
            self._settle()
            del self.children[id_]

    def _settle(self) -> None:
        """From now on the pod is more than its only container: take over what that one has counted."""
        if self._alone and self._counters and len(self.children) == 1:
            (child,) = self.children.values()
            for column, value in zip(_COUNTERS, self._counters, strict=True):
                if value <= MAX_VALUE:
                    self._sums[column] = child.counted[column] = value
        self._alone = False

    def compute(self, buffer: memoryview, plane: int) -> None:
        """Fill the pod's row in the plane from its containers' rows."""
        start = plane + self.offset
        if self._alone and len(self.children) == 1 and not self.own:
            (child,) = self.children.values()
            source = plane + child.offset
            counters = COUNTERS.unpack_from(buffer, source)
            same = counters == self._counters  # gauges alone have changed, or averages that nobody wants
            unknown = self._unknown if same else counters.count(UNKNOWN)
            suspect = not same and (unknown > self._unknown or any(map(gt, self._counters, counters)))
            if not suspect or not _falls(self._counters, counters):
                self._counters, self._unknown = counters, unknown
                buffer[start : start + KERNEL_ROW.size] = buffer[source : source + KERNEL_ROW.size]
                return
            self._settle()
        rows = [KERNEL_ROW.unpack_from(buffer, plane + child.offset) for child in self.children.values()]
        self._count(rows)
        values = self._values(rows)
        self._carry(buffer, values)
        if self.own:
            from_cgroup = KERNEL_ROW.unpack_from(buffer, start)
            for column in self.own:
                values[column] = from_cgroup[column]
        KERNEL_ROW.pack_into(buffer, start, *values)

    def _carry(self, buffer: memoryview, values: Sequence[int]) -> None:
        """Leave the sums for the next sampler where a row of these values does not show them all."""
        sums = self._sums
        if self.carried is not None and any(sums[each] is not None and values[each] == UNKNOWN for each in _COUNTERS):
            KERNEL_ROW.pack_into(
                buffer, self.carried, *[UNKNOWN if each is None else min(each, MAX_VALUE) for each in sums]
            )

    def _count(self, rows: Sequence[Sequence[int]]) -> None:
        """Add what the containers have counted since the last call."""
        sums = self._sums
        for child, row in zip(self.children.values(), rows, strict=True):
            counted = child.counted
            for column in _COUNTERS:
                value = row[column]
                before = counted[column]
                if value == before or value > MAX_VALUE:
                    continue
                counted[column] = value
                if before is None:
                    before = 0 if child.fresh else value
                if value >= before:  # a counter that went back adds nothing: there is no telling what it missed
                    sums[column] = (sums[column] or 0) + value - before

    def _values(self, rows: Sequence[Sequence[int]]) -> list[int]:
        values = [UNKNOWN] * KERNEL_COLUMNS
        if not rows:
            return values
        lone = len(rows) == 1
        for column in _COUNTERS:
            total = self._sums[column]
            if total is not None and (lone or column not in _LONE) and any(row[column] != UNKNOWN for row in rows):
                values[column] = min(total, MAX_VALUE)
        for column in _SUMS:
            values[column] = _sum(row[column] for row in rows)
        for column in _LIMITS:
            values[column] = _sum_of_limits([row[column] for row in rows])
        if lone:
            for column in _LONE_GAUGES:
                values[column] = rows[0][column]
        return values


def _falls(before: tuple[int, ...], now: tuple[int, ...]) -> bool:
    """Whether a counter is less than it was, or not known any more: what it is later may be less."""
    return any(was <= MAX_VALUE and (is_ < was or is_ > MAX_VALUE) for was, is_ in zip(before, now, strict=False))


def _sum(values: Iterable[int]) -> int:
    """The sum, unknown as soon as one is."""
    total = 0
    for value in values:
        if value > MAX_VALUE:
            return UNKNOWN
        total += value
    return min(total, MAX_VALUE)


def _sum_of_limits(values: Sequence[int]) -> int:
    """The sum; unlimited as soon as one is, unknown as soon as one is."""
    if UNKNOWN in values:
        return UNKNOWN
    return UNLIMITED if UNLIMITED in values else _sum(values)
