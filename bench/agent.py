"""podtick itself, run as a user runs it, and what it has open."""

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.machine import children

READY_SECONDS = 60.0
GONE = " (deleted)"


@dataclass(frozen=True, slots=True)
class Agent:
    """A running agent: its two processes and its address."""

    pid: int
    sampler: int
    url: str

    @property
    def pids(self) -> tuple[int, int]:
        """Both processes."""
        return self.pid, self.sampler

    def history_path(self) -> Path:
        """The shared history, as another process can open it."""
        for entry in Path(f"/proc/{self.pid}/fd").iterdir():
            if os.readlink(entry).startswith("/memfd:podtick-history"):
                return entry
        raise RuntimeError("the agent has no history")

    def history_bytes(self) -> int:
        """Memory that the shared history takes, counted once, however many map it."""
        return self.history_path().stat().st_blocks * 512


@contextlib.contextmanager
def running(docker_host: str, containers: int, log: Path) -> Iterator[Agent]:
    """Start an agent, wait until it reads that many containers, and end it afterwards."""
    url = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "podtick", "agent", "--docker-host", docker_host, "--kubernetes", "off"]
    with log.open("ab") as errors:
        process = subprocess.Popen([*command, "--listen", url.removeprefix("http://")], stdout=errors, stderr=errors)
    try:
        yield Agent(process.pid, _await_sampler(process.pid, containers, log), url)
    finally:
        process.terminate()
        process.wait(30)


def _await_sampler(pid: int, containers: int, log: Path) -> int:
    """The sampler, once it has opened the files of all containers and no further ones for a second."""
    end = time.monotonic() + READY_SECONDS
    before = 0
    while time.monotonic() < end:
        time.sleep(1)
        for sampler in children(pid):
            count = len(kernel_files(sampler))
            if count == before and count > 5 * containers:
                return sampler
            before = count
    said = log.read_text(errors="replace")[-2000:]
    raise RuntimeError(f"after {READY_SECONDS:.0f} s podtick does not read {containers} containers; it said:\n{said}")


def kernel_files(sampler: int) -> list[str]:
    """The kernel files that the sampler holds open, as it opened them: below /proc and the cgroup tree."""
    links = []
    for entry in Path(f"/proc/{sampler}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            links.append((int(entry.name), os.readlink(entry).removesuffix(GONE)))
    return [path for _, path in sorted(links) if path.startswith(("/proc/", "/sys/fs/cgroup/"))]


def floor_files(sampler: int, pids: dict[str, int]) -> list[str]:
    """The same files in the order of a pass: file by file over all containers, networks, the node's own.

    A network file's link may name any process of its namespace, one that has ended too: it is named anew, by the
    container's first process.
    """
    files = kernel_files(sampler)
    cgroups = [path for path in files if path.startswith("/sys/fs/cgroup/")]
    names = dict.fromkeys(Path(path).name for path in cgroups)
    networks = [f"/proc/{pid}/net/dev" for pid in pids.values()]
    node = [path for path in files if path.startswith("/proc/") and not path.endswith("/net/dev")]
    swept = [path for name in names for path in cgroups if path.endswith(f"/{name}")]
    return [*swept, *networks, *node, "/proc/1/net/dev"]


def scrape(url: str, *, packed: bool = True) -> bytes:
    """Ask for `/metrics` as Prometheus does, with gzip unless told otherwise; the body as it came."""
    headers = {"Accept-Encoding": "gzip"} if packed else {}
    request = urllib.request.Request(f"{url}/metrics", headers=headers)
    with urllib.request.urlopen(request, timeout=30) as response:
        body: bytes = response.read()
    return body


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
