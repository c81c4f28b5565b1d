"""Many containers whose files change at once: stored together, whatever a few of them do meanwhile."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from podtick.history.layout import Geometry
from podtick.sampler.stages import SAMPLED
from tests.unit.sampler.rig import V1, Rig, rig_over, write_tree

MANY = 2 * SAMPLED + 5
FIRST = 100
GEOMETRY = Geometry(slots=2 * MANY, entries=3 * MANY, segments=16, span=600, budget=1 << 25)
CPU = "cpu_usage_seconds_total"
PODS = range(FIRST, FIRST + MANY)


def container(pod: int) -> int:
    return pod + MANY


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    (tmp_path / "proc").mkdir()
    with rig_over(tmp_path / "proc", GEOMETRY) as rig:
        for pod in PODS:
            rig.attach(pod, parent=0)
            assert rig.attach(container(pod), write_tree(tmp_path / str(pod), V1), parent=pod) == ""
        rig.tick()
        yield rig


def change(root: Path, pod: int, usage: int) -> None:
    (root / str(pod) / "cpuacct" / "cpuacct.usage").write_text(f"{usage}\n")
    (root / str(pod) / "cpuacct" / "cpuacct.stat").write_text(f"user 0\nsystem {usage}\n")


@pytest.mark.parametrize("still", [(), (1,), (0, 7, MANY - 1), tuple(range(1, MANY, 2)), tuple(range(1, MANY))])
def test_each_has_its_own_numbers(rig: Rig, tmp_path: Path, still: tuple[int, ...]) -> None:
    expected = dict.fromkeys(PODS, 1000)
    for second in range(1, 4):
        for place, pod in enumerate(PODS):
            if place not in still:
                expected[pod] = 1000 + second * 10_000 + place
                change(tmp_path, pod, expected[pod])
        rig.tick()
        assert {pod: rig.value(pod, CPU) for pod in PODS} == expected
        assert {pod: rig.value(container(pod), CPU) for pod in PODS} == expected
        assert {rig.value(pod, "threads") for pod in PODS} == {7}


@pytest.mark.parametrize("place", [0, 1, MANY - 1])
def test_one_that_fails_is_unknown_and_the_others_are_not(rig: Rig, tmp_path: Path, place: int) -> None:
    lost = PODS[place]
    file = rig.targets.by_id[container(lost)].files[0][1]

    def read(fd: int, size: int, offset: int) -> bytes:
        if fd == file.fd:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return os.pread(fd, size, offset)

    for stage in rig.targets.cgroup_stages():
        stage.read = read
    for second in (2, 3):
        for pod in PODS:
            change(tmp_path, pod, second * 10_000 + pod)
        rig.tick()
        for pod in PODS:
            assert rig.value(pod, CPU) == (None if pod == lost else second * 10_000 + pod)
