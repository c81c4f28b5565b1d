"""Which processes containers have, where nobody names them: one look at every `/proc/PID/cgroup` (proc(5)).

It costs some 18 us a process.
"""

import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

_ID = re.compile(rb"[/:-]([0-9a-f]{64})(?:\.scope)?(?=[/\n])")
_MONITOR = b"conmon-"
_BYTES = 64 * 1024
_NAMES = re.compile(r"/pods/([^/]+)/containers/([^/]+)/[0-9a-f]+$")
"""Root of the mount that the kubelet makes for a container's termination message, from its own folder."""
_ROOT = 3  # the field of mountinfo


@dataclass(frozen=True, slots=True)
class ContainerProcess:
    """The first process of a container, and what its mounts tell of whose it is.

    `name` and `pod_uid` (the kubelet's): `None` where no mount does, as in a sandbox, or in a container that is only
    being made.
    """

    pid: int
    pod_uid: str | None = None
    name: str | None = None


def container_processes(proc: Path, wanted: Collection[str]) -> dict[str, ContainerProcess]:
    """The oldest process of each of these containers (full IDs), as far as they have one."""
    found: dict[str, int] = {}
    for pid in sorted(int(name) for name in os.listdir(proc) if name.isdecimal()):
        text = _read(f"{proc}/{pid}/cgroup")
        for match in _ID.finditer(text):
            id_ = match[1].decode()
            if id_ in wanted and not text[: match.start() + 1].endswith(_MONITOR):
                found.setdefault(id_, pid)
                break
    return {id_: described(proc, pid) for id_, pid in found.items()}


def described(proc: Path, pid: int) -> ContainerProcess:
    """What the mounts of a process tell of its container."""
    for line in _read(f"{proc}/{pid}/mountinfo").decode(errors="replace").split("\n"):
        fields = line.split(" ", _ROOT + 2)
        if len(fields) > _ROOT + 1 and (match := _NAMES.search(fields[_ROOT])):
            return ContainerProcess(pid, match[1], match[2])
    return ContainerProcess(pid)


def _read(path: str) -> bytes:
    """A file of a process; empty when that has gone, or is not ours to see."""
    pieces = []
    try:
        with open(path, "rb", buffering=0) as file:
            while piece := file.read(_BYTES):
                pieces.append(piece)
    except OSError:
        return b""
    return b"".join(pieces)
