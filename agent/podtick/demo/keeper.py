"""The process that keeps the demo's pods: `python -m podtick.demo.keeper PROC CGROUP`.

It makes them, says `made NAME` (or `failed REASON`) in one line on standard output, and when standard input ends, which
it does however its owner ends, it takes everything away. Its children are told by the kernel to die with it.
"""

import ctypes
import errno
import gc
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from podtick.demo.cgroups import Container, Tree, patiently, sweep
from podtick.demo.loads import JOB_EVERY
from podtick.demo.pods import JOB, PODS, DemoPod
from podtick.sources.cgroup.mounts import read_mounts

_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15
_COMM_BYTES = 15


@dataclass(slots=True)
class Running:
    """A process of a pod. `ends`: whether it is meant to end by itself, and its cgroup with it."""

    pod: DemoPod
    container: Container
    ends: bool


class Keeper:
    """Keeps the pods of one tree until it is told to end."""

    def __init__(self, tree: Tree, prctl: Callable[..., int]) -> None:
        self._tree = tree
        self._prctl = prctl
        self._running: dict[int, Running] = {}
        self._jobs = 0
        self._wake, wake_up = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_up)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def start_pods(self) -> None:
        """Start all but the jobs."""
        for pod in PODS:
            container = self._tree.container(pod.uid)
            container.limit(pod)
            for _ in range(pod.processes):
                self._start(Running(pod, container, ends=False))

    def keep(self, until: int) -> None:
        """Start jobs, and lay to rest whoever ends, until the descriptor `until` can be read."""
        due = time.monotonic()
        while True:
            if time.monotonic() >= due:
                self._start_job()
                due = time.monotonic() + JOB_EVERY
            ready, _, _ = select.select([until, self._wake], [], [], max(0.0, due - time.monotonic()))
            if until in ready:
                return
            if self._wake in ready:
                os.read(self._wake, 4096)
                self._reap()

    def end(self) -> None:
        """Kill every process, and wait for its end."""
        for pid in self._running:
            os.kill(pid, signal.SIGKILL)
        for pid in self._running:
            os.waitpid(pid, 0)
        self._running.clear()

    def _start_job(self) -> None:
        self._jobs += 1
        container = self._tree.container(f"{JOB.uid}-{self._jobs}")
        self._start(Running(JOB, container, ends=True))

    def _start(self, running: Running) -> None:
        keeper = os.getpid()
        pid = os.fork()
        if pid:
            self._running[pid] = running
            return
        code = 1
        try:
            self._become(running, keeper)
            running.pod.load()
            code = 0
        except OSError as error:
            _say(f"{running.pod.uid}: {error}")
        finally:
            os._exit(code)  # nothing of the keeper's may run here

    def _become(self, running: Running, keeper: int) -> None:
        """In the child: into the cgroup; to die with the keeper; with its own name, and none of its pipes."""
        if self._prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")
        if os.getppid() != keeper:  # it died before the kernel knew
            raise OSError(errno.ESRCH, "the keeper has gone")
        signal.set_wakeup_fd(-1)
        name = running.pod.uid.encode()[:_COMM_BYTES]
        self._prctl(_PR_SET_NAME, ctypes.c_char_p(name), 0, 0, 0)
        nothing = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1):
            os.dup2(nothing, fd)
        running.container.enter()

    def _reap(self) -> None:
        for pid in list(self._running):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if not ended:
                continue
            running = self._running.pop(pid)
            if running.ends:
                patiently(running.container.remove)
            else:
                _say(f"a process of {running.pod.uid} has ended: exit code {os.waitstatus_to_exitcode(status)}")


def main() -> int:
    """Keep the pods until standard input ends."""
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # meant for all of us, they reach all: our owner ends us
    for number in signals:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
    gc.freeze()
    gc.disable()  # children share these pages as long as nobody writes to them
    mounts = read_mounts(*map(Path, sys.argv[1:]))
    if mounts is None:
        print("failed there is no cgroup tree", flush=True)
        return 1
    sweep(mounts)
    try:
        tree = Tree.make(mounts)
    except OSError as error:
        return _fail(error)
    keeper = Keeper(tree, ctypes.CDLL(None, use_errno=True).prctl)
    try:
        return _keep(keeper, tree.name)
    finally:
        keeper.end()
        if why := patiently(tree.remove):
            _say(f"a cgroup cannot be removed: {why}")


def _keep(keeper: Keeper, name: str) -> int:
    try:
        keeper.start_pods()
    except OSError as error:
        return _fail(error)
    try:
        print(f"made {name}", flush=True)
        keeper.keep(sys.stdin.fileno())
    except OSError as error:
        _say(f"the pods have ended: {error}")
        return 1
    return 0


def _fail(error: OSError) -> int:
    print(f"failed {error.strerror}: {error.filename}", flush=True)
    return 1


def _say(text: str) -> None:
    print(f"podtick demo: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
