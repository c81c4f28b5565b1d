"""The reading plan: every row of the table that the kernel tells has its place in one file."""

from dataclasses import replace

import pytest

from podtick.model.metrics.row import Level
from podtick.model.metrics.table import KERNEL_COLUMNS, TARGET_COLUMN, TARGET_ROWS
from podtick.sources.cgroup.plan import compile_plan, controller_of


@pytest.mark.parametrize("version", [1, 2])
def test_every_kernel_row_is_read_once(version: int) -> None:
    plans = [plan for slow in (False, True) for plan in compile_plan(TARGET_ROWS, version, slow=slow)]
    columns = [column for plan in plans for column in range(plan.first, plan.first + plan.count)]
    expected = [
        TARGET_COLUMN[row.key]
        for row in TARGET_ROWS
        if (row.v1 if version == 1 else row.v2) and row.key in TARGET_COLUMN and Level.CONTAINER in row.levels
    ]
    assert sorted(columns) == expected
    assert max(columns) < KERNEL_COLUMNS
    assert all(plan.count == 1 for plan in compile_plan(TARGET_ROWS, version, slow=True))


@pytest.mark.parametrize("version", [1, 2])
def test_a_pods_own_cgroup_has_a_plan(version: int) -> None:
    """Leaving rows out must not tear the rest of a file's rows apart."""
    plans = compile_plan([row for row in TARGET_ROWS if version in row.pod_cgroup], version)
    files = {plan.file for plan in plans}
    assert ("memory.failcnt" in files) is False
    assert ("io.stat" in files) == (version == 2)
    assert "memory.stat" in files


def test_rows_of_a_file_that_do_not_stand_together_are_told() -> None:
    rows = [row for row in TARGET_ROWS if row.name != "cpu_user_seconds_total"]
    with pytest.raises(ValueError, match=r"rows of cpu\.stat \(cgroup v2\) do not stand together"):
        compile_plan(rows, 2)


@pytest.mark.parametrize(
    ("file", "version", "controller"),
    [
        ("memory.stat", 1, "memory"),
        ("cpuacct.usage", 1, "cpuacct"),
        ("cpu.pressure", 1, "unified"),
        ("memory.stat", 2, "unified"),
        ("blkio.throttle.io_serviced_recursive", 1, "blkio"),
    ],
)
def test_where_a_file_lies(file: str, version: int, controller: str) -> None:
    assert controller_of(file, version) == controller


def test_large_files_get_room() -> None:
    sizes = {plan.file: plan.size for version in (1, 2) for plan in compile_plan(TARGET_ROWS, version)}
    assert sizes["memory.stat"] >= 2048
    assert sizes["io.stat"] > sizes["pids.current"] > len(f"{2**64}\n")


def test_a_row_without_a_source_is_in_no_file() -> None:
    rows = [replace(row, v1=None) if row.name == "threads" else row for row in TARGET_ROWS]
    assert "pids.current" not in {plan.file for plan in compile_plan(rows, 1)}
    assert "pids.current" in {plan.file for plan in compile_plan(rows, 2)}
