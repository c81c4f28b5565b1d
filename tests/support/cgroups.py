"""Cgroups of the tests' own, in every hierarchy of this machine, with real processes."""

import contextlib
import os
import secrets
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from podtick.sources.cgroup.discovery import CgroupPaths, locate_path
from podtick.sources.cgroup.mounts import CgroupMounts, read_mounts

PROC = Path("/proc")
CGROUP = Path("/sys/fs/cgroup")
ENTER = 'for folder; do [ "$folder" = -- ] && break; echo 0 >"$folder/cgroup.procs" || exit 9; shift; done; shift'


def host_mounts() -> CgroupMounts:
    """This machine's hierarchies."""
    mounts = read_mounts(PROC, CGROUP)
    assert mounts is not None
    return mounts


class Cgroup:
    """One cgroup, made in every hierarchy; a context manager that ends its processes and removes it."""

    def __init__(self, word: str = "") -> None:
        self.name = f"podtick-test-{word or secrets.token_hex(32)}"
        mounts = dict(host_mounts().hierarchies()).values()
        self.folders = list(dict.fromkeys(mount.point / self.name for mount in mounts))
        self._processes: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Self:
        for folder in self.folders:
            folder.mkdir()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self.remove()

    @property
    def paths(self) -> CgroupPaths:
        """Its folders by controller."""
        found = locate_path(host_mounts(), self.name)
        assert found is not None
        return found

    def run(self, *command: str, wrapper: Sequence[str] = ()) -> subprocess.Popen[str]:
        """A process that is in the cgroup from its first instruction on, its input and output pipes."""
        pipe = subprocess.PIPE
        words = [*wrapper, "sh", "-c", f'{ENTER}; exec "$@"', "sh", *map(str, self.folders), "--", *command]
        process = subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True)
        self._processes.append(process)
        return process

    def python(self, script: str, *arguments: str, wrapper: Sequence[str] = ()) -> subprocess.Popen[str]:
        """A Python process in the cgroup that has said that it is ready, by a line."""
        process = self.run("python3", "-u", "-c", script, *arguments, wrapper=wrapper)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    def read(self, file: str) -> str | None:
        """The text of one of its files; `None` where there is none."""
        folder = self.paths.folder_of(file)
        path = folder / file if folder else None
        return path.read_text() if path and path.exists() else None

    def write(self, file: str, text: str) -> None:
        """Set one of its knobs."""
        folder = self.paths.folder_of(file)
        assert folder is not None
        (folder / file).write_text(text)

    def end(self, process: subprocess.Popen[str]) -> None:
        """End one of its processes."""
        process.kill()
        process.communicate()
        self._processes.remove(process)

    def remove(self) -> None:
        """End every process, and remove the cgroup from every hierarchy."""
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        for process in list(self._processes):
            self.end(process)
        for folder in [folder for folder in self.folders if folder.exists()]:
            _remove(folder)

    def pids(self) -> Iterator[int]:
        """Whoever is in it."""
        texts = [(folder / "cgroup.procs").read_text() for folder in self.folders if folder.exists()]
        yield from {int(pid) for text in texts for pid in text.split()}


def _remove(folder: Path) -> None:
    """A cgroup can be removed once its last process has been laid to rest by its parent, which nothing announces."""
    for _ in range(10_000):
        try:
            folder.rmdir()
        except OSError:
            os.sched_yield()
        else:
            return
    folder.rmdir()
