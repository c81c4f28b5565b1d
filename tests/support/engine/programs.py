"""The daemons of one test engine: started detached, known by pid files, ended by pid."""

import contextlib
import os
import select
import signal
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from tests.support.engine.errors import EngineError


def start(root: Path, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
    """Start a daemon of its own session, which logs to ROOT/NAME.log; ROOT/NAME.pid says who it is.

    `environment` is added to this process's.
    """
    log = os.open(root / f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, log, 1),
            (os.POSIX_SPAWN_DUP2, log, 2),
        ]
        whole = {**os.environ, **(environment or {})}
        pid = os.posix_spawnp(command[0], list(command), whole, file_actions=actions, setsid=True)
    finally:
        os.close(log)
    (root / f"{name}.pid").write_text(f"{pid} {started(pid)}\n")


def pid_of(root: Path, name: str) -> int | None:
    """The daemon's pid, if it is alive and still is the process that was started for this folder."""
    try:
        pid, start_time = map(int, (root / f"{name}.pid").read_text().split())
    except FileNotFoundError:
        return None
    return pid if started(pid) == start_time else None


def started(pid: int) -> int | None:
    """When the process started, in clock ticks since boot; None when it is dead, a zombie included."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def command_line(pid: int) -> bytes:
    """What /proc/PID/cmdline holds; empty for a process that is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def shims(root: Path) -> Iterator[int]:
    """The containerd shims and conmons of this engine: they carry its containerd's address, or its folder."""
    folder = f"{root}/".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            line = command_line(int(entry.name))
            program = line.split(b"\0", 1)[0].rpartition(b"/")[2]
            if folder in line and program.startswith((b"containerd-shim", b"conmon")):
                yield int(entry.name)


def end(pids: Iterable[int], sig: signal.Signals, patience: float) -> list[int]:
    """Signal processes and wait for their end; those still alive after `patience` seconds are returned."""
    alive = []
    for pid in pids:
        try:
            watched = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(watched, sig)
            if not select.select([watched], [], [], patience)[0]:
                alive.append(pid)
        finally:
            os.close(watched)
        reap(pid)
    return alive


def reap(pid: int) -> None:
    """Take an ended child's status, so that no zombie stays; somebody else's child is left alone."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def call(command: Sequence[str], *, timeout: float = 60, env: dict[str, str] | None = None) -> str:
    """Run a program to its end and return what it printed.

    Raises:
        EngineError: it failed, or did not end in time.
    """
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, env=env, check=False
        )
    except subprocess.TimeoutExpired:
        raise EngineError(f"{' '.join(command)}: no end within {timeout:.0f} s") from None
    if done.returncode != 0:
        raise EngineError(f"{' '.join(command)}: exit {done.returncode}: {done.stderr.strip()}")
    return done.stdout.strip()
