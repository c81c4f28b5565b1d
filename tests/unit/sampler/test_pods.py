"""A pod's value against a plain model: no counter falls, whatever its containers do."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podtick.model.metrics.row import MAX_VALUE, UNKNOWN, UNLIMITED, Kind, PodValue
from podtick.model.metrics.table import KERNEL_COLUMNS, TARGET_COLUMN, TARGET_ROWS
from podtick.sampler.pods import KERNEL_ROW, Child, Pod

ROWS = [row for row in TARGET_ROWS if row.key in TARGET_COLUMN][:KERNEL_COLUMNS]
CPU = TARGET_COLUMN["cpu_usage_seconds_total"]
READS = TARGET_COLUMN["fs_reads_bytes_total"]
WAITING = TARGET_COLUMN["pressure_cpu_waiting_seconds_total"]
USAGE = TARGET_COLUMN["memory_usage_bytes"]
PEAK = TARGET_COLUMN["memory_max_usage_bytes"]
LIMIT = TARGET_COLUMN["spec_memory_limit_bytes"]
COUNTERS, GAUGES = (CPU, READS, WAITING), (USAGE, PEAK, LIMIT)
WATCHED = (*COUNTERS, *GAUGES)
SIZE = KERNEL_ROW.size
PLACES = 4


def test_the_watched_columns_are_of_every_kind() -> None:
    assert {(ROWS[column].kind, ROWS[column].pod) for column in WATCHED} == {
        (Kind.COUNTER, PodValue.SUM),
        (Kind.COUNTER, PodValue.LONE),
        (Kind.GAUGE, PodValue.SUM),
        (Kind.GAUGE, PodValue.LONE),
        (Kind.GAUGE, PodValue.SUM_OF_LIMITS),
    }
    assert {(row.kind, row.pod) for row in ROWS} == {(ROWS[column].kind, ROWS[column].pod) for column in WATCHED}


@dataclass
class Container:
    """What the model knows of a container: its newest values, and how much of each counter the pod has."""

    fresh: bool
    values: dict[int, int] = field(default_factory=lambda: dict.fromkeys(WATCHED, UNKNOWN))
    taken: dict[int, int | None] = field(default_factory=lambda: dict.fromkeys(COUNTERS, None))


class Plain:
    """The same as `Pod`, without a thought of speed."""

    def __init__(self) -> None:
        self.containers: dict[int, Container] = {}
        self.totals: dict[int, int | None] = dict.fromkeys(COUNTERS, None)

    def add(self, id_: int, fresh: bool) -> None:
        first = all(total is None for total in self.totals.values())
        self.containers[id_] = Container(fresh or first or id_ in self.containers)

    def compute(self) -> dict[int, int]:
        for container in self.containers.values():
            for column in COUNTERS:
                value, taken = container.values[column], container.taken[column]
                if value in (UNKNOWN, taken):
                    continue
                if taken is None:
                    taken = 0 if container.fresh else value
                if value >= taken:
                    self.totals[column] = (self.totals[column] or 0) + value - taken
                container.taken[column] = value
        return {column: self.value(column) for column in WATCHED}

    def value(self, column: int) -> int:
        values = [container.values[column] for container in self.containers.values()]
        row = ROWS[column]
        if not values or (row.pod is PodValue.LONE and len(values) > 1):
            return UNKNOWN
        if row.kind is Kind.COUNTER:
            total = self.totals[column]
            return UNKNOWN if total is None or set(values) == {UNKNOWN} else min(total, MAX_VALUE)
        if UNKNOWN in values:
            return UNKNOWN
        if UNLIMITED in values:
            return UNLIMITED
        return min(sum(values), MAX_VALUE)


class Walk:
    """Containers join, count, restart, go back, become unreadable and leave; the sampler dies and takes up again."""

    def __init__(self) -> None:
        self.pod = Pod((PLACES - 1) * SIZE)
        self.plain = Plain()
        self.buffer = memoryview(bytearray(b"\xff" * (PLACES * SIZE)))
        self.highest = dict.fromkeys(COUNTERS, 0)

    def write(self, id_: int) -> None:
        row = [UNKNOWN] * KERNEL_COLUMNS
        for column, value in self.plain.containers[id_].values.items():
            row[column] = value
        KERNEL_ROW.pack_into(self.buffer, id_ * SIZE, *row)

    def join(self, id_: int, fresh: bool) -> None:
        self.plain.add(id_, fresh)
        self.pod.add(id_, Child(id_ * SIZE, fresh))
        self.write(id_)

    def leave(self, id_: int) -> None:
        self.plain.containers.pop(id_, None)
        self.pod.remove(id_)

    def count(self, which: int, counted: dict[int, int]) -> None:
        """Counters go on by a little, of one container or of all."""
        for id_, container in self.plain.containers.items():
            for column, more in counted.items() if which in (id_, 0) else ():
                value = container.values[column]
                container.values[column] = more if value == UNKNOWN else min(value + more, MAX_VALUE)
            self.write(id_)
        self.tick()

    def jump(self, id_: int, values: dict[int, int]) -> None:
        """Counters go back, or ahead; sizes are any."""
        if id_ in self.plain.containers:
            self.plain.containers[id_].values.update(values)
            self.write(id_)
        self.tick()

    def limit(self, id_: int, value: int) -> None:
        if id_ in self.plain.containers:
            self.plain.containers[id_].values[LIMIT] = value
            self.write(id_)

    def restore(self) -> None:
        """Another sampler: it has the last rows of the pod and of its containers, and nothing else."""
        self.tick()
        rows = {id_: KERNEL_ROW.unpack_from(self.buffer, id_ * SIZE) for id_ in self.plain.containers}
        row = KERNEL_ROW.unpack_from(self.buffer, self.pod.offset)
        self.pod = Pod(self.pod.offset)
        self.pod.restore(row)
        for id_, last in rows.items():
            self.pod.add(id_, Child(id_ * SIZE, fresh=False), last)
            container = self.plain.containers[id_]
            container.fresh = False
            container.taken = {
                column: None if container.values[column] == UNKNOWN else container.values[column] for column in COUNTERS
            }
        for column in COUNTERS:
            if row[column] > MAX_VALUE:  # what was not published is not known any more: it begins anew
                self.plain.totals[column] = None
                self.highest[column] = 0

    def tick(self) -> None:
        self.pod.compute(self.buffer, 0)
        row = KERNEL_ROW.unpack_from(self.buffer, self.pod.offset)
        assert {column: row[column] for column in WATCHED} == self.plain.compute()
        for column in COUNTERS:
            if row[column] != UNKNOWN:
                assert row[column] >= self.highest[column]
                self.highest[column] = row[column]

        for id_, container in self.plain.containers.items():  # nothing but the pod's row is written
            last = KERNEL_ROW.unpack_from(self.buffer, id_ * SIZE)
            assert {column: last[column] for column in WATCHED} == container.values


small = st.integers(0, 5)
values = st.sampled_from((0, 1, 2, 7, 40, 50, UNKNOWN, MAX_VALUE))
limits = st.sampled_from((0, 7, UNLIMITED, UNKNOWN, MAX_VALUE))
places = st.integers(0, PLACES - 2)
STEPS = st.one_of(
    st.tuples(st.just(Walk.join), places, st.booleans()),
    st.tuples(st.just(Walk.leave), places),
    st.tuples(st.just(Walk.restore)),
    *[st.tuples(st.just(Walk.count), places, st.dictionaries(st.sampled_from(COUNTERS), small))] * 3,
    *[st.tuples(st.just(Walk.jump), places, st.dictionaries(st.sampled_from((*COUNTERS, USAGE, PEAK)), values))] * 2,
    st.tuples(st.just(Walk.limit), places, limits),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(STEPS, min_size=20, max_size=60))
def test_whatever_its_containers_do(steps: list[tuple[Any, ...]]) -> None:
    walk = Walk()
    walk.join(0, fresh=True)
    for do, *arguments in steps:
        do(walk, *arguments)
    walk.tick()


def row(**values: int) -> bytes:
    words = [UNKNOWN] * KERNEL_COLUMNS
    for name, value in values.items():
        words[globals()[name]] = value
    return KERNEL_ROW.pack(*words)


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_a_pods_own_cgroup_tells_its_own_columns(kept: int) -> None:
    """Kubernetes: CPU from the pod's cgroup, throttling and what else is wrong there from its containers."""
    own = frozenset({CPU, USAGE})
    pod = Pod(2 * SIZE, own)
    buffer = memoryview(bytearray(row(CPU=3, READS=30) + row(CPU=4, READS=40) + row(CPU=100, USAGE=50, READS=999)))
    for id_ in range(kept):
        pod.add(id_, Child(id_ * SIZE, fresh=True))
    pod.compute(buffer, 0)
    values = KERNEL_ROW.unpack_from(buffer, 2 * SIZE)
    assert (values[CPU], values[USAGE]) == (100, 50)
    assert values[READS] == (UNKNOWN, 30, 70)[kept]


def test_a_sum_beyond_what_a_column_holds_stays_at_its_end() -> None:
    pod = Pod(2 * SIZE)
    buffer = memoryview(bytearray(row(CPU=MAX_VALUE, USAGE=MAX_VALUE) * 2 + row()))
    for id_ in range(2):
        pod.add(id_, Child(id_ * SIZE, fresh=True))
    pod.compute(buffer, 0)
    values = KERNEL_ROW.unpack_from(buffer, 2 * SIZE)
    assert (values[CPU], values[USAGE]) == (MAX_VALUE, MAX_VALUE)
