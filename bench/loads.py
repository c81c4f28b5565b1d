"""What there is to watch: real containers of a real engine, or cgroups that a stand-in engine calls its containers."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from bench.engine import StandIn
from bench.programs import build
from podtick.sources.cgroup.mounts import read_mounts
from tests.support.engine import Engine
from tests.support.engine.programs import pid_of, shims

PERIOD_MS = 900
"""How often a busy load changes what its files say, so that nearly every tick finds them changed."""

BURN = "n=0; until [ $n = 100000 ]; do n=$((n + 1)); done"
"""A tenth of a second of work at an idle container's start: netdata makes no chart of CPU time that is nought."""


@dataclass(frozen=True, slots=True)
class Load:
    """Containers to watch: the engine's address, container IDs with their first process, whose work the engine is."""

    docker_host: str
    containers: dict[str, int]
    engine_pids: tuple[int, ...] = ()

    @property
    def count(self) -> int:
        """How many containers."""
        return len(self.containers)


@contextlib.contextmanager
def real_containers(count: int, folder: Path, *, busy: bool) -> Iterator[Load]:
    """Containers of a Docker engine of our own."""
    program = build("load", folder)
    with Engine(folder / "engine") as engine:
        gateway = engine.docker("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}")
        command = ("/load", "0", str(PERIOD_MS), gateway) if busy else ("sh", "-c", f"{BURN}; exec sleep 100000")
        for number in range(count):
            engine.run(f"bench{number:03}", *command, options=("--volume", f"{program}:/load:ro"))
        lines = engine.docker(
            "inspect", "--format", "{{.Id}} {{.State.Pid}}", *engine.docker("ps", "--quiet", "--no-trunc").split()
        )
        containers = {line.split()[0]: int(line.split()[1]) for line in lines.splitlines()}
        daemons = [pid_of(engine.root, name) for name in ("dockerd", "containerd")]
        pids = (*(pid for pid in daemons if pid), *shims(engine.root))
        yield Load(f"unix://{engine.socket}", containers, pids)


@contextlib.contextmanager
def cgroups(count: int, folder: Path, *, busy: bool) -> Iterator[Load]:
    """Cgroups shaped as an engine's containers, a process and a network namespace in each; the engine is a stand-in.

    Five hundred real containers need five hundred shims, more memory than a benchmark should ask for.
    """
    program = build("load", folder)
    holder = subprocess.Popen([program, str(count), str(PERIOD_MS if busy else 0)], stdout=subprocess.PIPE, text=True)
    folders: list[Path] = []
    try:
        assert holder.stdout
        pids = [int(line) for line in iter(holder.stdout.readline, "ready\n")]
        containers = {token_hex(32): pid for pid in pids}
        for id_, pid in containers.items():
            for place in hierarchies():
                made = place / "docker" / id_
                made.mkdir(parents=True)
                folders.append(made)
                (made / "cgroup.procs").write_text(str(pid))
        with StandIn(folder / "stand-in.sock", containers) as address:
            yield Load(address, containers)
    finally:
        holder.kill()
        holder.wait()
        remove(folders)


def hierarchies() -> list[Path]:
    """Where to make cgroups: each mounted hierarchy once; on v2 with the controllers handed down."""
    mounts = read_mounts(Path("/proc"), Path("/sys/fs/cgroup"))
    assert mounts, "no cgroup tree at /sys/fs/cgroup"
    places = list(dict.fromkeys(mount.point for _, mount in mounts.hierarchies()))
    if mounts.version == 2:
        (places[0] / "docker").mkdir(exist_ok=True)
        for parent in (places[0], places[0] / "docker"):
            (parent / "cgroup.subtree_control").write_text("+cpu +memory +io +pids")
    return places


def remove(folders: list[Path]) -> None:
    """A cgroup is busy until the last of its killed processes has been taken away, which nothing announces."""
    for made in folders:
        for _ in range(200):
            with contextlib.suppress(OSError):
                made.rmdir()
                break
            os.sched_yield()
            subprocess.run(["sleep", "0.05"], check=False)
