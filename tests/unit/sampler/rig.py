"""A sampler without a process of its own: real history, real files, a clock that jumps from tick to tick."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from podtick.history.layout import Geometry, Region
from podtick.history.reader import HistoryReader, Snapshot
from podtick.history.records import TargetKind
from podtick.history.writer import HistoryWriter
from podtick.model.metrics.row import UNKNOWN
from podtick.model.metrics.table import NODE_COLUMN, TARGET_COLUMN
from podtick.sampler.clock import SECOND, TickClock
from podtick.sampler.commands import Commands
from podtick.sampler.descriptors import DescriptorBudget
from podtick.sampler.node import Node
from podtick.sampler.protocol import Attach
from podtick.sampler.targets import Targets
from podtick.sampler.ticker import Ticker

GEOMETRY = Geometry(slots=40, entries=60, segments=16, span=600, budget=1 << 25)
NODE, POD = 1, 2

V1 = {
    "cpuacct": {"cpuacct.usage": "1000\n", "cpuacct.stat": "user 3\nsystem 4\n"},
    "cpu": {
        "cpu.stat": "nr_periods 10\nnr_throttled 2\nthrottled_time 500\n",
        "cpu.cfs_quota_us": "50000\n",
        "cpu.cfs_period_us": "100000\n",
    },
    "memory": {
        "memory.usage_in_bytes": "4096\n",
        "memory.max_usage_in_bytes": "8192\n",
        "memory.failcnt": "0\n",
        "memory.limit_in_bytes": "67108864\n",
        "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
        "memory.stat": "cache 1\nrss 2\ntotal_cache 100\ntotal_rss 200\ntotal_mapped_file 300\ntotal_swap 0\n"
        "total_pgfault 50\ntotal_pgmajfault 5\ntotal_inactive_file 60\n",
    },
    "pids": {"pids.current": "7\n", "pids.max": "max\n"},
}


class Silent:
    """Stands for the pipes: lets so many ticks pass, and keeps what is said."""

    def __init__(self) -> None:
        self.left = 0
        self.said: list[tuple[str, int, str]] = []
        self.between: Callable[[int], None] = lambda left: None

    def serve_until(self, deadline_ns: int) -> bool:
        self.between(self.left)
        self.left -= 1
        return self.left >= 0

    def say(self, kind: str, id_: int = 0, text: str = "") -> None:
        self.said.append((kind, id_, text))


class Rig:
    """All of a sampler's parts. `tick` makes ticks in this thread."""

    def __init__(self, region: Region, proc: Path, limit: int = 500) -> None:
        self.region = region
        self.writer = HistoryWriter(region)
        self.budget = DescriptorBudget(limit)
        self.targets = Targets(self.writer, str(proc), self.budget)
        self.node = Node(str(proc), self.writer)
        self.commands = Silent()
        self.now = 50 * SECOND
        self.wall = 1_700_000_000 * SECOND
        clock = TickClock(lambda: self.now, lambda: self.wall + self.now)
        self.ticker = Ticker(self.writer, self.targets, self.node, cast(Commands, self.commands), clock)

    def tick(self, ticks: int = 1) -> None:
        for _ in range(ticks):
            self.now = max(self.now, self.ticker.deadline.monotonic_ns)
            self.commands.left = 1
            self.ticker.stopped = False
            self.ticker.run([])

    def attach(
        self,
        id_: int,
        folders: Mapping[str, str] | None = None,
        *,
        version: int = 1,
        parent: int = POD,
        fresh: bool = True,
    ) -> str:
        """A container, or with no parent a pod, whose cgroup folders these are."""
        kind = TargetKind.CONTAINER if parent else TargetKind.POD
        version = version if folders else 0
        return self.targets.attach(Attach(id_, kind, parent, version, folders or {}, f"name of {id_}", fresh))

    def detach_all(self) -> None:
        for id_ in list(self.targets.by_id):
            self.targets.detach(id_)

    @property
    def snapshot(self) -> Snapshot:
        snapshot = HistoryReader(self.region).latest()
        assert snapshot is not None
        return snapshot

    def value(self, id_: int, key: str) -> int | None:
        """What the newest tick has of a target; `None` for what is not known."""
        if id_ == NODE:
            value = self.snapshot.node[NODE_COLUMN[key]]
        else:
            value = self.snapshot.row(self.targets.by_id[id_].slot)[TARGET_COLUMN[key]]
        return None if value == UNKNOWN else value

    def known(self, id_: int) -> set[str]:
        row = self.snapshot.row(self.targets.by_id[id_].slot)
        return {key for key, column in TARGET_COLUMN.items() if row[column] != UNKNOWN}

    def counter(self, place: int) -> int:
        return self.region.words[place]

    @property
    def gone(self) -> list[int]:
        return [id_ for kind, id_, _ in self.commands.said if kind == "gone"]


@contextmanager
def rig_over(proc: Path, geometry: Geometry = GEOMETRY, limit: int = 500) -> Iterator[Rig]:
    """A sampler over a made-up /proc."""
    fd = os.memfd_create("test-history", os.MFD_CLOEXEC)
    region = Region.create(fd, geometry)
    rig = Rig(region, proc, limit)
    try:
        yield rig
    finally:
        rig.detach_all()
        rig.node.close()
        region.close()
        os.close(fd)


def write_tree(root: Path, files: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Cgroup folders, one a controller, with these files; by controller."""
    for controller, texts in files.items():
        folder = root / controller
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text)
    return {controller: str(root / controller) for controller in files}


def write_process(proc: Path, pid: int, container: str, net_dev: str) -> None:
    """A process of a container, with a network."""
    (proc / str(pid) / "net").mkdir(parents=True, exist_ok=True)
    (proc / str(pid) / "cgroup").write_text(f"0::/system.slice/docker-{container}.scope\n")
    (proc / str(pid) / "net" / "dev").write_text(net_dev)


def net_dev(**interfaces: int) -> str:
    """A net/dev in which each interface has received so many bytes, and everything else once more than that."""
    head = "Inter-|   Receive                                                |  Transmit\n face |bytes ...\n"
    return head + "".join(
        f"{name:>6}: {first} " + " ".join(str(first + more) for more in range(1, 16)) + "\n"
        for name, first in interfaces.items()
    )
