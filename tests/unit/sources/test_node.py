"""The node's files below /proc."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podtick.model.metrics.row import MAX_VALUE, UNKNOWN
from podtick.model.metrics.table import NODE_COLUMN
from podtick.sources.proc.node import USER_HZ_NS, compile_node_plan, device_names, disks

PLANS = {plan.file: plan for plan in compile_node_plan()}
FILES = pytest.mark.parametrize("file", sorted(PLANS))


def parsed(file: str, text: str) -> dict[str, int]:
    """What a file's text fills, by the metric's key; what it does not fill is left out."""
    plan = PLANS[file]
    values = plan.parse(text.encode())
    names = {column: key for key, column in NODE_COLUMN.items()}
    return {names[column]: values[key] for column, key in plan.columns if key in values}


def test_every_column_of_the_node_has_one_file() -> None:
    columns = [column for plan in PLANS.values() for column, _ in plan.columns]
    assert sorted(columns) == list(range(len(NODE_COLUMN)))


def test_stat() -> None:
    text = (
        "cpu  100 2 30 4000 5 6 7 8 9 10\ncpu0 50 1 15 2000 2 3 3 4 4 5\ncpu1 50 1 15 2000 3 3 4 4 5 5\n"
        "intr 123456 " + "0 " * 5000 + "\nctxt 99\nbtime 1700000000\nprocesses 77\nprocs_running 3\nprocs_blocked 1\n"
        "softirq 1 2 3\n"
    )
    values = parsed("stat", text)
    assert values["cpu_seconds_total{mode=user}"] == 100 * USER_HZ_NS
    assert values["cpu_seconds_total{mode=steal}"] == 8 * USER_HZ_NS
    assert values["cpu_cores"] == 2
    assert values["boot_time_seconds"] == 1_700_000_000 * 10**9
    assert values["context_switches_total"] == 99
    assert values["forks_total"] == 77
    assert (values["procs_running"], values["procs_blocked"]) == (3, 1)


def test_meminfo() -> None:
    values = parsed("meminfo", "MemTotal:       16 kB\nMemFree: 8 kB\nHugePages_Total:    3\nSwapTotal: x kB\nodd\n")
    assert values["memory_total_bytes"] == 16 << 10
    assert values["memory_free_bytes"] == 8 << 10
    assert values.get("memory_swap_total_bytes", UNKNOWN) == UNKNOWN
    assert "memory_available_bytes" not in values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0.25 1.50 12.00 1/234 5678\n", [25, 150, 1200]),
        ("0.25 1.5 12.00 1/234 5678\n", [25, None, 1200]),
        ("", [None] * 3),
        ("-1.00 x 1.00\n", [None, None, 100]),
    ],
)
def test_loadavg(text: str, values: list[int | None]) -> None:
    found = parsed("loadavg", text)
    known = [found.get(f"load{minutes}", UNKNOWN) for minutes in (1, 5, 15)]
    assert [None if value == UNKNOWN else value for value in known] == values


def test_pressure() -> None:
    text = "some avg10=0.00 avg60=0.00 avg300=0.00 total=12\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=3\n"
    assert parsed("pressure/cpu", text) == {"pressure_cpu_waiting_seconds_total": 12_000}
    assert parsed("pressure/io", text) == {
        "pressure_io_waiting_seconds_total": 12_000,
        "pressure_io_stalled_seconds_total": 3000,
    }


DISK = "   8       {minor} {name} {reads} 0 16 0 20 0 32 0 0 5 0 0 0 0 0\n"


def disk(name: str, reads: int = 10) -> str:
    return DISK.format(minor=0, name=name, reads=reads)


def test_disks_without_parts_and_layers() -> None:
    names = (
        "sda",
        "sda1",
        "sdb",
        "nvme0n1",
        "nvme0n1p1",
        "dm-0",
        "md0",
        "loop0",
        "ram1",
        "zram0",
        "sr0",
        "mmcblk0",
        "mmcblk0p2",
    )
    text = "".join(map(disk, names)) + "torn 1 2\n"
    assert list(disks(text.encode())) == ["sda", "sdb", "nvme0n1", "dm-0", "md0", "mmcblk0"]
    values = parsed("diskstats", text)
    assert values["disk_reads_completed_total"] == 4 * 10
    assert values["disk_read_bytes_total"] == 4 * 16 * 512
    assert values["disk_written_bytes_total"] == 4 * 32 * 512
    assert values["disk_writes_completed_total"] == 4 * 20
    assert values["disk_io_time_seconds_total"] == 4 * 5_000_000


def test_block_devices_by_their_numbers() -> None:
    text = DISK.format(minor=16, name="sdb", reads=0) + " 253       0 dm-0 1 2\n   7       1 loop1 0\n\n8 0\n"
    assert device_names(text.encode()) == {"8:16": "sdb", "253:0": "dm-0", "7:1": "loop1"}


def test_a_sum_beyond_a_word_is_unknown() -> None:
    values = parsed("diskstats", disk("sda", MAX_VALUE) + disk("sdb", 1))
    assert values["disk_reads_completed_total"] == UNKNOWN


def test_a_node_without_interfaces_has_no_traffic() -> None:
    values = parsed("net/dev", "Inter-|\n face |\n    lo: " + "1 " * 16 + "\n")
    assert set(values.values()) <= {UNKNOWN}


@FILES
@given(st.binary(max_size=300))
def test_no_text_raises(file: str, data: bytes) -> None:
    for text in (
        data,
        data + b"\n",
        b"cpu " + data,
        b"btime\n" + data,
        b"MemTotal: " + data + b" kB\n",
        b"some total=" + data,
    ):
        for value in PLANS[file].parse(text).values():
            assert 0 <= value <= UNKNOWN
