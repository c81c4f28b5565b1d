"""Which fields a request wants, and which columns of the history they are made of."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from podtick.model.metrics.row import Level, Metric
from podtick.model.metrics.table import NODE_COLUMN, TARGET_COLUMN
from podtick.serve.api.names import Field, fields_at
from podtick.serve.exposition.filters import FilterError, Matcher

ANY_COLUMN = 0
"""Read where no field is wanted: any one tells at which ticks a target was there."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The wanted fields of a level: values, limits apart from them, and the columns to read for both.

    `places` are the columns that each field is made of, by its name. `measured`: the fields are summed up, not shown
    one by one.
    """

    level: Level
    values: tuple[Field, ...]
    limits: tuple[Field, ...]
    columns: tuple[int, ...]
    places: Mapping[str, tuple[int, ...]]
    measured: bool = False


def make_plan(level: Level, matcher: Matcher, *, measured: bool = False) -> Plan:
    """Plan for the fields whose metric, or whose own name, is wanted; `measured`: only those with percentiles."""
    fields = [field for field in fields_at(level) if _wants(matcher, level, field)]
    if measured:
        fields = [field for field in fields if field.is_measured]
    values = tuple(field for field in fields if not field.is_limit)
    limits = tuple(field for field in fields if field.is_limit)
    places = {field.name: _columns_of(level, field.row) for field in fields}
    columns = sorted({column for some in places.values() for column in some})
    return Plan(level, values, limits, tuple(columns) or (ANY_COLUMN,), places, measured)


def _wants(matcher: Matcher, level: Level, field: Field) -> bool:
    return matcher.wants(level, field.row.family(level)) or matcher.wants(level, f"podtick_{level}_{field.name}")


def _columns_of(level: Level, row: Metric) -> tuple[int, ...]:
    """The columns of a row: two where it is a difference."""
    columns = NODE_COLUMN if level is Level.NODE else TARGET_COLUMN
    return tuple(columns[key] for key in (row.minus or (row.key,)))


def check_patterns(patterns: Iterable[str], levels: Iterable[Level]) -> None:
    """Raise `FilterError` for a pattern that can match no field of these levels, whatever runs on the node."""
    fields = [(level, field) for level in levels for field in fields_at(level)]
    for pattern in patterns:
        matcher = Matcher((pattern,))
        if not any(_wants(matcher, level, field) for level, field in fields):
            names = [name for _, field in fields for name in (field.name, field.row.name)]
            nearest = get_close_matches(pattern.strip("*"), names, n=1)
            hint = f"did you mean {nearest[0]}? " if nearest else ""
            raise FilterError(
                f"metric={pattern} matches nothing here: {hint}write names as in the reply, or as in /metrics after "
                "podtick_LEVEL_, * for any characters, such as cpu_*"
            )
