"""Block I/O of a cgroup device by device: what stands in the text, or nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podtick.model.metrics.row import MAX_VALUE, UNKNOWN
from podtick.sources.cgroup.devices import Devices, block_devices


@pytest.mark.parametrize(
    ("text", "devices"),
    [
        ("", {}),
        ("8:0 rbytes=1 wbytes=2\n", {"8:0": {"rbytes": 1, "wbytes": 2}}),
        ("7:0 \n253:0 rbytes=1\n8:0 rios=3\n", {"253:0": {"rbytes": 1}, "8:0": {"rios": 3}}),
        ("7:0 253:0 rbytes=1\n", {"253:0": {"rbytes": 1}}),  # no end of line behind the first
        ("8:0 rbytes=1 wbytes=2", {}),  # torn
        ("8:0 rbytes=x wbytes=-2 rios=3\n", {"8:0": {"rbytes": UNKNOWN, "wbytes": UNKNOWN, "rios": 3}}),
        (f"8:0 rbytes={MAX_VALUE + 1}\n", {"8:0": {"rbytes": UNKNOWN}}),
        ("rbytes=1 8:0 wbytes=2\n", {"8:0": {"wbytes": 2}}),  # of no device
    ],
)
def test_io_stat(text: str, devices: Devices) -> None:
    assert block_devices(text.encode()) == devices


@pytest.mark.parametrize(
    ("text", "devices"),
    [
        ("Total 0\n", {}),
        ("8:0 Read 0\n8:0 Write 0\n8:0 Total 0\nTotal 0\n", {}),  # perhaps nobody counts
        ("8:0 Read 5\n8:0 Write 0\nTotal 5\n", {"8:0": {"Read": 5, "Write": 0}}),
        (
            "8:0 Read 5\n8:0 Write 1\n253:0 Read 0\n253:0 Write 0\nTotal 6\n",
            {"8:0": {"Read": 5, "Write": 1}, "253:0": {"Read": 0, "Write": 0}},
        ),
        ("8:0 Read 5\n8:0 Write 12", {}),  # torn
        ("8:0 Read x\n8:0 Write 1\n", {"8:0": {"Read": UNKNOWN, "Write": 1}}),
        ("something new\n8:0 Read 5 6\n8:0 Write 1\n", {"8:0": {"Write": 1}}),
    ],
)
def test_blkio(text: str, devices: Devices) -> None:
    assert block_devices(text.encode()) == devices


@given(st.binary(max_size=200))
def test_no_text_raises(data: bytes) -> None:
    for text in (data, b"8:0 Read 1\n" + data + b"\n", b"8:0 rbytes=1\n" + data + b"\n"):
        for values in block_devices(text).values():
            assert all(value == UNKNOWN or 0 <= value <= MAX_VALUE for value in values.values())
