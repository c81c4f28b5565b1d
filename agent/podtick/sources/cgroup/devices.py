"""Block I/O of a cgroup device by device, from the texts whose sums `formats.py` makes.

Pure, and as there: what is not understood is `UNKNOWN` or left out.
"""

from podtick.sources.cgroup.formats import number

Devices = dict[str, dict[str, int]]


def block_devices(data: bytes) -> Devices:
    """Values by the kernel's own keys, by device (`MAJ:MIN`), of v2 `io.stat` or a v1 `blkio.throttle.*` file.

    Nothing of a text whose end is missing.
    """
    if not data.endswith(b"\n"):
        return {}
    return _v2(data) if b"=" in data else _v1(data)


def _v2(data: bytes) -> Devices:
    """`MAJ:MIN rbytes=N wbytes=N ...`; some kernels end no line behind a device that has no values."""
    found: Devices = {}
    device = ""
    for word in data.split():
        key, equals, value = word.partition(b"=")
        if not equals:
            device = _text(word)
        elif device:
            found.setdefault(device, {})[_text(key)] = number(value)
    return found


def _v1(data: bytes) -> Devices:
    """`MAJ:MIN Operation N` lines. Nothing but zeros may mean that nobody counts, see `formats.blkio`: unknown."""
    found: Devices = {}
    for line in data.split(b"\n"):
        words = line.split()
        if len(words) == 3 and b":" in words[0]:
            found.setdefault(_text(words[0]), {})[_text(words[1])] = number(words[2])
    return found if any(any(values.values()) for values in found.values()) else {}


def _text(word: bytes) -> str:
    return word.decode("utf-8", "replace")
