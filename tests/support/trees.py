"""Kernel trees that were recorded (tests/support/recorder.py), laid out as folders again."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FIXTURES = Path(__file__).parents[1] / "fixtures" / "kernel"
RECORDED = ("v1-cgroupfs", "v2-systemd", "v2-cgroupfs")


@dataclass(frozen=True, slots=True)
class RecordedContainer:
    """A container of a recording, by what it was there to show."""

    id: str
    pid: int


@dataclass(frozen=True, slots=True)
class Tree:
    """A machine's `/proc` and `/sys/fs/cgroup` in folders of one's own."""

    proc: Path
    cgroup: Path
    containers: Mapping[str, RecordedContainer]

    def find(self, name: str, file: str) -> Path:
        """The one file of a container's cgroup with this name, in whatever hierarchy it is."""
        folder = f"*{self.containers[name].id}*"
        [found] = (path for path in self.cgroup.rglob(f"{folder}/{file}") if path.parent.match(folder))
        return found


def lay_out(name: str, folder: Path) -> Tree:
    """Writes the recording `name` below `folder`, whose own path then stands in the mountinfo files."""
    files, containers = read_recording(FIXTURES / f"{name}.txt")
    for path, text in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        is_mounts = file.name == "mountinfo"
        file.write_text(text.replace(" /sys/fs/cgroup", f" {folder / 'cgroup'}") if is_mounts else text)
    return Tree(folder / "proc", folder / "cgroup", containers)


def read_recording(archive: Path) -> tuple[dict[str, str], dict[str, RecordedContainer]]:
    """A recording's files by their path (`cgroup/...`, `proc/...`), and its containers by name."""
    files: dict[str, str] = {}
    containers: dict[str, RecordedContainer] = {}
    path = ""
    for line in archive.read_text().splitlines(keepends=True):
        if line.startswith("=== "):
            path = line.removeprefix("=== ").rstrip("\n")
            files[path] = ""
        elif path:
            files[path] += line
        elif line.startswith("# container "):
            name, container_id, pid = line.split()[2:]
            containers[name] = RecordedContainer(container_id, int(pid))
    return files, containers
