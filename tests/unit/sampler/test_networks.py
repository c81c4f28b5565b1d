"""A pod's network counters over its processes, namespaces and samplers: they never fall."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podtick.history.layout import Word
from podtick.sampler.protocol import Network
from tests.unit.sampler.rig import POD, Rig, net_dev, rig_over, write_process

APP = 3
RECEIVED, LOST = "network_receive_bytes_total", "network_transmit_packets_dropped_total"
ACTIONS = ("traffic", "traffic", "traffic", "another process", "another namespace", "close")


class Pod:
    """The model: what each of a pod's namespaces has counted since it was first read."""

    def __init__(self, proc: Path) -> None:
        self._proc = proc
        self.pid = 300
        self.counted = 0
        self.before = 0
        self._make(0)

    def _make(self, counted: int) -> None:
        write_process(self._proc, self.pid, "c0ffee", net_dev(lo=9, eth0=counted))
        self.counted = counted

    @property
    def total(self) -> int:
        return self.before + self.counted

    def traffic(self, more: int) -> None:
        self.counted += more
        (self._proc / str(self.pid) / "net" / "dev").write_text(net_dev(lo=9, eth0=self.counted))

    def another_process(self) -> None:
        """Of the same namespace: the same inode."""
        file = self._proc / str(self.pid) / "net" / "dev"
        self.pid += 1
        write_process(self._proc, self.pid, "c0ffee", "")
        (self._proc / str(self.pid) / "net" / "dev").unlink()
        os.link(file, self._proc / str(self.pid) / "net" / "dev")

    def another_namespace(self, counted: int) -> None:
        self.before += self.counted
        self.pid += 1
        self._make(counted)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 1000)), min_size=5, max_size=25))
def test_whatever_befalls_them(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]) -> None:
    proc = tmp_path_factory.mktemp("proc")
    write_process(proc, 1, "init", net_dev(lo=5, eth0=1000))
    with rig_over(proc) as rig:
        pod, highest = Pod(proc), 0
        open_network(rig, pod)
        for action, number in steps:
            match action:
                case "traffic":
                    pod.traffic(number)
                case "another process":
                    rig.tick()
                    pod.another_process()
                    open_network(rig, pod)
                case "another namespace":
                    rig.tick()  # what is counted after the last tick is lost with the namespace
                    pod.another_namespace(number)
                    open_network(rig, pod)
                case "close":
                    rig.tick()
                    rig.targets.networks.close(POD)
                    open_network(rig, pod)
            rig.tick()
            value = rig.value(POD, RECEIVED)
            assert value == pod.total
            assert rig.value(POD, LOST) >= highest  # type: ignore[operator]
            highest = rig.value(POD, LOST) or 0


def open_network(rig: Rig, pod: Pod) -> None:
    if POD not in rig.targets.by_id:
        rig.attach(POD, parent=0)
    assert rig.targets.network(Network(POD, APP, pod.pid, "c0ffee")) == "own"


@pytest.mark.parametrize("same", [True, False], ids=["same namespace", "another one"])
def test_another_sampler_goes_on_from_the_last_total(tmp_path: Path, same: bool) -> None:
    write_process(tmp_path, 1, "init", net_dev(lo=5, eth0=1000))
    with rig_over(tmp_path) as rig:
        pod = Pod(tmp_path)
        pod.traffic(500)
        open_network(rig, pod)
        rig.tick()
        heir = Rig(rig.region, tmp_path)
        if not same:
            pod.another_namespace(7)
        open_network(heir, pod)
        heir.tick()
        assert heir.value(POD, RECEIVED) == 500
        pod.traffic(20)
        heir.tick()
        assert heir.value(POD, RECEIVED) == 520
        heir.detach_all()
        heir.node.close()


def test_a_torn_file_is_unknown_and_nothing_is_lost(tmp_path: Path) -> None:
    write_process(tmp_path, 1, "init", net_dev(lo=5, eth0=1000))
    with rig_over(tmp_path) as rig:
        pod = Pod(tmp_path)
        pod.traffic(500)
        open_network(rig, pod)
        rig.tick()
        (tmp_path / "300" / "net" / "dev").write_text(net_dev(lo=9, eth0=600)[:-5])
        rig.tick()
        assert rig.value(POD, RECEIVED) is None
        pod.traffic(200)
        rig.tick()
        assert rig.value(POD, RECEIVED) == 700


@pytest.mark.parametrize("text", ["", net_dev(lo=9)], ids=["torn", "its interfaces taken away"])
def test_what_a_namespace_counted_stays_when_its_end_is_not_to_be_read(tmp_path: Path, text: str) -> None:
    write_process(tmp_path, 1, "init", net_dev(lo=5, eth0=1000))
    with rig_over(tmp_path) as rig:
        pod = Pod(tmp_path)
        pod.traffic(500)
        open_network(rig, pod)
        rig.tick()
        (tmp_path / "300" / "net" / "dev").write_text(text)
        rig.tick()
        assert rig.value(POD, RECEIVED) is None
        pod.another_namespace(30)
        open_network(rig, pod)
        rig.tick()
        assert rig.value(POD, RECEIVED) == 530


def test_a_namespace_that_no_tick_has_seen_counts_what_it_had_when_it_was_opened(tmp_path: Path) -> None:
    """It was opened by a new sampler, which goes on from the pod's last total, and left at once."""
    write_process(tmp_path, 1, "init", net_dev(lo=5, eth0=1000))
    with rig_over(tmp_path) as rig:
        pod = Pod(tmp_path)
        pod.traffic(500)
        open_network(rig, pod)
        rig.tick()
        heir = Rig(rig.region, tmp_path)
        open_network(heir, pod)
        pod.another_namespace(7)
        open_network(heir, pod)
        heir.tick()
        assert heir.value(POD, RECEIVED) == 507
        heir.detach_all()
        heir.node.close()


def test_a_namespace_is_read_for_one_pod_and_then_for_another(tmp_path: Path) -> None:
    write_process(tmp_path, 1, "init", net_dev(lo=5, eth0=1000))
    with rig_over(tmp_path) as rig:
        pod, other = Pod(tmp_path), POD + 10
        pod.traffic(500)
        open_network(rig, pod)
        rig.attach(other, parent=0)
        pod.another_process()
        assert rig.targets.network(Network(other, APP, pod.pid, "c0ffee")) == "shared"
        rig.tick()
        assert (rig.value(POD, RECEIVED), rig.value(other, RECEIVED)) == (500, None)
        rig.targets.detach(POD)
        assert rig.targets.network(Network(other, APP, pod.pid, "c0ffee")) == "own"
        rig.tick()
        assert rig.value(other, RECEIVED) == 500


def test_a_stuck_file_that_was_closed_meanwhile_takes_no_numbers(tmp_path: Path) -> None:
    """The pod is read through another process by the time the thread returns: its columns are that one's."""
    write_process(tmp_path, 1, "init", net_dev(lo=5, eth0=1000))
    with rig_over(tmp_path) as rig:
        pod = Pod(tmp_path)
        pod.traffic(7)
        open_network(rig, pod)
        rig.tick()
        (stage,) = rig.targets.networks.stages()
        (stuck,) = stage.files
        rig.targets.suspend(stage, stuck)
        pod.another_namespace(3)
        rig.targets.network(Network(POD, APP, pod.pid, "c0ffee"))
        rig.tick()
        assert rig.value(POD, RECEIVED) == 10
        rig.targets.resume(stage, stuck)
        rig.tick()
        assert rig.value(POD, RECEIVED) == 10
        assert stuck not in stage.files
        assert rig.counter(Word.READ_ERRORS) == 0
