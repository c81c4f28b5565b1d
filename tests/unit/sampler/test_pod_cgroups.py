"""A pod with a cgroup of its own: which numbers are the kernel's there, and which are still its containers'."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.sampler.rig import POD, V1, Rig, net_dev, rig_over, write_process, write_tree

APP, SANDBOX = 3, 4
CPU, THROTTLED, LIMIT = "cpu_usage_seconds_total", "cpu_cfs_throttled_seconds_total", "spec_memory_limit_bytes"
OF_POD = {
    "cpuacct": {"cpuacct.usage": "5000\n", "cpuacct.stat": "user 9\nsystem 9\n"},
    "cpu": {"cpu.stat": "nr_periods 0\nnr_throttled 0\nthrottled_time 0\n"},
    "memory": {"memory.usage_in_bytes": "9000\n", "memory.limit_in_bytes": "134217728\n"},
}


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    write_process(tmp_path / "proc", 1, "init", net_dev(lo=5))
    with rig_over(tmp_path / "proc") as rig:
        yield rig


def test_the_pods_own_cgroup_says_what_it_says_rightly(rig: Rig, tmp_path: Path) -> None:
    rig.attach(POD, write_tree(tmp_path / "pod", OF_POD), parent=0)
    rig.attach(APP, write_tree(tmp_path / "app", V1))
    rig.tick()
    assert [rig.value(POD, key) for key in (CPU, "memory_usage_bytes", LIMIT)] == [5000, 9000, 134217728]
    assert rig.value(POD, THROTTLED) == 500, "throttling is not hierarchical: it is the containers'"
    assert rig.value(POD, "threads") == 7, "it has no folder of this controller: its containers'"
    assert rig.value(APP, LIMIT) == 67108864


def test_a_cgroup_found_late_takes_over_and_the_sums_go_on(rig: Rig, tmp_path: Path) -> None:
    folders = write_tree(tmp_path / "app", V1)
    rig.attach(POD, parent=0)
    rig.attach(APP, folders)
    rig.tick()
    assert [rig.value(POD, key) for key in (CPU, THROTTLED, LIMIT)] == [1000, 500, 67108864]
    rig.attach(POD, write_tree(tmp_path / "pod", OF_POD), parent=0)
    (tmp_path / "app" / "cpu" / "cpu.stat").write_text("nr_periods 10\nnr_throttled 2\nthrottled_time 700\n")
    rig.tick()
    assert [rig.value(POD, key) for key in (CPU, THROTTLED, LIMIT)] == [5000, 700, 134217728]


def test_a_sandbox_beside_the_container_counts_in_the_pod(rig: Rig, tmp_path: Path) -> None:
    rig.attach(POD, parent=0)
    rig.attach(SANDBOX, write_tree(tmp_path / "sandbox", V1))
    rig.attach(APP, write_tree(tmp_path / "app", V1))
    rig.tick()
    assert rig.value(POD, CPU) == 2000
    rig.attach(POD, write_tree(tmp_path / "pod", OF_POD), parent=0)
    rig.tick()
    assert rig.value(POD, CPU) == 5000
    assert rig.value(POD, THROTTLED) == 1000


def test_a_pods_cgroup_that_goes_makes_its_numbers_unknown_and_is_told(rig: Rig, tmp_path: Path) -> None:
    """What a removed cgroup reads like (ENODEV) is acted here by a folder opened anew each tick (ENOENT)."""
    rig.budget.limit = 0
    folders = write_tree(tmp_path / "pod", OF_POD)
    rig.attach(POD, folders, parent=0)
    rig.attach(APP, write_tree(tmp_path / "app", V1))
    rig.tick()
    assert rig.value(POD, CPU) == 5000
    (tmp_path / "pod" / "cpuacct" / "cpuacct.usage").unlink()
    rig.tick()
    assert rig.value(POD, CPU) is None
    assert rig.value(POD, THROTTLED) == 500
    assert rig.gone == [POD]
