"""The node's own files below /proc, and the plan that fills the node's columns from them.

Sources: the kernel's documents `filesystems/proc`, `admin-guide/iostats` and `accounting/psi`. Parsers are pure, never
raise, and leave out what they do not find.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from podtick.model.metrics.node import CPU_MODES
from podtick.model.metrics.row import MAX_VALUE, UNKNOWN, Metric
from podtick.model.metrics.table import NODE_COLUMN, NODE_ROWS
from podtick.sources.proc.network import KEYS, real_interfaces

SECTOR_BYTES = 512
USER_HZ_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_MEMINFO = {row.v2[8:].encode(): row.v2[8:] for row in NODE_ROWS if row.v2 and row.v2.startswith("meminfo:")}
NO_DISKS = ("loop", "ram", "zram", "fd", "sr", "nbd")
"""Beginnings of the names of block devices that are no disks."""
READ_BYTES = 32768
"""Read at once: a larger buffer is mapped anew for each read, which costs more than the read."""


@dataclass(frozen=True, slots=True)
class NodePlan:
    """One file below /proc: `columns` are the (column, key) pairs that it fills."""

    file: str
    columns: tuple[tuple[int, str], ...]
    parse: Callable[[bytes], Mapping[str, int]]


def stat(data: bytes) -> dict[str, int]:
    """/proc/stat: `cpu` modes in ns, `cores` counted, `btime` in ns, counters as they are."""
    values: dict[str, int] = {}
    cores = 0
    for line in data.split(b"\n"):
        words = line.split(None, 11)
        if len(words) < 2:
            continue
        if words[0] == b"cpu":
            values.update({mode: _number(text, USER_HZ_NS) for mode, text in zip(CPU_MODES, words[1:], strict=False)})
        elif words[0].startswith(b"cpu"):
            cores += 1
        elif words[0] == b"btime":
            values["btime"] = _number(words[1], 1_000_000_000)
        elif words[0] in (b"ctxt", b"processes", b"procs_running", b"procs_blocked"):
            values[words[0].decode()] = _number(words[1])
    if cores:
        values["cores"] = cores
    return values


def meminfo(data: bytes) -> dict[str, int]:
    """/proc/meminfo in bytes (the file says kB and means KiB): the keys that the table has."""
    values: dict[str, int] = {}
    for line in data.split(b"\n"):
        key, colon, rest = line.partition(b":")
        name = _MEMINFO.get(key)
        if name and colon and rest.endswith(b" kB"):
            values[name] = _number(rest[:-3].strip(), 1024)
    return values


def loadavg(data: bytes) -> dict[str, int]:
    """/proc/loadavg in hundredths."""
    values: dict[str, int] = {}
    for minutes, text in zip(("1", "5", "15"), data.split(), strict=False):
        whole, point, part = text.partition(b".")
        if point and len(part) == 2:
            values[minutes] = _number(whole + part)
    return values


def pressure(data: bytes) -> dict[str, int]:
    """/proc/pressure/*: the totals of `some` and `full` in ns."""
    return {
        line[:4].decode("ascii", "replace"): _number(line[line.rfind(b"total=") + 6 :].strip(), 1000)
        for line in data.split(b"\n")
        if b"total=" in line
    }


def disks(data: bytes) -> dict[str, dict[str, int]]:
    """/proc/diskstats: whole disks that have done something, with bytes, operations and busy time in ns."""
    found: dict[str, dict[str, int]] = {}
    for line in data.split(b"\n"):
        words = line.split()
        if len(words) < 14:
            continue
        name = words[2].decode("utf-8", "replace")
        if name.startswith(NO_DISKS) or _is_part(name, found):
            continue
        found[name] = {
            "reads": _number(words[3]),
            "read_bytes": _number(words[5], SECTOR_BYTES),
            "writes": _number(words[7]),
            "written_bytes": _number(words[9], SECTOR_BYTES),
            "io_time": _number(words[12], 1_000_000),
        }
    return found


def device_names(data: bytes) -> dict[str, str]:
    """/proc/diskstats: the names of all block devices by their numbers, `MAJ:MIN`."""
    lines = [line.split(None, 3) for line in data.split(b"\n")]
    return {
        f"{words[0].decode('utf-8', 'replace')}:{words[1].decode('utf-8', 'replace')}": words[2].decode(
            "utf-8", "replace"
        )
        for words in lines
        if len(words) == 4
    }


def _is_part(name: str, disks: Mapping[str, object]) -> bool:
    """Whether it is a partition of one of the disks: sda1 of sda, nvme0n1p1 of nvme0n1. The disk is listed first."""
    stem = name.rstrip("0123456789")
    if stem == name:
        return False
    return stem in disks or (stem.endswith("p") and stem[:-1] in disks)


def _sum_of(pieces: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for values in pieces.values():
        for key, value in values.items():
            known = sums.get(key, 0)
            total = UNKNOWN if UNKNOWN in (known, value) else known + value
            sums[key] = total if total <= MAX_VALUE else UNKNOWN
    return sums


def _disk_sums(data: bytes) -> dict[str, int]:
    """Summed over disks, device-mapper and RAID devices left out: they count what their disks count."""
    return _sum_of({name: values for name, values in disks(data).items() if not name.startswith(("dm-", "md"))})


def _network_sums(data: bytes) -> dict[str, int]:
    return _sum_of(real_interfaces(data)) or dict.fromkeys(KEYS, UNKNOWN)


_PARSERS: dict[str, Callable[[bytes], Mapping[str, int]]] = {
    "stat": stat,
    "meminfo": meminfo,
    "loadavg": loadavg,
    "diskstats": _disk_sums,
    "net/dev": _network_sums,
}


def compile_node_plan(rows: tuple[Metric, ...] = NODE_ROWS) -> tuple[NodePlan, ...]:
    """The files to read for the node's rows, in the table's order."""
    files: dict[str, list[tuple[int, str]]] = {}
    for row in rows:
        if row.v2 and row.key in NODE_COLUMN:
            file, _, key = row.v2.partition(":")
            files.setdefault(file, []).append((NODE_COLUMN[row.key], key))
    return tuple(NodePlan(file, tuple(columns), _PARSERS.get(file, pressure)) for file, columns in files.items())


def _number(text: bytes, scale: int = 1) -> int:
    if not text.isdigit() or len(text) > 24:
        return UNKNOWN
    value = int(text) * scale
    return value if value <= MAX_VALUE else UNKNOWN
