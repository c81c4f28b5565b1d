"""Containers of one test, and where the kernel has them."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from podtick.sources.cgroup.discovery import CgroupPaths, locate_container
from podtick.sources.cgroup.mounts import read_mounts
from tests.support.engine import Engine, EngineError

BUSY = ("sh", "-c", "while :; do :; done")
MIB = 1 << 20
FREEZES = 5
PROC = Path("/proc")
CGROUP = Path("/sys/fs/cgroup")


class Containers:
    """Runs containers, and removes all that it ran when the test ends."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._made: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self.remove_all()

    def remove_all(self) -> None:
        """Remove all that are still there."""
        there = set(self.engine.docker("ps", "--all", "--quiet", "--no-trunc").split())
        if mine := there.intersection(self._made):
            self.engine.remove(*mine)

    def run(self, name: str, *command: str, options: Sequence[str] = (), network: str = "none") -> str:
        """A container that goes on by itself; its full ID."""
        return self._docker("run", "--detach", name, command, ["--network", network, *options])

    def create(self, name: str, *command: str, options: Sequence[str] = ()) -> str:
        """A container that was never started; its full ID."""
        return self._docker("create", "", name, command, ["--network", "none", *options])

    def _docker(self, verb: str, flag: str, name: str, command: Sequence[str], options: Sequence[str]) -> str:
        words = command or ("sleep", "100000")
        flags = [flag] if flag else []
        id_ = self.engine.docker(verb, *flags, "--name", name, *options, Engine.IMAGE, *words)
        self._made.append(id_)
        return id_

    def execute(self, name: str, *command: str) -> str:
        """What a command inside a container printed."""
        return self.engine.docker("exec", name, *command, timeout=120)

    def pause(self, name: str) -> None:
        """Pause a container, again where the runtime gives up: on a busy machine it may not see all of it frozen."""
        for left in reversed(range(FREEZES)):
            try:
                self.engine.docker("pause", name)
                return
            except EngineError as error:
                if "freeze" not in str(error) or not left:
                    raise

    def paths(self, name: str) -> CgroupPaths:
        """The container's cgroup folders."""
        return self.paths_of([name])[0]

    def paths_of(self, names: Sequence[str]) -> list[CgroupPaths]:
        """Each container's cgroup folders."""
        mounts = read_mounts(PROC, CGROUP)
        assert mounts is not None
        found = []
        for line in self.engine.docker("inspect", "--format", "{{.Id}} {{.State.Pid}}", *names).splitlines():
            id_, pid = line.split()
            paths = locate_container(mounts, id_, int(pid), PROC)
            assert paths is not None
            found.append(paths)
        return found
