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
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from podtick.history.layout import Region
from podtick.history.reader import HistoryReader
from tests.support.scrape import TICK, Scrape

PATIENCE = 60.0
"""A safety net against hanging, no statement about speed."""
STEP = 0.02  # s between two questions for what nothing announces
ADDRESS = re.compile(r"serving address=\"?(http://\S+?):(\d+)")


class AgentError(Exception):
    """The agent did what it must not; its log is in the message."""


class Agent:
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
        self._query = f"namespace={namespace}"
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

    def metrics(self, query: str = "") -> Scrape:
        """The newest tick, all of it from one tick; of pods and containers those of the agent's namespace."""
        while True:
            before = self._tick()
            status, body = self.get(f"/metrics?{query or self._query}")
            assert status == 200, body
            if self._tick() == before:
                scrape = Scrape.parse(body)
                return Scrape(before, scrape.samples)

    def next_tick(self) -> Scrape:
        """The first tick whose second has not begun yet: all that was done until now is in it."""
        self._wait_tick(int(time.time()) + 1)
        return self.metrics()

    def wait_for(self, predicate: Callable[[Scrape], bool], what: str = "") -> Scrape:
        """The first tick, from the newest on, of which `predicate` holds."""
        end = time.monotonic() + PATIENCE
        scrape = self.metrics()
        while not predicate(scrape):
            if time.monotonic() > end:
                raise self._never(what or str(predicate))
            scrape = self.next_tick()
        return scrape

    def ticks_during(self, action: Callable[[], object], more: int = 2) -> Iterator[Scrape]:
        """Every tick while `action` runs in a thread of its own, and `more` after it."""
        yield self.metrics()
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(action)
            while not running.done():
                yield self.next_tick()
            running.result()
        for _ in range(more):
            yield self.next_tick()

    def _wait_tick(self, wanted: int) -> None:
        time.sleep(max(wanted - time.time(), 0))  # nobody has a second that has not begun: asking would only cost
        self.wait_until(lambda: self._tick() >= wanted, "a new tick")

    def _tick(self) -> int:
        body = self.get("/metrics?level=agent&metric=agent_tick_timestamp_seconds")[1]
        return int(Scrape.parse(body).value(TICK) or 0)

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
                raise self._never(what)
            time.sleep(STEP)

    # ------------------------------------------------------------------ inner works

    def _never(self, what: str) -> AgentError:
        told = self.get("/readyz")[1] if self._process.poll() is None else ""
        return AgentError(f"never came: {what}\n{told}log:\n{self.log[-3000:]}")

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
