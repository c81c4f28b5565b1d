"""What is said of a machine's /proc, pressure, descriptors, clock and kernel."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podtick.check import host
from podtick.check.finding import Verdict
from podtick.sources.cgroup.mounts import CgroupMounts, Mount

V2 = CgroupMounts(2, unified=Mount(Path("/nowhere")))
V1 = CgroupMounts(1, {"cpu": Mount(Path("/nowhere"))})
NOW = 1_790_000_000.0
OK, WARN, FAIL = Verdict


def procfs(folder: Path, numbers: str = "77", *, first: bool = True) -> Path:
    """A /proc in which this process has these numbers."""
    (folder / "self").mkdir()
    (folder / "self" / "status").write_text(f"Name:\tx\nNSpid:\t{numbers}\nNSpgid:\t7\t8\t9\n")
    (folder / "stat").write_text("cpu 1\n")
    if first:
        (folder / "1").mkdir()
    return folder


@pytest.mark.parametrize(
    ("numbers", "namespace", "verdict", "words"),
    [
        ("77", host.INITIAL_PID_NAMESPACE, OK, "the whole machine's processes"),
        ("77\t5", "pid:[4026532000]", OK, "the whole machine's processes"),
        ("77", "pid:[4026532000]", WARN, "a container's own processes"),
        ("", "pid:[4026532000]", WARN, "does not tell"),
    ],
)
def test_whose_processes_proc_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, numbers: str, namespace: str, verdict: Verdict, words: str
) -> None:
    monkeypatch.setattr(os, "readlink", lambda _: namespace)
    finding = host.proc(procfs(tmp_path, numbers))
    assert (finding.verdict, words in finding.found, bool(finding.todo)) == (verdict, True, verdict is not OK)


def test_a_proc_that_is_none_and_one_that_hides_others(tmp_path: Path) -> None:
    assert host.proc(tmp_path).verdict is FAIL
    hidden = host.proc(procfs(tmp_path, first=False))
    assert (hidden.verdict, "hides other users' processes" in hidden.found) == (WARN, True)


def test_pressure_of_cgroups_is_in_the_version_2_tree(tmp_path: Path) -> None:
    (tmp_path / "pressure").mkdir()
    assert "has none" in host.pressure(tmp_path, V2).found
    file = tmp_path / "pressure" / "cpu"
    file.write_text("some avg10=0.00 avg60=0.00 avg300=0.00 total=1\n")
    assert host.pressure(tmp_path, V2).verdict is OK
    assert "of the node only" in host.pressure(tmp_path, V1).found
    file.write_text("")
    assert host.pressure(tmp_path, V2).verdict is WARN


def test_pressure_that_is_switched_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> str:
        raise OSError(95, "Operation not supported", str(path))

    monkeypatch.setattr(Path, "read_text", refuse)
    finding = host.pressure(tmp_path, V2)
    assert (finding.verdict, finding.found, finding.todo) == (WARN, "switched off: unknown", "boot with psi=1")


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    ("limits", "running", "verdict"),
    [
        ((1024, -1), None, OK),
        ((1024, 1 << 20), None, OK),
        ((1024, 1024), None, WARN),
        ((1024, 20_000), 400, OK),
        ((1024, 20_000), 5_000, WARN),
        ((10, 10), 3, WARN),
    ],
)
def test_for_how_many_containers_descriptors_suffice(
    limits: tuple[int, int], running: int | None, verdict: Verdict, version: int
) -> None:
    finding = host.descriptors(limits, version, running)
    assert (finding.verdict, bool(finding.todo)) == (verdict, verdict is WARN)
    assert " -" not in finding.found


def test_what_is_told_to_be_enough_is_enough() -> None:
    wanted = int(host.descriptors((1024, 1024), 2, 3000).todo.rpartition("LimitNOFILE=")[2].split()[0])
    assert host.descriptors((1024, wanted), 2, 3000).verdict is OK
    assert host.descriptors((1024, wanted - 1), 2, 3000).verdict is WARN


@pytest.mark.parametrize(
    ("now", "state", "told", "verdict", "words"),
    [
        (NOW, (0, 0), False, OK, "says the kernel"),
        (NOW, (5, 0x40), True, OK, "says systemd-timesyncd"),
        (NOW, (5, 0), False, WARN, "unknown"),
        (NOW, (0, 0x2041), False, WARN, "unknown"),
        (NOW, None, False, WARN, "unknown"),
        (0.0, (0, 0), True, FAIL, "1970-01-01"),
    ],
)
def test_a_clock_is_right_only_if_somebody_says_so(
    now: float, state: tuple[int, int] | None, told: bool, verdict: Verdict, words: str
) -> None:
    finding = host.clock(now, state, told=told)
    assert (finding.verdict, words in finding.found, bool(finding.todo)) == (verdict, True, verdict is not OK)


@pytest.mark.parametrize(
    ("release", "mounts", "costs"),
    [
        ("6.1.0-40-amd64", V2, True),
        ("5.15", V2, True),
        ("6.16.1", V2, False),
        ("7.0", V2, False),
        ("6.1", V1, False),
        ("6.1", None, False),
        ("strange", V2, False),
    ],
)
def test_a_kernel_whose_version_2_statistics_cost_more_is_named(
    release: str, mounts: CgroupMounts | None, costs: bool
) -> None:
    finding = host.kernel(release, mounts)
    assert (finding.verdict, "costs more" in finding.found) == (OK, costs)


@given(st.text(max_size=40))
def test_any_release_is_taken(release: str) -> None:
    assert release in host.kernel(release, V2).found


def test_this_machines_clock_and_interpreter_are_looked_at() -> None:
    assert host.read_clock().check == "clock"
    assert host.python().verdict is OK
