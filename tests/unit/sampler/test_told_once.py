"""Numbers that are told for one tick alone, as those of an engine's frames are."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from podtick.history.records import TargetKind
from podtick.sampler.protocol import Attach, Told
from tests.unit.sampler.rig import POD, Rig, rig_over, write_process

APP, OTHER = 3, 4
CPU, MEMORY, RESTARTS = "cpu_usage_seconds_total", "memory_usage_bytes", "restarts_total"
RECEIVED = "network_receive_bytes_total"


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    write_process(tmp_path / "proc", 1, "init", "")
    with rig_over(tmp_path / "proc") as rig:
        rig.attach(POD, parent=0)
        start(rig, APP)
        yield rig


def start(rig: Rig, id_: int, *, run: int = 1, running: bool = True) -> None:
    paths = {"engine": "x"} if running else {}
    rig.targets.attach(Attach(id_, TargetKind.CONTAINER, POD, 0, paths, "name", fresh=True, run=run))


def tell(rig: Rig, id_: int, **values: int) -> None:
    rig.targets.tell(Told(id_, values, once=True))


def test_known_for_one_tick(rig: Rig) -> None:
    tell(rig, APP, **{CPU: 500, MEMORY: 4096})
    tell(rig, POD, **{RECEIVED: 7})
    rig.tick()
    assert (rig.value(APP, CPU), rig.value(APP, MEMORY), rig.value(POD, RECEIVED)) == (500, 4096, 7)
    assert (rig.value(POD, CPU), rig.value(POD, MEMORY)) == (500, 4096)
    rig.tick()
    assert {rig.value(APP, CPU), rig.value(APP, MEMORY), rig.value(POD, RECEIVED)} == {None}
    assert {rig.value(POD, CPU), rig.value(POD, MEMORY)} == {None}
    rig.tick()
    assert rig.value(APP, CPU) is None


def test_what_is_told_again_is_known_on(rig: Rig) -> None:
    for value in (500, 600, 700):
        tell(rig, APP, **{CPU: value})
        rig.tick()
        assert rig.value(APP, CPU) == rig.value(POD, CPU) == value
    tell(rig, APP, **{MEMORY: 1})
    rig.tick()
    assert (rig.value(APP, CPU), rig.value(APP, MEMORY)) == (None, 1)


def test_what_was_told_for_good_stays(rig: Rig) -> None:
    rig.targets.tell(Told(APP, {RESTARTS: 2}))
    tell(rig, APP, **{CPU: 500})
    rig.tick(3)
    assert (rig.value(APP, RESTARTS), rig.value(APP, CPU)) == (2, None)


def test_a_pod_counts_on_over_a_second_that_nobody_knows(rig: Rig) -> None:
    start(rig, OTHER)
    tell(rig, APP, **{CPU: 500})
    tell(rig, OTHER, **{CPU: 100})
    rig.tick()
    assert rig.value(POD, CPU) == 600
    tell(rig, APP, **{CPU: 550})  # nothing of the other one
    rig.tick()
    tell(rig, APP, **{CPU: 580})
    tell(rig, OTHER, **{CPU: 130})
    rig.tick()
    assert rig.value(POD, CPU) == 710


def test_a_pod_never_falls_when_its_container_is_started_again(rig: Rig) -> None:
    tell(rig, APP, **{CPU: 500})
    rig.tick()
    start(rig, APP, running=False)
    rig.tick()
    assert rig.value(APP, CPU) is None
    start(rig, APP, run=2)
    tell(rig, APP, **{CPU: 20})
    rig.tick()
    assert (rig.value(APP, CPU), rig.value(POD, CPU)) == (20, 520)


def test_one_that_left_meanwhile_is_not_missed(rig: Rig) -> None:
    tell(rig, APP, **{CPU: 500})
    rig.tick()
    rig.targets.detach(APP)
    rig.tick()
    assert rig.commands.said
