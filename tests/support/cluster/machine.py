"""A machine for one node: a part of this host, by namespaces of every kind but the users', with its own cgroup tree.

What runs in it sees the paths of a real node (/run, /var/lib, /sys/fs/cgroup, /proc), and nothing of its neighbours'.
When its first process ends, the kernel ends all others in it, and takes its mounts, interfaces and routes away.
"""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.support.cgroups import ENTER
from tests.support.cluster.errors import ClusterError
from tests.support.cluster.teardown import first_process
from tests.support.engine import programs

PATIENCE = 60.0  # s until it is up: a tenth on an idle machine
OWN = {"lib": "/var/lib", "log": "/var/log", "run": "/run"}
"""Its own folders, and where it sees them."""
NAMESPACES = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup")
TUNED = {  # what a kubelet sets for the whole host: it finds it set
    "vm/overcommit_memory": 1,
    "vm/panic_on_oom": 0,
    "kernel/panic": 10,
    "kernel/panic_on_oops": 1,
    "kernel/keys/root_maxkeys": 1000000,
    "kernel/keys/root_maxbytes": 25000000,
}
BOOTED = "booted"


class Machine:
    """A machine whose files are in `root`/NAME; it is removed with the cluster (`teardown`)."""

    def __init__(self, root: Path, name: str) -> None:
        self._root = root
        self.name = name
        self.folder = root / name
        self.pid = 0

    @property
    def cgroups(self) -> list[Path]:
        """The root of its tree in each hierarchy, as this host sees it."""
        return [Path(point) / f"{self._root.name}-{self.name}" for point, _ in hierarchies()]

    def boot(self) -> None:
        """Start its first process, which only waits, and takes the status of ended processes.

        Raises:
            ClusterError: it did not come up.
        """
        for each in OWN:
            (self.folder / each).mkdir(parents=True)
        (self.folder / "boot.sh").write_text("\n".join(self._script()))
        for folder in self.cgroups:
            _make_cgroup(folder)
        command = ["unshare", *NAMESPACES, "--fork", "--kill-child", "sh", "-e", str(self.folder / "boot.sh")]
        programs.start(self._root, self.name, self._entering(command))
        end = time.monotonic() + PATIENCE
        while not (self.folder / BOOTED).exists():
            if programs.pid_of(self._root, self.name) is None or time.monotonic() > end:
                raise ClusterError(f"machine {self.name} does not come up:\n{self.log()}")
            time.sleep(0.02)  # nothing announces it
        pid = first_process(self._root, self.name)
        assert pid is not None
        self.pid = pid

    def inside(self, *command: str) -> list[str]:
        """The command that runs this one in the machine."""
        return self._entering(["nsenter", "--target", str(self.pid), *NAMESPACES, "--", *command])

    def start(self, program: str, *command: str) -> None:
        """Start a daemon, which logs to NODE-PROGRAM.log of the cluster's folder."""
        programs.start(self._root, f"{self.name}-{program}", self.inside(*command))

    def call(self, *command: str, timeout: float = PATIENCE) -> str:
        """Run a program to its end; what it printed."""
        return programs.call(self.inside(*command), timeout=timeout)

    def alive(self, program: str) -> bool:
        """Whether a daemon runs."""
        return programs.pid_of(self._root, f"{self.name}-{program}") is not None

    def log(self, program: str = "") -> str:
        """The end of a daemon's log, or of the machine's own."""
        path = self._root / (f"{self.name}-{program}.log" if program else f"{self.name}.log")
        return path.read_text(errors="replace")[-3000:] if path.exists() else ""

    # ------------------------------------------------------------------ inner works

    def _entering(self, command: Sequence[str]) -> list[str]:
        """A command that begins in the machine's cgroups."""
        return ["sh", "-c", f'{ENTER}; exec "$@"', "sh", *map(str, self.cgroups), "--", *command]

    def _script(self) -> Iterator[str]:
        """What its first process does: mounts, none of which this host sees."""
        yield "mount --make-rshared /"  # of its own: unshare has cut it off
        yield "mount -t proc proc /proc"
        for point, options in hierarchies():
            yield f"umount {point}"
            yield f"mount -t cgroup -o {options} cgroup {point}"
        yield f"hostname {self.name}"
        yield "echo 1 >/proc/sys/net/ipv4/ip_forward"
        for path, value in TUNED.items():
            file = self.folder / path.replace("/", ".")
            yield f"echo {value} >{file}; mount --bind {file} /proc/sys/{path}"
        for name, path in OWN.items():
            yield f"mount --bind {self.folder / name} {path}"
        yield f"touch {self.folder / BOOTED}"
        yield "while :; do sleep 86400 & wait $!; done"


def hierarchies() -> list[tuple[str, str]]:
    """Where this host's hierarchies of cgroup version 1 are, and what to mount each with.

    Raises:
        ClusterError: there are none.
    """
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, after = (half.split() for half in line.split(" - "))
        if after[0] == "cgroup":
            found.append((before[4], after[2].removeprefix("rw,")))
    if not found:
        raise ClusterError("the cluster's machines need cgroup version 1, and this host has none")
    return found


def _make_cgroup(path: Path) -> None:
    """Make it; a cpuset, which begins empty, is to have what its parent has."""
    path.mkdir()
    for name in ("cpuset.cpus", "cpuset.mems"):
        if (path / name).exists():
            (path / name).write_text((path.parent / name).read_text())
