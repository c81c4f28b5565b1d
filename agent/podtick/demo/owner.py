"""The demo's pods as the program sees them that wants them: made on entering, gone on leaving."""

import os
import select
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import podtick
from podtick.demo.cgroups import leftovers, patiently, remove_tree
from podtick.sources.cgroup.mounts import read_mounts

START_SECONDS, END_SECONDS = 10.0, 15.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class DemoError(Exception):
    """There can be no demo pods here; the message says why, and what would help."""


class Demo:
    """Pods in a process of their own, which ends, and they with it, however this one ends.

    `tree` is the path of their common cgroup. Use it in the main thread.
    """

    def __init__(self, proc: Path, cgroup: Path) -> None:
        self._proc = proc
        self._cgroup = cgroup
        self.tree = ""

    def __enter__(self) -> Self:
        """Make them; raises `DemoError`."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # until the keeper has seen to its own
        try:
            self._keeper = self._spawn()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        try:
            word, _, rest = self._answer().partition(" ")
            if word != "made":
                raise DemoError(_explained(rest))
        except BaseException:
            self._end()
            raise
        self.tree = f"/{rest}"
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._end()

    def _spawn(self) -> "subprocess.Popen[str]":
        path = str(Path(podtick.__file__).parent.parent)
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "podtick.demo.keeper", str(self._proc), str(self._cgroup)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [path, os.environ.get("PYTHONPATH")]))},
        )

    def _answer(self) -> str:
        assert self._keeper.stdout is not None
        answered, _, _ = select.select([self._keeper.stdout], [], [], START_SECONDS)
        return self._keeper.stdout.readline().strip() if answered else ""

    def _end(self) -> None:
        """Let the keeper take all away, or do it in its place should it be dead; a second Ctrl-C changes nothing."""
        before = {number: signal.signal(number, signal.SIG_IGN) for number in SIGNALS}
        try:
            self._keeper.communicate(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            self._keeper.kill()
            self._keeper.communicate()
        if self.tree and self._keeper.returncode != 0:
            self._remove()
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)

    def _remove(self) -> None:
        mounts = read_mounts(self._proc, self._cgroup)
        for folder in leftovers(mounts) if mounts else ():
            if folder.name == self.tree.strip("/"):
                patiently(partial(remove_tree, folder))


def _explained(reason: str) -> str:
    """What the keeper said, and what would show more."""
    if os.geteuid() != 0:
        return "demo pods need root, as they are made of cgroups: with sudo there would be some"
    where = "on a machine itself they can, or in a container with --privileged; a Docker engine's are watched anywhere"
    return f"cgroups cannot be made here ({reason or 'no answer'}): {where}"
