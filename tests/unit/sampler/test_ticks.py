"""Whole ticks over made-up cgroups: what is read, what fails, what is forgotten."""

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from podtick.history.layout import Word
from podtick.history.reader import HistoryReader
from podtick.history.ticks import AFTER_START, CLOCK_STEPPED
from podtick.model.metrics.row import UNLIMITED
from podtick.sampler.clock import SECOND
from podtick.sampler.descriptors import RESERVE
from podtick.sampler.protocol import Network, Rename, Told
from podtick.sampler.ticker import LIMITS_EVERY
from podtick.sources.cgroup.formats import USER_HZ_NS, Parser
from tests.unit.sampler.rig import NODE, POD, V1, Rig, net_dev, rig_over, write_process, write_tree

APP, SIDECAR = 3, 4
CPU = "cpu_usage_seconds_total"
V1_READ = {
    CPU: 1000,
    "cpu_user_seconds_total": 3 * USER_HZ_NS,
    "cpu_system_seconds_total": 4 * USER_HZ_NS,
    "cpu_cfs_periods_total": 10,
    "cpu_cfs_throttled_periods_total": 2,
    "cpu_cfs_throttled_seconds_total": 500,
    "spec_cpu_limit_cores": 500_000_000,
    "memory_usage_bytes": 4096,
    "memory_max_usage_bytes": 8192,
    "spec_memory_limit_bytes": 64 << 20,
    "memory_swap_bytes": 0,
    "memory_rss_bytes": 200,
    "memory_cache_bytes": 100,
    "memory_mapped_file_bytes": 300,
    "memory_inactive_file_bytes": 60,
    "memory_page_faults_total": 50,
    "memory_major_page_faults_total": 5,
    "memory_failcnt_total": 0,
    "oom_events_total": 1,
    "threads": 7,
    "threads_max": UNLIMITED,
}


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    folder = tmp_path / "proc"
    write_process(folder, 1, "init", net_dev(lo=5, eth0=1000, veth12=7))
    (folder / "stat").write_text("cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1 2 3\ncpu1 1 2 3\nbtime 1700000000\nctxt 9\n")
    (folder / "loadavg").write_text("0.25 1.50 12.00 1/2 3\n")
    return folder


@pytest.fixture
def rig(proc: Path) -> Iterator[Rig]:
    with rig_over(proc) as rig:
        yield rig


def container(rig: Rig, root: Path, id_: int = APP, parent: int = POD) -> Path:
    """A container of a pod, with all v1 files."""
    if parent not in rig.targets.by_id:
        rig.attach(parent, parent=0)
    assert rig.attach(id_, write_tree(root / str(id_), V1), parent=parent) == ""
    return root / str(id_)


def test_every_file_of_a_container_and_its_pod(rig: Rig, tmp_path: Path) -> None:
    container(rig, tmp_path)
    rig.tick()
    assert {key: rig.value(APP, key) for key in rig.known(APP)} == V1_READ
    assert {key: rig.value(POD, key) for key in rig.known(POD)} == V1_READ


def test_what_changes_between_two_ticks(rig: Rig, tmp_path: Path) -> None:
    folder = container(rig, tmp_path)
    rig.tick()
    (folder / "cpuacct" / "cpuacct.usage").write_text("2500\n")
    rig.tick()
    assert rig.value(APP, CPU) == rig.value(POD, CPU) == 2500
    assert {key: rig.value(APP, key) for key in rig.known(APP)} == V1_READ | {CPU: 2500}


def test_the_nodes_own_files(rig: Rig) -> None:
    rig.tick()
    assert rig.value(NODE, "cpu_seconds_total{mode=steal}") == 8 * USER_HZ_NS
    assert rig.value(NODE, "cpu_cores") == 2
    assert rig.value(NODE, "load5") == 150
    assert rig.value(NODE, "network_receive_bytes_total") == 1000
    assert rig.value(NODE, "memory_total_bytes") is None
    assert rig.snapshot.net_dev == net_dev(lo=5, eth0=1000, veth12=7).encode()
    assert rig.snapshot.diskstats == b""


def test_ticks_tell_what_befell_them(rig: Rig) -> None:
    rig.tick()
    rig.now += 5 * SECOND  # a long pass, or none of the CPUs to be had
    rig.tick(2)
    rig.wall += 3600 * SECOND
    rig.tick(2)
    ticks = [tick for number in range(1, 6) if (tick := HistoryReader(rig.region).tick(number))]
    assert [tick.flags for tick in ticks] == [AFTER_START, 0, 0, 0, CLOCK_STEPPED]
    assert [tick.missed for tick in ticks] == [0, 0, 3, 0, 0]
    seconds = [after.timestamp - before.timestamp for before, after in pairwise(ticks)]
    assert seconds == [1, 4, 1, 3601]
    assert rig.counter(Word.TICKS_TOTAL) == 5
    assert rig.counter(Word.TICKS_MISSED) == 3
    assert rig.counter(Word.CLOCK_STEPS) == 1
    assert rig.commands.said == [("tick", number, "") for number in range(1, 6)]


def count_parses(rig: Rig) -> list[bytes]:
    """The texts that are parsed from now on."""
    parsed: list[bytes] = []

    def counting(parse: Parser) -> Parser:
        def count(data: bytes) -> Sequence[int]:
            parsed.append(data)
            return parse(data)

        return count

    for stage in rig.targets.cgroup_stages():
        stage.parse_many = None
        stage.parse = counting(stage.parse)
    return parsed


def test_an_unchanged_text_is_not_parsed_again(rig: Rig, tmp_path: Path) -> None:
    folder = container(rig, tmp_path)
    parsed = count_parses(rig)
    rig.tick()
    assert len(parsed) == len(rig.targets.by_id[APP].files)
    parsed.clear()
    rig.tick(3)
    assert parsed == []
    (folder / "pids" / "pids.current").write_text("9\n")
    rig.tick()
    assert parsed == [b"9\n"]
    assert rig.value(APP, "threads") == 9


def fail(rig: Rig, id_: int, name: str, error: int) -> None:
    """Reads of one file of a target fail from now on."""
    file = next(file for _, file in rig.targets.by_id[id_].files if file.path.endswith(f"/{name}"))

    def read(fd: int, size: int, offset: int) -> bytes:
        if fd == file.fd:
            raise OSError(error, os.strerror(error))
        return os.pread(fd, size, offset)

    for stage in rig.targets.cgroup_stages():
        stage.read = read


@pytest.mark.parametrize("error", [errno.EOPNOTSUPP, errno.EIO, errno.EACCES])
def test_a_file_that_fails_costs_its_columns_only(rig: Rig, tmp_path: Path, error: int) -> None:
    container(rig, tmp_path)
    container(rig, tmp_path, SIDECAR)
    rig.tick()
    opened = rig.targets.open_files
    fail(rig, APP, "memory.stat", error)
    lost = {key for key in V1_READ if "page_faults" in key} | {
        f"memory_{name}_bytes" for name in ("swap", "rss", "cache", "mapped_file", "inactive_file")
    }
    for _ in range(3):
        rig.tick()
        assert rig.known(APP) == set(V1_READ) - lost
        assert rig.known(SIDECAR) == set(V1_READ)
    assert rig.counter(Word.READ_ERRORS) == 1, "it was asked for again"
    assert rig.targets.open_files == opened - 1
    assert rig.gone == []


def test_a_cgroup_that_has_gone_is_an_ordinary_end(rig: Rig, tmp_path: Path) -> None:
    container(rig, tmp_path)
    rig.targets.tell(Told(APP, {"state": 1}))
    rig.tick()
    fail(rig, APP, "pids.current", errno.ENODEV)
    rig.tick(2)
    assert rig.gone == [APP]
    assert rig.known(APP) == {"state"}
    assert rig.known(POD) == set()
    assert rig.targets.open_files == 0
    assert rig.counter(Word.READ_ERRORS) == 0


def test_a_pods_counters_outlive_its_containers(rig: Rig, tmp_path: Path) -> None:
    container(rig, tmp_path)
    sidecar = container(rig, tmp_path, SIDECAR)
    rig.tick()
    assert rig.value(POD, CPU) == 2000
    fail(rig, APP, "cpuacct.usage", errno.ENODEV)
    (sidecar / "cpuacct" / "cpuacct.usage").write_text("1500\n")
    rig.tick()
    assert rig.value(POD, CPU) == 2500
    assert rig.value(POD, "memory_usage_bytes") == 4096
    rig.targets.detach(SIDECAR)
    rig.tick()
    assert rig.known(POD) == set()


def test_a_container_that_starts_again_counts_on(rig: Rig, tmp_path: Path) -> None:
    container(rig, tmp_path)
    rig.tick()
    again = write_tree(tmp_path / "again", {"cpuacct": {"cpuacct.usage": "30\n"}})
    assert rig.attach(APP, again) == ""
    rig.tick()
    assert rig.value(APP, CPU) == 30
    assert rig.value(POD, CPU) == 1030
    assert rig.known(APP) == {CPU}


def test_a_late_member_brings_what_it_counts_from_then_on(rig: Rig, tmp_path: Path) -> None:
    container(rig, tmp_path)
    rig.tick()
    folders = write_tree(tmp_path / "late", {"cpuacct": {"cpuacct.usage": "50000\n"}})
    rig.attach(SIDECAR, folders, fresh=False)
    rig.tick()
    assert rig.value(POD, CPU) == 1000
    (tmp_path / "late" / "cpuacct" / "cpuacct.usage").write_text("50001\n")
    rig.tick()
    assert rig.value(POD, CPU) == 1001


def test_limits_are_read_again_when_asked_and_after_a_while(rig: Rig, tmp_path: Path) -> None:
    folder = container(rig, tmp_path)
    rig.tick()
    (folder / "memory" / "memory.limit_in_bytes").write_text("9223372036854771712\n")
    rig.tick()
    assert rig.value(APP, "spec_memory_limit_bytes") == 64 << 20
    rig.targets.read_limits(rig.targets.by_id[APP])
    rig.tick()
    assert rig.value(APP, "spec_memory_limit_bytes") == UNLIMITED
    assert rig.value(POD, "spec_memory_limit_bytes") == UNLIMITED
    (folder / "cpu" / "cpu.cfs_quota_us").write_text("-1\n")
    rig.tick(LIMITS_EVERY + 1)
    assert rig.value(APP, "spec_cpu_limit_cores") == UNLIMITED
    (folder / "cpu" / "cpu.cfs_period_us").unlink()
    rig.targets.read_limits(rig.targets.by_id[APP])
    rig.tick()
    assert rig.value(APP, "spec_cpu_limit_cores") is None


def test_what_is_told_stays_until_it_is_told_otherwise(rig: Rig, tmp_path: Path) -> None:
    container(rig, tmp_path)
    rig.targets.tell(Told(APP, {"state": 1, "restarts_total": 3}))
    rig.targets.tell(Told(APP, {"restarts_total": None}))
    rig.targets.tell(Told(99, {"state": 1}))
    rig.tick(3)
    assert (rig.value(APP, "state"), rig.value(APP, "restarts_total")) == (1, None)
    with pytest.raises(KeyError):
        rig.targets.tell(Told(APP, {"no_such_metric": 1}))


def test_a_target_of_which_nothing_can_be_read(rig: Rig, tmp_path: Path) -> None:
    rig.attach(POD, parent=0)
    assert "No such file" in rig.attach(APP, {"cpuacct": str(tmp_path / "nowhere")})
    assert "no controller" in rig.attach(SIDECAR, {"perf_event": str(tmp_path)})
    assert rig.attach(5, {}) == ""
    rig.tick()
    assert rig.known(APP) == rig.known(SIDECAR) == rig.known(5) == set()


def test_who_is_renamed_keeps_its_readings(rig: Rig, tmp_path: Path) -> None:
    container(rig, tmp_path)
    rig.tick()
    rig.targets.rename(Rename(APP, "another name"))
    rig.targets.rename(Rename(99, "nobody"))
    rig.tick()
    record = next(record for record in HistoryReader(rig.region).targets() if record.id == APP)
    assert record.identity == b"another name"
    assert HistoryReader(rig.region).readings(record, [0], 1, 9).columns == [[1000, 1000]]


# -- a sampler after another --------------------------------------------------------------------------------------


def test_the_next_sampler_goes_on(rig: Rig, proc: Path, tmp_path: Path) -> None:
    folder = container(rig, tmp_path)
    container(rig, tmp_path, SIDECAR)
    rig.tick(2)
    rig.targets.detach(SIDECAR)
    rig.tick()
    assert rig.value(POD, CPU) == 2000
    heir = Rig(rig.region, proc)
    (folder / "cpuacct" / "cpuacct.usage").write_text("1100\n")
    heir.attach(POD, parent=0)
    heir.attach(APP, write_tree(tmp_path / "3", {}) | {name: str(folder / name) for name in V1}, fresh=False)
    heir.targets.keep([NODE, POD, APP])
    heir.tick()
    assert heir.value(POD, CPU) == 2100
    assert heir.value(APP, CPU) == 1100
    tick = HistoryReader(rig.region).tick(4)
    assert tick is not None
    assert tick.flags == AFTER_START
    heir.detach_all()
    heir.node.close()


@pytest.mark.parametrize("ticks", [0, 2])
def test_a_pod_that_stands_still_goes_on_after_another_sampler(
    rig: Rig, proc: Path, tmp_path: Path, ticks: int
) -> None:
    """Its container had ended before the sampler did: the last row shows nothing, and yet no counter may fall."""
    container(rig, tmp_path)
    assert networked(rig, proc) == "own"
    rig.tick()
    assert (rig.value(POD, CPU), rig.value(POD, "network_receive_bytes_total")) == (1000, 10_100)
    fail(rig, APP, "cpuacct.usage", errno.ENODEV)
    rig.tick()
    assert (rig.value(POD, CPU), rig.value(POD, "network_receive_bytes_total")) == (None, None)
    for number in range(2):  # the first of them ends before it has read anything of the pod
        heir = Rig(rig.region, proc)
        heir.tick(ticks)
        if number:
            heir.attach(POD, parent=0)
            heir.attach(APP, write_tree(tmp_path / "again", {"cpuacct": {"cpuacct.usage": "7\n"}}))
            assert networked(heir, proc, 301, net_dev(eth0=5)) == "own"
            heir.tick()
            assert heir.value(POD, CPU) == 1007
            assert heir.value(POD, "network_receive_bytes_total") == 10_100  # which of it is new is not to be known
            heir.detach_all()
        heir.node.close()


def test_who_is_not_kept_has_left(rig: Rig, proc: Path, tmp_path: Path) -> None:
    container(rig, tmp_path)
    rig.tick()
    heir = Rig(rig.region, proc)
    heir.targets.keep([NODE])
    heir.tick()
    assert {record.id: record.last for record in HistoryReader(rig.region).targets()} == {POD: 1, APP: 1}
    heir.node.close()


# -- descriptors --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [0, 2, 5, 500])
def test_near_the_descriptor_limit_files_are_opened_anew(proc: Path, tmp_path: Path, limit: int) -> None:
    with rig_over(proc, limit=limit) as rig:
        folder = container(rig, tmp_path)
        rig.tick()
        assert {key: rig.value(APP, key) for key in rig.known(APP)} == V1_READ
        (folder / "cpuacct" / "cpuacct.usage").write_text("2500\n")
        rig.tick()
        assert rig.value(POD, CPU) == 2500
        files = len(rig.targets.by_id[APP].files)
        assert rig.counter(Word.OPEN_FILES) == rig.targets.open_files <= limit
        assert rig.counter(Word.TRANSIENT_READS) == 2 * (files - rig.targets.open_files)


def test_a_folder_that_has_gone_where_files_are_opened_anew(proc: Path, tmp_path: Path) -> None:
    with rig_over(proc, limit=0) as rig:
        folder = container(rig, tmp_path)
        rig.tick()
        (folder / "pids" / "pids.current").unlink()
        rig.tick()
        assert rig.gone == [APP]
        assert rig.known(APP) == set()


def test_a_moment_without_descriptors_costs_that_moment(
    proc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with rig_over(proc, limit=0) as rig:
        container(rig, tmp_path)

        def refused(*_: object, **__: object) -> int:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

        with monkeypatch.context() as patch:
            patch.setattr(os, "open", refused)
            rig.tick()
        assert rig.value(APP, CPU) is None
        assert rig.gone == []
        rig.tick()
        assert (rig.value(APP, CPU), rig.value(POD, CPU)) == (1000, 1000)


def test_networks_leave_descriptors_to_the_rest(proc: Path, tmp_path: Path) -> None:
    with rig_over(proc, limit=0) as rig:
        container(rig, tmp_path)
        rig.budget.open = RESERVE // 2
        with pytest.raises(OSError, match="the limit of open files is too low"):
            networked(rig, proc)
        rig.budget.open = 0
        assert networked(rig, proc) == "own"


# -- networks -----------------------------------------------------------------------------------------------------


def networked(rig: Rig, proc: Path, pid: int = 300, text: str = "") -> str:
    write_process(proc, pid, "c0ffee", text or net_dev(lo=5, eth0=100, eth1=10_000))
    return rig.targets.network(Network(POD, APP, pid, "c0ffee"))


def test_a_pods_network_is_read_through_a_process_of_it(rig: Rig, proc: Path, tmp_path: Path) -> None:
    container(rig, tmp_path)
    assert networked(rig, proc) == "own"
    rig.tick()
    assert rig.value(POD, "network_receive_bytes_total") == 100 + 10_000
    assert rig.value(POD, "network_transmit_packets_dropped_total") == 100 + 11 + 10_000 + 11
    assert rig.value(APP, "network_receive_bytes_total") is None
    (proc / "300" / "net" / "dev").write_text(net_dev(lo=6, eth0=200))
    rig.tick()
    assert rig.value(POD, "network_receive_bytes_total") == 200


def host(rig: Rig, proc: Path) -> str:
    write_process(proc, 300, "c0ffee", "")
    (proc / "300" / "net" / "dev").unlink()
    os.link(proc / "1" / "net" / "dev", proc / "300" / "net" / "dev")  # the same inode: the same namespace
    return rig.targets.network(Network(POD, APP, 300, "c0ffee"))


def shared(rig: Rig, proc: Path) -> str:
    assert networked(rig, proc, 301) == "own"
    rig.attach(20, parent=0)
    write_process(proc, 302, "c0ffee", "")
    (proc / "302" / "net" / "dev").unlink()
    os.link(proc / "301" / "net" / "dev", proc / "302" / "net" / "dev")
    return rig.targets.network(Network(20, APP, 302, "c0ffee"))


@pytest.mark.parametrize(("make", "pod"), [(host, POD), (shared, 20)])
def test_what_is_no_network_of_its_own(
    rig: Rig, proc: Path, tmp_path: Path, make: Callable[[Rig, Path], str], pod: int
) -> None:
    container(rig, tmp_path)
    assert make(rig, proc) == make.__name__
    rig.tick()
    assert not {key for key in rig.known(pod) if key.startswith("network_")}


def test_another_process_behind_the_pid_is_never_read(rig: Rig, proc: Path, tmp_path: Path) -> None:
    container(rig, tmp_path)
    write_process(proc, 300, "another", net_dev(eth0=100))
    with pytest.raises(Exception, match="does not belong to container c0ffee"):
        rig.targets.network(Network(POD, APP, 300, "c0ffee"))
    with pytest.raises(Exception, match="process 301 has gone"):
        rig.targets.network(Network(POD, APP, 301, "c0ffee"))
    assert rig.targets.network(Network(99, APP, 300, "c0ffee")) == ""
    rig.tick()
    assert rig.value(POD, "network_receive_bytes_total") is None


def test_a_network_ends_with_the_container_through_which_it_is_read(rig: Rig, proc: Path, tmp_path: Path) -> None:
    """Its open file would give the last values for ever, and hold the namespace."""
    container(rig, tmp_path)
    container(rig, tmp_path, SIDECAR)
    networked(rig, proc)
    rig.tick()
    fail(rig, APP, "cpuacct.usage", errno.ENODEV)
    rig.tick()
    assert rig.value(POD, "network_receive_bytes_total") is None
    assert rig.value(POD, CPU) is not None
    write_process(proc, 310, "beef", net_dev(eth0=77))
    assert rig.targets.network(Network(POD, SIDECAR, 310, "beef")) == "own"
    rig.tick()
    assert rig.value(POD, "network_receive_bytes_total") == 10_100 + 77, "what the namespace before it counted stays"


def test_a_network_chosen_anew_takes_the_place_of_the_old_one(rig: Rig, proc: Path, tmp_path: Path) -> None:
    container(rig, tmp_path)
    networked(rig, proc)
    rig.tick()
    opened = rig.targets.open_files
    networked(rig, proc, 301, net_dev(eth0=9))
    rig.tick()
    assert rig.value(POD, "network_receive_bytes_total") == 10_100 + 9
    assert rig.targets.open_files == opened


def test_a_network_that_fails_to_open_leaves_none_behind(rig: Rig, proc: Path, tmp_path: Path) -> None:
    container(rig, tmp_path)
    networked(rig, proc)
    rig.tick()
    (proc / "300" / "cgroup").write_text("0::/another\n")
    with pytest.raises(Exception, match="does not belong"):
        rig.targets.network(Network(POD, APP, 300, "c0ffee"))
    rig.tick()
    assert rig.value(POD, "network_receive_bytes_total") is None


@pytest.mark.parametrize("limit", [0, 500], ids=["opened anew", "kept open"])
def test_a_text_longer_than_expected_is_read_whole(proc: Path, tmp_path: Path, limit: int) -> None:
    """Never a number that was cut off at the end of the room."""
    with rig_over(proc, limit=limit) as rig:
        folder = container(rig, tmp_path)
        filler = "".join(f"key_{number:05} {number}\n" for number in range(2000))
        (folder / "memory" / "memory.stat").write_text(filler + V1["memory"]["memory.stat"])
        rig.tick()
        assert {key: rig.value(APP, key) for key in rig.known(APP)} == V1_READ
        assert rig.value(POD, "memory_rss_bytes") == 200
