"""Cgroups around containers: which numbers are the kernel's there, and which of a pod are still its containers'."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from podtick.history.records import TargetKind
from podtick.model.metrics.row import Level
from podtick.model.metrics.table import rows_at
from podtick.sampler.protocol import Attach
from tests.unit.sampler.rig import POD, V1, Rig, net_dev, rig_over, write_process, write_tree

APP, SANDBOX, BURSTABLE = 3, 4, 5
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


def around_pods(rig: Rig, folders: Mapping[str, str], run: int = 1) -> str:
    return rig.targets.attach(Attach(BURSTABLE, TargetKind.QOS, 0, 1 if folders else 0, folders, "{}", run=run))


def test_around_pods_only_what_is_right_for_a_whole_subtree_is_read(rig: Rig, tmp_path: Path) -> None:
    assert around_pods(rig, write_tree(tmp_path / "burstable", V1)) == ""
    rig.attach(POD, write_tree(tmp_path / "pod", OF_POD), parent=0)
    rig.attach(APP, write_tree(tmp_path / "app", V1))
    rig.tick()
    assert rig.known(BURSTABLE) <= {row.key for row in rows_at(Level.QOS)}
    everything = {row.key for row in rows_at(Level.QOS) if row.minus is None}
    assert rig.known(APP) & everything - rig.known(BURSTABLE) == {"memory_failcnt_total", "oom_events_total"}
    assert rig.value(BURSTABLE, LIMIT) == 67108864
    assert [rig.value(POD, key) for key in (CPU, THROTTLED)] == [5000, 500], "the pod's numbers are its own"


def test_what_is_around_pods_is_read_after_them(rig: Rig, tmp_path: Path) -> None:
    """Whatever the order in which they were told: so no class is less than its pods."""
    around_pods(rig, write_tree(tmp_path / "burstable", V1))
    rig.attach(APP, write_tree(tmp_path / "app", V1), parent=0)
    rig.attach(POD, write_tree(tmp_path / "pod", OF_POD), parent=0)
    owners = [file.owner for stage in rig.targets.cgroup_stages() for file in stage.files]
    assert set(owners) == {POD, APP, BURSTABLE}
    assert BURSTABLE not in owners[: -owners.count(BURSTABLE)]


def test_a_class_is_unknown_while_its_cgroup_is_not_there(rig: Rig, tmp_path: Path) -> None:
    around_pods(rig, write_tree(tmp_path / "burstable", V1))
    rig.tick()
    assert rig.value(BURSTABLE, CPU) == 1000
    around_pods(rig, {}, run=2)
    rig.tick()
    assert rig.known(BURSTABLE) == set()
    around_pods(rig, write_tree(tmp_path / "burstable", V1 | {"cpuacct": {"cpuacct.usage": "7\n"}}), run=3)
    rig.tick()
    assert rig.value(BURSTABLE, CPU) == 7
