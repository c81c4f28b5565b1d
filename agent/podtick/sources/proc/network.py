"""/proc/PID/net/dev: what went through the interfaces of one network namespace (kernel: `net/core/net-procfs.c`)."""

import os
import stat as stat_
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat
from operator import add

from podtick.model.metrics.row import MAX_VALUE, UNKNOWN
from podtick.sources.integers import integers

FIELDS = ("bytes", "packets", "errs", "drop")
KEYS = tuple(f"{direction}_{field}" for direction in ("receive", "transmit") for field in FIELDS)
"""The values of an interface, in the order of the metric table's network rows."""
UNKNOWN_TOTALS = (UNKNOWN,) * len(KEYS)
VIRTUAL = (
    *(
        "lo",
        "veth",
        "cali",
        "lxc",
        "cilium_",
        "cni",
        "docker",
        "br-",
        "virbr",
        "flannel",
        "vxlan",
        "genev",
        "weave",
        "kube-",
    ),
    *(
        "nodelocaldns",
        "tunl",
        "tap",
        "dummy",
        "ifb",
        "azv",
        "eni",
        "gke",
        "podman",
        "antrea",
        "ovs",
        "ovn",
        "wg",
        "erspan",
    ),
    *("gre", "ip6", "sit", "teql", "ip_vti"),
)
"""Beginnings of the names of interfaces that belong to pods, to bridges between them, or to nobody."""
_VIRTUAL = tuple(name.encode() for name in VIRTUAL)
LO = b"|bytes    packets errs drop fifo colls carrier compressed\n    lo:"
"""The end of the head, and the first interface: where it stands there, the last one is another."""
PAGED_BYTES = 3000
"""The kernel answers one read with at most a page of such a file; from this length on there may be more."""
MOST_BYTES = 4 << 20


class WrongProcessError(Exception):
    """The process is not the one that was meant: its PID has been used again, or it has gone."""


@dataclass(frozen=True, slots=True)
class NetworkFile:
    """An open net/dev and the inode number that names its network namespace."""

    fd: int
    namespace: int


def interfaces(data: bytes) -> dict[str, dict[str, int]]:
    """Each interface's values by `KEYS`; a line of another shape is passed over."""
    return _interfaces(data, ())


def pod_interfaces(data: bytes) -> dict[str, dict[str, int]]:
    """The interfaces whose sums are `totals`: all but the loopback, and nothing of a text whose end is missing."""
    found = interfaces(data) if data.endswith(b"\n") else {}
    return {name: values for name, values in found.items() if name != "lo"}


def real_interfaces(data: bytes) -> dict[str, dict[str, int]]:
    """The node's own interfaces: `interfaces` without those that belong to pods or to the loopback."""
    return _interfaces(data, _VIRTUAL)


def _interfaces(data: bytes, but: tuple[bytes, ...]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for line in data.split(b"\n"):
        name, colon, rest = line.lstrip().rpartition(b":")
        if not colon or name.startswith(but):
            continue
        values = rest.split()
        if len(values) >= 16:
            numbers = [_number(value) for value in (*values[0:4], *values[8:12])]
            found[name.decode("utf-8", "replace")] = dict(zip(KEYS, numbers, strict=True))
    return found


def totals(data: bytes) -> Sequence[int]:
    """The sums over all interfaces but lo, by `KEYS`; `UNKNOWN` where there is no other, or the text is torn."""
    sums: list[int] | None = None
    if not data.endswith(b"\n"):
        return UNKNOWN_TOTALS
    if data.count(b":") == 2 and data.find(LO) > 0:  # lo and one more: nearly every pod
        values = data[data.rfind(b":") + 1 :].split()
        if len(values) == 16 and b"".join(values).isdigit():
            numbers = list(map(int, values[0:4] + values[8:12]))
            return numbers if max(numbers) <= MAX_VALUE else UNKNOWN_TOTALS
    for line in data.split(b"\n")[2:-1]:
        name, _, rest = line.rpartition(b":")
        if name.endswith(b"lo") and name.strip() == b"lo":
            continue
        values = rest.split()
        if len(values) != 16 or not b"".join(values).isdigit():
            return UNKNOWN_TOTALS
        numbers = list(map(int, (*values[0:4], *values[8:12])))
        sums = numbers if sums is None else list(map(add, sums, numbers))
    if sums is None or max(sums) > MAX_VALUE:
        return UNKNOWN_TOTALS
    return sums


def totals_of_many(texts: Sequence[bytes]) -> list[list[int]] | None:
    """`totals` of many files at once, a list a key, where each has lo and at most one interface more; else `None`."""
    head = texts[0][: texts[0].find(LO) + len(LO)]
    interfaces_ = list(map(bytes.count, texts, repeat(b":")))
    alone = interfaces_.count(1)
    if not head.endswith(LO) or alone + interfaces_.count(2) < len(texts):
        return None
    if not all(map(bytes.startswith, texts, repeat(head))):
        return None
    if alone == len(texts):
        return [[UNKNOWN] * alone for _ in KEYS]
    others = [text for text, count in zip(texts, interfaces_, strict=True) if count == 2] if alone else texts
    columns = _lines([text[text.rfind(b":") + 1 :] for text in others])
    if alone and columns:
        rests = list(map(iter, columns))
        return [[next(rest) if count == 2 else UNKNOWN for count in interfaces_] for rest in rests]
    return columns


def _lines(lines: Sequence[bytes]) -> list[list[int]] | None:
    """The values of many interfaces by `KEYS`, from what their lines have after the name."""
    joined = b"".join(lines)
    words = joined.split()
    if joined.count(b"\n") != len(lines) or len(words) != 16 * len(lines) or not b"".join(words).isdigit():
        return None
    columns = [integers(words[place::16]) for place in (*range(4), *range(8, 12))]
    return columns if max(map(max, columns)) <= MAX_VALUE else None


def _number(text: bytes) -> int:
    return value if text.isdigit() and (value := int(text)) <= MAX_VALUE else UNKNOWN


def read_paged(fd: int, size: int, offset: int = 0) -> bytes:
    """The whole text of a file that the kernel hands out page by page, up to `MOST_BYTES`.

    Same arguments as `os.pread`; `size` is what is read at once.
    """
    data = os.pread(fd, size, offset)
    more = data
    while more and PAGED_BYTES < len(data) < MOST_BYTES:
        more = os.pread(fd, size, offset + len(data))
        data += more
    return data


def host_namespace(proc: str) -> int | None:
    """The inode number of the host's own net/dev, seen through PID 1; `None` when it cannot be seen."""
    try:
        return os.stat(f"{proc}/1/net/dev").st_ino
    except OSError:
        return None


def open_network(proc: str, pid: int, container: str) -> NetworkFile:
    """Open the net/dev of a container's process.

    The process must belong to the container (its cgroup path carries the container's ID) before and after the file is
    opened: a PID that has been used again, or has gone, raises `WrongProcessError`. Other failures are `OSError`.
    """
    try:
        folder = os.open(f"{proc}/{pid}", os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, ProcessLookupError):
        raise WrongProcessError(f"process {pid} has gone") from None
    try:
        _check(folder, pid, container)
        fd = os.open("net/dev", os.O_RDONLY, dir_fd=folder)
        try:
            _check(folder, pid, container)
            return NetworkFile(fd, os.fstat(fd).st_ino)
        except BaseException:
            os.close(fd)
            raise
    except (FileNotFoundError, ProcessLookupError):
        raise WrongProcessError(f"process {pid} has gone") from None
    finally:
        os.close(folder)


def _check(folder: int, pid: int, container: str) -> None:
    """The held /proc/PID folder stays with its process: after its death reads give ESRCH, whoever has the PID then."""
    fd = os.open("cgroup", os.O_RDONLY, dir_fd=folder)
    try:
        if not stat_.S_ISREG(os.fstat(fd).st_mode) or container.encode() not in os.pread(fd, 65536, 0):
            raise WrongProcessError(f"process {pid} does not belong to container {container[:12]}")
    finally:
        os.close(fd)
