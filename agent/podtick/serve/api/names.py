"""The names of JSON fields, made from the metric table: a new row appears by itself.

A gauge is one field of the row's own name. A counter is two: its total under the row's own name, and its rate over the
last tick, named for its unit:

    cpu_usage_seconds_total        cpu_usage_cores                  CPU seconds a second, over all cores
    pressure_io_waiting_seconds_total  pressure_io_waiting_ratio    share of a second
    network_receive_bytes_total    network_receive_bytes_per_second
    memory_page_faults_total       memory_page_faults_per_second

Rows that constant labels tell apart have the label's value in their name: `cpu_user_cores`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from podtick.model.metrics.row import Kind, Level, Metric, Unit
from podtick.model.metrics.table import rows_at


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a target: a row's own value, or with `rate` what it grows by in a second."""

    name: str
    row: Metric
    rate: bool = False

    @property
    def is_limit(self) -> bool:
        """Whether it can be unlimited, which is not the same as unknown."""
        return self.row.slow

    @property
    def is_measured(self) -> bool:
        """Whether percentiles of it mean something: rates, and gauges that are no limit and no point in time."""
        row = self.row
        return self.rate or not (row.kind is Kind.COUNTER or row.slow or row.told or row.unit is Unit.SECONDS)


@cache
def fields_at(level: Level) -> tuple[Field, ...]:
    """Every field of a level, in the table's order."""
    return tuple(field for row in rows_at(level) for field in _fields(row))


def _fields(row: Metric) -> Iterator[Field]:
    yield Field(_plain_name(row), row)
    if row.kind is Kind.COUNTER and not row.told:
        yield Field(_rate_name(row), row, rate=True)


def _plain_name(row: Metric) -> str:
    stem = row.name.removesuffix("_total")
    return _labelled(row, stem) + row.name[len(stem) :]


def _rate_name(row: Metric) -> str:
    stem = row.name.removesuffix("_total")
    if row.unit is not Unit.SECONDS:
        return _labelled(row, stem) + "_per_second"
    unit = "_cores" if row.name.startswith("cpu_") else "_ratio"
    return _labelled(row, stem).removesuffix("_seconds") + unit


def _labelled(row: Metric, stem: str) -> str:
    """The stem with the values of the row's constant labels before its unit."""
    if not row.labels:
        return stem
    unit = f"_{row.unit.value[0]}"
    return "_".join([stem.removesuffix(unit), *(value for _, value in row.labels)]) + unit * stem.endswith(unit)
