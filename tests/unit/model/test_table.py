"""The metric table: what every row must be, and what a new row changes."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import podtick
from podtick.model.metrics import table
from podtick.model.metrics.node import CPU_MODES, NODE
from podtick.model.metrics.row import MAX_VALUE, UNKNOWN, UNLIMITED, Kind, Level, Metric, PodValue, Unit
from podtick.model.metrics.state import STATE, STATES
from podtick.model.metrics.table import (
    KERNEL_COLUMNS,
    NETWORK_COLUMNS,
    NODE_COLUMN,
    NODE_ROWS,
    TARGET_COLUMN,
    TARGET_ROWS,
    rows_at,
)

ROWS = [*TARGET_ROWS, *NODE_ROWS]
rows = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.key)


def test_keys_are_unique() -> None:
    for some in (TARGET_ROWS, NODE_ROWS):
        keys = [row.key for row in some]
        assert len(keys) == len(set(keys))


@rows
def test_names_are_those_of_prometheus(row: Metric) -> None:
    for level in row.levels:
        assert re.fullmatch(r"podtick_(container|pod|qos|kubepods|node)_[a-z][a-z0-9_]*[a-z0-9]", row.family(level))
    assert not row.name.endswith(("_created", "_info", "_bucket", "_sum", "_count"))
    for name, value in row.labels:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
        assert value


@rows
def test_counters_end_in_total_and_units_are_named(row: Metric) -> None:
    assert row.name.endswith("_total") == (row.kind is Kind.COUNTER)
    stem = row.name.removesuffix("_total")
    if row.unit in (Unit.SECONDS, Unit.BYTES):
        assert stem.endswith(row.unit.value[0]) or f"_{row.unit.value[0]}" in stem
    else:
        assert "_seconds" not in row.name
        assert "_bytes" not in row.name


@rows
def test_every_row_says_what_it_is_and_where_it_comes_from(row: Metric) -> None:
    assert re.fullmatch(r"[A-Z0-9].*\.", row.help)
    assert "\n" not in row.help
    sources = [bool(row.v1 or row.v2), row.told, row.minus is not None]
    assert sources.count(True) == 1
    assert row.levels


@rows
def test_a_difference_is_of_two_rows(row: Metric) -> None:
    if row.minus:
        columns = TARGET_COLUMN if row in TARGET_ROWS else NODE_COLUMN
        assert set(row.minus) <= set(columns)
        assert row.key not in columns
        units = {each.unit for each in ROWS if each.key in row.minus}
        assert units == {row.unit}


@rows
def test_one_family_is_one_metric(row: Metric) -> None:
    """Rows of one name differ in their labels alone."""
    same = [other for other in ROWS if other.name == row.name and set(other.levels) & set(row.levels)]
    assert {(other.kind, other.unit, other.help) for other in same} == {(row.kind, row.unit, row.help)}
    assert len({tuple(name for name, _ in other.labels) for other in same}) == 1


def test_columns_are_places_without_gaps() -> None:
    for columns in (TARGET_COLUMN, NODE_COLUMN):
        assert list(columns.values()) == list(range(len(columns)))


def test_kernel_columns_come_first_and_the_network_last() -> None:
    keys = list(TARGET_COLUMN)
    assert keys[KERNEL_COLUMNS] == STATE[0].key
    first, count = NETWORK_COLUMNS
    assert all(key.startswith("network_") for key in keys[first : first + count])
    assert first + count == len(keys)
    own = {row.key for row in TARGET_ROWS if row.pod is PodValue.OWN}
    assert own == {*keys[first:], "start_time_seconds", "cpu_request_cores", "memory_request_bytes"}


def test_levels_split_the_table() -> None:
    assert set(rows_at(Level.NODE)) == set(NODE_ROWS)
    assert {row.key for row in rows_at(Level.CONTAINER)} - {row.key for row in rows_at(Level.POD)} == {"state"}
    assert not {row.key for row in rows_at(Level.CONTAINER)} & {*list(TARGET_COLUMN)[NETWORK_COLUMNS[0] :]}


@rows
def test_around_pods_there_is_what_the_kernel_counts_for_whole_subtrees(row: Metric) -> None:
    """Nothing of a class of service, or of all pods, is made of anything but its own cgroup."""
    if row in NODE_ROWS:
        assert row.levels == (Level.NODE,)
        return
    read = row.key in list(TARGET_COLUMN)[:KERNEL_COLUMNS] and bool(row.pod_cgroup)
    made = row.minus is not None
    assert (Level.QOS in row.levels) == (Level.KUBEPODS in row.levels) == (read or made)


def test_what_is_reserved_is_no_value() -> None:
    assert len({UNKNOWN, UNLIMITED, MAX_VALUE}) == 3
    assert UNKNOWN < 2**64


def test_modes_and_states_have_their_order() -> None:
    assert [row.labels for row in NODE[: len(CPU_MODES)]] == [(("mode", mode),) for mode in CPU_MODES]
    assert STATES[1] == "running"


ADD_A_ROW = """
from podtick.model.metrics import cpu
from podtick.model.metrics.row import Kind, Level, Metric, Unit
row = Metric("x_total", Kind.COUNTER, Unit.COUNT, "X.", (Level.POD,), v1="cpu.x", v2="cpu.x")
cpu.CPU = {rows}
from podtick.model.metrics.table import FINGERPRINT
print(FINGERPRINT)
"""


@pytest.mark.parametrize("rows", ["(*cpu.CPU, row)", "cpu.CPU[:-1]", "cpu.CPU[::-1]"], ids=["more", "less", "moved"])
def test_another_table_is_another_history(rows: str) -> None:
    source = str(Path(podtick.__file__).parent.parent)
    code = ADD_A_ROW.format(rows=rows)
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": source}, capture_output=True, text=True, check=True, timeout=60
    )
    assert int(done.stdout) != table.FINGERPRINT
