"""THE table: every row in its place. A row's place is its column in the history.

Containers and pods share one layout (`TARGET_ROWS`), the node has its own (`NODE_ROWS`). Rows that are computed when
read (`Metric.minus`) have no column. Adding a row, or moving one, changes `FINGERPRINT`, by which a history of
another layout is told apart.
"""

from collections.abc import Iterable
from zlib import crc32

from podtick.model.metrics.cpu import CPU
from podtick.model.metrics.io import IO
from podtick.model.metrics.memory import MEMORY
from podtick.model.metrics.network import NETWORK
from podtick.model.metrics.node import NODE
from podtick.model.metrics.pressure import PRESSURE
from podtick.model.metrics.row import Level, Metric
from podtick.model.metrics.state import STATE

TARGET_ROWS: tuple[Metric, ...] = (*CPU, *MEMORY, *IO, *PRESSURE, *STATE, *NETWORK)
NODE_ROWS: tuple[Metric, ...] = NODE


def _columns(rows: Iterable[Metric]) -> dict[str, int]:
    return {row.key: column for column, row in enumerate(row for row in rows if row.minus is None)}


TARGET_COLUMN: dict[str, int] = _columns(TARGET_ROWS)
"""Column of a container's or pod's row, by `Metric.key`."""
NODE_COLUMN: dict[str, int] = _columns(NODE_ROWS)
"""Column of a node's row, by `Metric.key`."""

FINGERPRINT: int = crc32("\n".join([*TARGET_COLUMN, "", *NODE_COLUMN]).encode())


def rows_at(level: Level) -> tuple[Metric, ...]:
    """The rows that have a value at a level, in the table's order."""
    return tuple(row for row in (*TARGET_ROWS, *NODE_ROWS) if level in row.levels)


KERNEL_COLUMNS: int = TARGET_COLUMN[STATE[0].key]
"""Columns before this one are read from cgroup files; told and network columns follow."""
NETWORK_COLUMNS: tuple[int, int] = (TARGET_COLUMN[NETWORK[0].key], len(NETWORK))
"""The first column of the network rows, and how many there are."""
