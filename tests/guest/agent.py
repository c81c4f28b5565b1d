"""The whole agent in a guest, and the containers that it watches there."""

import json
import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException

from tests.support.guest import Guest
from tests.support.scrape import TICK, Scrape

PATIENCE = 300.0
"""A safety net against hanging: everything is ten times slower there."""
STEP = 0.1  # s between two questions for what nothing announces
PORT = 9752
LOG = "/tmp/podtick.log"
TICKS = """
import glob, json, os, sys
from podtick.history.layout import Region
from podtick.history.reader import HistoryReader
path = next(path for path in glob.glob(f"/proc/{sys.argv[1]}/fd/*") if "podtick-history" in os.readlink(path))
reader = HistoryReader(Region.open(os.open(path, os.O_RDONLY), writable=False))
ticks = [reader.tick(number) for number in range(max(reader.latest_number() - 50, 1), reader.latest_number() + 1)]
print(json.dumps([(tick.number, tick.timestamp, tick.flags) for tick in ticks]))
"""


@dataclass(frozen=True, slots=True)
class GuestAgent:
    """An agent that runs in a guest, asked over HTTP through a forwarded port."""

    guest: Guest
    port: int
    pid: int

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of one GET; (0, "") while nobody listens."""
        wire = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            wire.request("GET", path)
            answer = wire.getresponse()
            return answer.status, answer.read().decode()
        except (ConnectionError, HTTPException):
            return 0, ""
        finally:
            wire.close()

    def metrics(self) -> Scrape:
        """The newest tick, all of it from one tick."""
        while True:
            before = self.tick()
            status, body = self.get("/metrics?level=container,pod&namespace=_docker")
            assert status == 200, body
            if self.tick() == before:
                return Scrape(before, Scrape.parse(body).samples)

    def tick(self) -> int:
        """The newest tick's second."""
        return int(Scrape.parse(self.get("/metrics?level=agent")[1]).value(TICK) or 0)

    def next_tick(self) -> Scrape:
        """A tick that has not begun yet: the one after the newest may be under way."""
        wanted = self.tick() + 2
        self.wait_until(lambda: self.tick() >= wanted, "a new tick")
        return self.metrics()

    def wait_for(self, predicate: Callable[[Scrape], bool], what: str) -> Scrape:
        """The first tick, from the newest on, of which `predicate` holds."""
        found = [self.metrics()]

        def holds() -> bool:
            if predicate(found[-1]):
                return True
            found.append(self.metrics())
            return False

        self.wait_until(holds, what)
        return found[-1]

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Ask again and again, for what nothing announces."""
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, f"never came: {what}; log:\n{self.log}"
            time.sleep(STEP)

    @property
    def log(self) -> str:
        """Everything that it has printed so far."""
        return self.guest.run(["cat", LOG])

    def sampler(self) -> int:
        """The sampler's process."""
        return int(self.guest.run(["pgrep", "-P", str(self.pid), "-f", "[p]odtick.sampler"]))

    def ticks(self) -> list[tuple[int, int, int]]:
        """Number, second and flags of the newest ticks, from the history itself."""
        printed: list[tuple[int, int, int]] = json.loads(self.guest.run(f"python3 - {self.pid}", stdin=TICKS))
        return printed


@contextmanager
def running_agent(guest: Guest) -> Iterator[GuestAgent]:
    """An agent for the guest's engine, ready; it must end well and leave no process."""
    command = f"podtick agent --kubernetes off --listen 127.0.0.1:{PORT} >{LOG} 2>&1"
    with guest.running(command):
        agent = GuestAgent(guest, guest.forward_port(PORT), _pid(guest))
        agent.wait_until(lambda: agent.get("/readyz")[0] == 200, "ready")
        yield agent
    assert guest.attempt(["pgrep", "-f", "[p]ython3 -m podtick"]).stdout == ""
    assert "Traceback" not in agent.log


def _pid(guest: Guest) -> int:
    end = time.monotonic() + PATIENCE
    while not (found := guest.attempt(["pgrep", "-f", "[p]ython3 -m podtick agent"]).stdout.split()):
        assert time.monotonic() < end, "podtick did not start"
    return int(found[0])


@dataclass(slots=True)
class GuestContainers:
    """Containers in a guest, and what its kernel says of them."""

    guest: Guest
    folders: dict[str, str] = field(default_factory=dict)

    def run(self, wanted: Mapping[str, tuple[str, Sequence[str]]]) -> None:
        """Start containers side by side, by name: a shell command for each and the engine's options."""
        lines = [
            shlex.join(["docker", "run", "-d", "--name", name, *options, "busybox", "sh", "-c", command])
            for name, (command, options) in wanted.items()
        ]
        self.guest.run("\n".join(f"{line} &" for line in lines) + "\nwait")
        ids = self.guest.run(["docker", "inspect", "-f", "{{.Id}}", *wanted]).split()
        for name, container_id in zip(wanted, ids, strict=True):
            self.folders[name] = self._folder(container_id)

    def remove(self) -> None:
        """Remove every container that was started."""
        self.guest.run(["docker", "rm", "-f", *self.folders])

    def execute(self, name: str, *command: str) -> str:
        """What a command inside a container printed."""
        return self.guest.run(["docker", "exec", name, *command])

    def files(self, name: str, *files: str) -> dict[str, str]:
        """Texts of cgroup files of a container."""
        printed = self.guest.run(["tail", "-v", "-n", "+1", *(f"{self.folders[name]}/{file}" for file in files)])
        texts: dict[str, str] = {}
        for part in printed.removeprefix("==> ").split("\n==> "):
            path, _, text = part.partition(" <==\n")
            texts[path.rpartition("/")[2]] = text
        return texts

    def _folder(self, container_id: str) -> str:
        below = {"systemd": f"system.slice/docker-{container_id}.scope", "cgroupfs": f"docker/{container_id}"}
        return f"/sys/fs/cgroup/{below[self.guest.driver]}"

    def swap(self) -> None:
        """Give the guest something to swap to; it has it until it ends."""
        self.guest.run(
            "test -e /swap || { dd if=/dev/zero of=/swap bs=1M count=128 && chmod 600 /swap && mkswap /swap; };"
            " grep -q /swap /proc/swaps || swapon /swap"
        )
