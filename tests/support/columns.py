"""What a row of the metric table should hold, from the kernel's text: a parser for tests, apart from podtick's own."""

import re
from collections.abc import Callable

from podtick.model.metrics.row import UNKNOWN, UNLIMITED, Metric

Reader = Callable[[str], str | None]
"""The text of a file of the cgroup by its name; `None` where there is no such file."""
UNITS = {"cpuacct.stat": 10_000_000}
"""ns a tick of USER_HZ, which is 100 on every architecture that is tested."""


def stored(row: Metric, version: int, read: Reader) -> int:
    """The integer that a row's column should hold."""
    source = row.v1 if version == 1 else row.v2
    assert source is not None, row.name
    file, _, key = source.partition(":")
    text = read(file)
    if text is None:
        return UNKNOWN
    if file in ("cpu.max", "cpu.cfs_quota_us"):
        return _quota(text if version == 2 else f"{text} {read('cpu.cfs_period_us')}")
    if file.startswith("blkio."):
        return _blkio(text, key)
    if file == "io.stat":
        return sum(int(number) for number in re.findall(rf"\b{key}=(\d+)", text))
    if file.endswith(".pressure"):
        found = re.search(rf"^{key} .*total=(\d+)$", text, re.MULTILINE)
        return int(found[1]) * 1000 if found else UNKNOWN
    if not key:
        return _single(text.strip())
    found = re.search(rf"^{key} (\d+)$", text, re.MULTILINE)
    scale = 1000 if key.endswith("_usec") else UNITS.get(file, 1)
    return int(found[1]) * scale if found else UNKNOWN


def _single(text: str) -> int:
    """A lone number; `max`, and on version 1 the largest number of whole pages, is no limit."""
    return UNLIMITED if text in ("max", str(2**63 - 4096)) else int(text)


def _quota(text: str) -> int:
    quota, period = text.split()
    return UNLIMITED if quota in ("max", "-1") else int(quota) * 10**9 // int(period)


def _blkio(text: str, key: str) -> int:
    """Nothing on any device is unknown: this kernel counts nothing."""
    devices = re.findall(r"^\d+:\d+ (\w+) (\d+)$", text, re.MULTILINE)
    if not any(int(number) for _, number in devices):
        return UNKNOWN
    return sum(int(number) for operation, number in devices if operation == key)
