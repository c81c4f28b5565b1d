"""Disks of containers and interfaces of pods as JSON: of the newest second, one by one; unknown is never zero."""

import json

import pytest

from podtick.history.layout import PIECES, SWEEPS
from podtick.model.metrics.table import TARGET_COLUMN
from tests.unit.sampler.rig import net_dev
from tests.unit.serve.recorded import SECOND, Recorded, recording

BYTES, COUNTS = "blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_serviced_recursive"
DISKSTATS = b"   8       0 sda 1 0 8 0 1 0 8 0 0 1 0\n"
READ = "{0} Read {1}\n{0} Write {2}\n{0} Total 0\n"
FIELDS = {
    f"fs_{what}_{form}"
    for what in ("reads_bytes", "writes_bytes", "reads", "writes")
    for form in ("total", "per_second")
}


def keep(history: Recorded, id_: int, file: str, text: str) -> None:
    """What the sampler reads of a file in the tick to come."""
    history.writer.pieces.keep(PIECES[file], [history.records[id_].slot], [text.encode()])


def tick(history: Recorded) -> None:
    history.writer.details(0, DISKSTATS)
    history.tick()


def test_disks_of_a_container_by_their_names() -> None:
    with recording() as history:
        app = history.container(history.pod())
        keep(history, app, BYTES, READ.format("8:0", 100, 5) + READ.format("253:1", 7, 7))
        keep(history, app, COUNTS, READ.format("8:0", 10, 1))
        tick(history)
        keep(history, app, BYTES, READ.format("8:0", 350, 5) + READ.format("253:1", 7, 7))
        tick(history)
        disks = history.ask_container()["disks"]
        assert disks["sda"] == {
            "fs_reads_bytes_total": 350,
            "fs_reads_bytes_per_second": 250,
            "fs_writes_bytes_total": 5,
            "fs_writes_bytes_per_second": 0,
            "fs_reads_total": 10,
            "fs_reads_per_second": 0,
            "fs_writes_total": 1,
            "fs_writes_per_second": 0,
        }
        assert set(disks) == {"sda", "253:1"}, "what diskstats has no name for keeps its number"
        assert disks["253:1"]["fs_reads_bytes_total"] == 7
        assert disks["253:1"]["fs_reads_total"] is disks["253:1"]["fs_reads_per_second"] is None
        (inside,) = history.ask_pod()["containers"]
        assert inside["disks"] == disks
        assert "disks" not in history.ask_pod()["values"]


def test_disks_on_cgroup_v2() -> None:
    with recording() as history:
        app = history.container(history.pod())
        for number in (1, 2):
            keep(history, app, "io.stat", f"8:0 rbytes={number}00 wbytes=0 rios={number} wios=9 dbytes=0 dios=0\n")
            tick(history)
        sda = history.ask_container()["disks"]["sda"]
        assert set(sda) == FIELDS
        assert (sda["fs_reads_bytes_total"], sda["fs_reads_bytes_per_second"]) == (200, 100)
        assert (sda["fs_reads_total"], sda["fs_reads_per_second"]) == (2, 1)
        assert (sda["fs_writes_bytes_total"], sda["fs_writes_per_second"]) == (0, 0)


def test_interfaces_of_a_pod() -> None:
    with recording() as history:
        pod = history.pod()
        history.container(pod)
        keep(history, pod, "net/dev", net_dev(lo=9, eth0=1000))
        tick(history)
        late = [0] * SWEEPS
        late[TARGET_COLUMN["network_receive_bytes_total"]] = SECOND
        history.sweeps = tuple(late)
        keep(history, pod, "net/dev", net_dev(lo=9, eth0=1500, eth1=70))
        tick(history)
        found = history.ask_pod()
        assert set(found["interfaces"]) == {"eth0", "eth1"}
        eth0, eth1 = found["interfaces"]["eth0"], found["interfaces"]["eth1"]
        assert (eth0["network_receive_bytes_total"], eth0["network_transmit_bytes_total"]) == (1500, 1508)
        assert eth0["network_receive_bytes_per_second"] == 250, "over the two seconds between the sweeps"
        assert eth0["network_transmit_bytes_per_second"] == 500, "whose sweep came at its time"
        assert (eth1["network_receive_bytes_total"], eth1["network_receive_bytes_per_second"]) == (70, None)
        assert not any("interfaces" in container for container in found["containers"])
        assert "disks" not in found


def test_what_is_unknown_is_no_group() -> None:
    with recording() as history:
        pod = history.pod()
        app = history.container(pod)
        keep(history, app, BYTES, "8:0 Read 0\n8:0 Write 0\nTotal 0\n")
        keep(history, pod, "net/dev", net_dev(lo=9))
        tick(history)
        assert "interfaces" not in history.ask_pod()
        assert "disks" not in history.ask_container()
        keep(history, app, BYTES, READ.format("8:0", 1, 1))
        tick(history)
        assert history.ask_container()["disks"]["sda"]["fs_reads_bytes_per_second"] is None
        keep(history, app, BYTES, READ.format("8:0", 1, 1) * 100)
        tick(history)
        assert "disks" not in history.ask_container()


def test_only_the_newest_second_of_one_pod_has_them() -> None:
    with recording() as history:
        pod = history.pod()
        app = history.container(pod)
        for number in (1, 2):
            keep(history, app, BYTES, READ.format("8:0", number, 1))
            keep(history, pod, "net/dev", net_dev(eth0=number))
            tick(history)
        asked = [
            history.ask_pods(),
            history.ask_pod(window="60s"),
            history.ask_pod(since="oldest"),
            history.ask_container(window="60s"),
            history.ask_container(since="oldest"),
        ]
        assert not [found for found in map(json.dumps, asked) if "disks" in found or "interfaces" in found]


@pytest.mark.parametrize(
    ("metric", "fields"),
    [
        ("fs_reads_bytes_per_second", {"fs_reads_bytes_per_second"}),
        ("fs_writes_total,cpu*", {"fs_writes_total", "fs_writes_per_second"}),
        ("cpu*", set[str]()),
    ],
)
def test_metrics_are_chosen(metric: str, fields: set[str]) -> None:
    with recording() as history:
        app = history.container(history.pod())
        keep(history, app, BYTES, READ.format("8:0", 1, 1))
        keep(history, app, COUNTS, READ.format("8:0", 1, 1))
        tick(history)
        assert set(history.ask_container(metric=metric).get("disks", {"sda": ()})["sda"]) == fields


def test_who_has_left_has_none_and_lends_none() -> None:
    with recording() as history:
        pod = history.pod()
        app = history.container(pod)
        keep(history, app, BYTES, READ.format("8:0", 1, 1))
        keep(history, pod, "net/dev", net_dev(eth0=1))
        tick(history)
        history.detach(app, pod)
        other = history.pod("other", "u2")
        assert "interfaces" not in history.ask_pod()
        keep(history, other, "net/dev", net_dev(eth0=5))
        tick(history)
        found = history.ask_pod()
        assert (found["live"], "interfaces" in found) == (False, False)
        assert not any("disks" in container for container in found["containers"])
        assert history.ask_pod("other")["interfaces"]["eth0"]["network_receive_bytes_total"] == 5
