"""The real `podtick agent` as a process of its own, asked over HTTP like anybody else would."""

import contextlib
import http.client
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from podtick.history.layout import Region
from podtick.history.reader import HistoryReader
from tests.support.served import PATIENCE, Served

STEP = 0.02  # s between two questions for what nothing announces
ADDRESS = re.compile(r"serving address=\"?(http://\S+?):(\d+)")


class AgentError(Exception):
    """The agent did what it must not; its log is in the message."""


class Agent(Served):
    """A running agent; a context manager that ends it as its user would and looks at what it left behind.

    `wrapper` goes before the command; `ready` waits for /readyz to say yes, else only for the address. `command` is the
    one that runs it, `namespace` the one whose pods and containers are looked at.
    """

    def __init__(
        self,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        wrapper: Sequence[str] = (),
        ready: bool = True,
        command: str = "agent",
        namespace: str = "_docker",
    ) -> None:
        super().__init__(namespace)
        own = [sys.executable, "-m", "podtick", command, "--listen", "127.0.0.1:0", "--kubernetes", "off"]
        self._command = [*wrapper, *own, *arguments]
        kept = {name: text for name, text in os.environ.items() if not name.startswith(("PODTICK_", "DOCKER_"))}
        self._environment = kept | dict(environment or {})
        self._wait_ready = ready
        self._lines: list[str] = []
        self._news = threading.Condition()
        self._ended = False
        self._over = False
        self._port = 0
        self.seconds_to_ready = 0.0

    def __enter__(self) -> Self:
        """Start it, and wait until it serves, and is ready if that was asked for."""
        began = time.monotonic()
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=self._environment,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, name="agent log")
        self._reader.start()
        try:
            self._port = int(self.wait_log(ADDRESS)[2])
            if self._wait_ready:
                self.wait_until(lambda: self.get("/readyz")[0] == 200, "ready")
                self.seconds_to_ready = time.monotonic() - began
        except BaseException:
            self._kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        """End it with SIGTERM unless the test has ended it, and look at what it left behind."""
        try:
            if kind is None:
                self.end()
        finally:
            self._kill()

    def end(self, *, ctrl_c: bool = False, number: signal.Signals = signal.SIGTERM) -> None:
        """End it, with `number` or as a terminal's Ctrl-C: exit code 0, no process left, no traceback in its log.

        Once it has ended, here or by `kill`, this does nothing.
        """
        if self._over:
            return
        if self._process.poll() is None:
            if ctrl_c:
                os.killpg(self.pid, signal.SIGINT)
            else:
                self._process.send_signal(number)
        self._over = True
        code = self._process.wait(PATIENCE)
        left = self._left()
        if code != 0 or left or "Traceback" in self.log:
            raise AgentError(f"exit code {code}, processes left: {left}, log:\n{self.log}")

    def kill(self) -> None:
        """End the agent's own process with SIGKILL; its sampler has to notice by itself."""
        self._over = True
        self._process.kill()
        self._process.wait()

    # ------------------------------------------------------------------ asking

    def get(self, path: str, accept: str = "*/*") -> tuple[int, str]:
        """Status and body of one GET; (0, "") when nobody listens."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)) as connection:
            try:
                connection.request("GET", path, headers={"Accept": accept})
                response = connection.getresponse()
                return response.status, response.read().decode()
            except ConnectionRefusedError:
                return 0, ""

    # ------------------------------------------------------------------ looking inside

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._port

    @property
    def pid(self) -> int:
        """The agent's own process, leader of its process group."""
        return self._process.pid

    def sampler_pid(self) -> int:
        """The sampler's process, while there is one; waits for one."""
        found: list[int] = []

        def look() -> bool:
            children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
            found[:] = [int(pid) for pid in children if b"podtick.sampler" in _command_line(int(pid))]
            return len(found) == 1

        self.wait_until(look, "one sampler")
        return found[0]

    @contextlib.contextmanager
    def history(self) -> Iterator[HistoryReader]:
        """The history itself, through the agent's descriptor."""
        folder = Path(f"/proc/{self.pid}/fd")
        path = next(entry for entry in folder.iterdir() if "memfd:podtick-history" in os.readlink(entry))
        fd = os.open(path, os.O_RDONLY)
        try:
            region = Region.open(fd, writable=False)
            try:
                yield HistoryReader(region)
            finally:
                region.close()
        finally:
            os.close(fd)

    @property
    def log(self) -> str:
        """Everything that it has printed so far."""
        with self._news:
            return "".join(self._lines)

    def wait_log(self, pattern: re.Pattern[str]) -> re.Match[str]:
        """Wait for a line of its log; the match."""
        with self._news:
            self._news.wait_for(lambda: self._ended or pattern.search("".join(self._lines)), PATIENCE)
            found = pattern.search("".join(self._lines))
        if found is None:
            raise AgentError(f"no {pattern.pattern!r} in its log:\n{self.log}")
        return found

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Ask again and again, for what nothing announces."""
        end = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > end or self._process.poll() is not None:
                raise self.never(what)
            time.sleep(STEP)

    def never(self, what: str) -> AgentError:
        """With what it says of itself, and the end of its log."""
        told = self.get("/readyz")[1] if self._process.poll() is None else ""
        return AgentError(f"never came: {what}\n{told}log:\n{self.log[-3000:]}")

    # ------------------------------------------------------------------ inner works

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._news:
                self._lines.append(line)
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def _left(self) -> list[str]:
        """Who of its process group is still alive after the agent's own end."""
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                pid = int(entry.name)
                if os.getpgid(pid) == self.pid and pid != os.getpid():
                    found.append(f"{pid} {_command_line(pid)!r}")
        return found

    def _kill(self) -> None:
        """Whoever is left of the process group goes; nobody, as a rule."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        self._reader.join(PATIENCE)
        assert self._process.stdout is not None
        self._process.stdout.close()


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
