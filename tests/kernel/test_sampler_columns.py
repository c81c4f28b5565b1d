"""The sampler's process on real cgroups of this machine: every column is what the kernel's own file says."""

import signal
import subprocess
from collections.abc import Iterator

import pytest

from podtick.history.records import TargetKind
from podtick.model.metrics.row import MAX_VALUE, UNKNOWN, UNLIMITED, Kind
from podtick.model.metrics.table import KERNEL_COLUMNS, TARGET_COLUMN, TARGET_ROWS
from tests.kernel.sampler import ROW, Sampler
from tests.support.cgroups import Cgroup, host_mounts
from tests.support.columns import stored

MIB = 1 << 20
VERSION = host_mounts().version
KEYS = list(TARGET_COLUMN)[:KERNEL_COLUMNS]
ROWS = [row for row in TARGET_ROWS if row.key in KEYS and (row.v1 if VERSION == 1 else row.v2)]
MEMORY_LIMIT = "memory.limit_in_bytes" if VERSION == 1 else "memory.max"
POD, CONTAINER = 2, 3
WORK = """
import os, sys, mmap
print("ready")
for line in sys.stdin:
    word, _, amount = line.strip().partition(" ")
    if word == "burn":
        for _ in range(int(amount)):
            os.getppid()
    elif word == "allocate":
        kept = b"x" * int(amount)
    elif word == "cache":
        with open("/dev/shm/podtick-test-file", "wb") as file:
            file.write(bytes(int(amount)))
        os.unlink("/dev/shm/podtick-test-file")
    elif word == "map":
        region = mmap.mmap(-1, int(amount), flags=mmap.MAP_SHARED)
        region.write(bytes(int(amount)))
    elif word == "fork":
        children = [os.fork() or signal_forever() for _ in range(int(amount))]
    elif word == "spin":
        while True:
            pass
    print("done")
""".replace("signal_forever()", "__import__('signal').pause()")


@pytest.fixture(scope="module")
def one_sampler() -> Iterator[Sampler]:
    """Starting one takes seconds on a slow machine."""
    with Sampler() as running:
        yield running


@pytest.fixture
def sampler(one_sampler: Sampler) -> Sampler:
    one_sampler.start_afresh()
    return one_sampler


@pytest.fixture
def cgroup() -> Iterator[Cgroup]:
    with Cgroup() as made:
        yield made


def tell(process: subprocess.Popen[str], line: str) -> None:
    """Have a process do something, and wait until it is done."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()
    assert process.stdout.readline() == "done\n"


def kernel(cgroup: Cgroup) -> ROW:
    """What the kernel's files say now, by a parser of the tests' own."""
    return {row.key: stored(row, VERSION, cgroup.read) for row in ROWS}


def at_rest(sampler: Sampler, cgroup: Cgroup) -> tuple[dict[int, ROW], ROW]:
    """A tick before and after which the kernel's files say the same, and what they say."""
    while True:
        before = kernel(cgroup)
        rows = sampler.tick()
        if kernel(cgroup) == before:
            return rows, before


def test_every_column_is_the_kernels(sampler: Sampler, cgroup: Cgroup) -> None:
    process = cgroup.python(WORK)
    sampler.pod(POD, cgroup.paths)
    first, _ = at_rest(sampler, cgroup)
    for line in ("burn 200000", f"allocate {40 * MIB}", f"map {8 * MIB}", f"cache {MIB}", "fork 3"):
        tell(process, line)
    rows, truth = at_rest(sampler, cgroup)
    for id_ in (CONTAINER, POD):
        assert {key: rows[id_][key] for key in truth} == truth
    grown = {key for key in truth if truth[key] > first[CONTAINER][key]}
    assert {"cpu_usage_seconds_total", "memory_usage_bytes", "memory_rss_bytes", "memory_cache_bytes"} <= grown
    assert {"memory_max_usage_bytes", "memory_mapped_file_bytes", "memory_page_faults_total"} <= grown
    assert truth["threads"] == 4
    unknown = {key for key, value in truth.items() if value == UNKNOWN}
    assert all(key.startswith("fs_") for key in unknown)  # where this kernel counts no I/O it is unknown, never 0


def test_counters_lie_between_the_kernels_before_and_after(sampler: Sampler, cgroup: Cgroup) -> None:
    process = cgroup.python(WORK)
    sampler.pod(POD, cgroup.paths)
    assert process.stdin is not None
    process.stdin.write("spin\n")
    process.stdin.flush()
    counters = [row for row in ROWS if row.kind is Kind.COUNTER]
    last = 0
    for _ in range(3):
        before = kernel(cgroup)
        rows = sampler.tick()
        after = kernel(cgroup)
        for row in counters:
            value = rows[CONTAINER][row.key]
            assert before[row.key] <= value <= after[row.key], row.key
            assert rows[POD][row.key] == value
        assert rows[CONTAINER]["cpu_usage_seconds_total"] > last
        last = rows[CONTAINER]["cpu_usage_seconds_total"]


def test_limits_throttling_and_their_pressure(sampler: Sampler, cgroup: Cgroup) -> None:
    cgroup.write(*("cpu.cfs_quota_us", "5000") if VERSION == 1 else ("cpu.max", "5000 100000"))
    cgroup.write(MEMORY_LIMIT, str(64 * MIB))
    cgroup.write("pids.max", "50")
    process = cgroup.python(WORK)
    sampler.pod(POD, cgroup.paths)
    tell(process, "burn 100000")
    rows, truth = at_rest(sampler, cgroup)
    assert {key: rows[CONTAINER][key] for key in truth} == truth
    limits = {"spec_cpu_limit_cores": 50_000_000, "spec_memory_limit_bytes": 64 * MIB, "threads_max": 50}
    assert {key: rows[POD][key] for key in limits} == limits
    for key in ("cpu_cfs_periods_total", "cpu_cfs_throttled_periods_total", "cpu_cfs_throttled_seconds_total"):
        assert 0 < rows[POD][key] == rows[CONTAINER][key] <= MAX_VALUE, key


def test_no_limit_is_read_as_none(sampler: Sampler, cgroup: Cgroup) -> None:
    cgroup.python(WORK)
    sampler.pod(POD, cgroup.paths)
    row = sampler.tick()[POD]
    assert {row[key] for key in ("spec_cpu_limit_cores", "spec_memory_limit_bytes", "threads_max")} == {UNLIMITED}


def test_a_hit_limit_and_a_killed_child(sampler: Sampler, cgroup: Cgroup) -> None:
    cgroup.python(WORK)
    cgroup.write(MEMORY_LIMIT, str(48 * MIB))
    sampler.pod(POD, cgroup.paths)
    before = sampler.tick()[POD]
    assert (before["memory_failcnt_total"], before["oom_events_total"]) == (0, 0)
    hungry = cgroup.run("python3", "-c", f"open('/proc/self/oom_score_adj', 'w').write('1000'); b'x' * {200 * MIB}")
    assert hungry.wait(60) == -signal.SIGKILL
    rows, truth = at_rest(sampler, cgroup)
    assert rows[POD]["oom_events_total"] == rows[CONTAINER]["oom_events_total"] == truth["oom_events_total"] == 1
    assert rows[POD]["memory_failcnt_total"] == truth["memory_failcnt_total"] > 0
    assert rows[CONTAINER]["threads"] == 1


def test_a_removed_cgroup_is_gone_and_the_others_go_on(sampler: Sampler, cgroup: Cgroup) -> None:
    cgroup.python(WORK)
    sampler.pod(POD, cgroup.paths)
    with Cgroup() as other:
        other.python(WORK)
        sampler.pod(POD + 2, other.paths)
        rows = sampler.tick()
        assert rows[CONTAINER + 2]["threads"] == rows[POD + 2]["threads"] == 1
    assert sampler.answer("gone", CONTAINER + 2).text == "0"
    rows, truth = at_rest(sampler, cgroup)
    assert {rows[id_][key] for id_ in (CONTAINER + 2, POD + 2) for key in KEYS} == {UNKNOWN}
    assert {key: rows[CONTAINER][key] for key in truth} == truth
    assert not sampler.has_answered("gone", CONTAINER + 2)
    assert not sampler.has_answered("gone", CONTAINER)


def test_a_cgroup_that_is_not_there_says_so_and_is_unknown(sampler: Sampler, cgroup: Cgroup) -> None:
    paths = cgroup.paths
    cgroup.remove()
    sampler.attach(POD, TargetKind.POD)
    assert "No such file" in sampler.attach(CONTAINER, TargetKind.CONTAINER, POD, paths)
    rows = sampler.tick()
    assert {rows[id_][key] for id_ in (POD, CONTAINER) for key in KEYS} == {UNKNOWN}
