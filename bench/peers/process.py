"""A peer's processes: started with their output in a log, awaited, ended with all that descend from them."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from bench.machine import tree
from bench.programs import MissingError
from tests.support.engine import programs

READY_SECONDS = 90.0
END_SECONDS = 20.0


class Lines:
    """The lines that a program prints, each with the moment at which it came."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._got: list[tuple[float, str]] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with contextlib.suppress(ValueError):  # closed when the program had ended
            for line in self._stream:
                self._got.append((time.time(), line))

    def all(self) -> list[tuple[float, str]]:
        """Those that have come until now."""
        return self._got.copy()


@contextlib.contextmanager
def process(
    command: Sequence[str | Path], log: Path, environment: Mapping[str, str] | None = None, *, piped: bool = False
) -> Iterator["subprocess.Popen[str]"]:
    """Run a program with what it says in `log`, or with `piped` only its errors; end it afterwards."""
    with log.open("wb") as out:
        started = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if piped else out,
            stderr=out,
            text=True,
            env=os.environ | (environment or {}),
        )
    try:
        yield started
    finally:
        family = tree(started.pid)
        started.terminate()
        try:
            started.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()
        programs.end(family[1:], signal.SIGKILL, END_SECONDS)


def await_ready(started: "subprocess.Popen[str]", log: Path, watched: Callable[[], int], wanted: int) -> None:
    """Wait until as many containers as wanted are watched.

    Raises:
        MissingError: the program ended, or does not watch them in time.
    """
    end = time.monotonic() + READY_SECONDS
    count = 0
    while started.poll() is None and time.monotonic() < end:
        count = watched()
        if count >= wanted:
            return
        time.sleep(1)
    state = "it ended" if started.poll() is not None else f"after {READY_SECONDS:.0f} s"
    said = " ".join(log.read_text(errors="replace")[-500:].split())
    raise MissingError(f"{state} with {count} of {wanted} containers watched; it said: {said or 'nothing'}")
