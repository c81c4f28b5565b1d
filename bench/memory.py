"""Memory of both processes after an hour of many containers, and what the kernel keeps for open files."""

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from bench import agent as podtick
from bench import history
from bench.floor import open_all
from bench.loads import Load
from bench.machine import resident_bytes
from bench.programs import build
from bench.report import Figure

MIB = 1 << 20
HOUR = 3600
BUDGET = 64 * MIB
LIMIT = 120.0


def measure(load: Load, seconds: float, folder: Path) -> list[Figure]:
    """Watch for a while, record, fill an hour with the recording, and add up."""
    with podtick.running(load.docker_host, load.count, folder / "agent.log") as agent:
        time.sleep(seconds)
        for _ in range(3):
            podtick.scrape(agent.url)
        processes, short = resident_bytes(agent.pids), agent.history_bytes()
        files = podtick.kernel_files(agent.sampler)
        recording = history.record(agent)
        charged = _charged(podtick.floor_files(agent.sampler, load.containers), folder)
    hour = history.fill(recording, HOUR, BUDGET).stat().st_blocks * 512
    what = f"{load.count} busy cgroups"
    note = (
        f"the history was filled by its real writer with {len(recording.planes)} recorded seconds, over and over, "
        f"faster than time; the processes are those of the {seconds:.0f} s in which they were recorded"
    )
    return [
        Figure(
            f"memory of both processes with an hour, {what}",
            "MiB",
            (processes + hour) / MIB,
            "bare history, uncompressed",
            len(recording.planes[0]) * HOUR / MIB,
            LIMIT,
            "value",
            note,
        ),
        Figure(f"- both processes without the history, {what}", "MiB", processes / MIB),
        Figure(f"- an hour of history, {what}", "MiB", hour / MIB),
        Figure(f"- history when recorded, {what}", "MiB", short / MIB),
        Figure(f"open kernel files, {what}", "files", len(files)),
        Figure(
            f"kernel memory for open files, {what}",
            "MiB",
            charged / MIB,
            note="what a memory cgroup is charged for the C loop with the same files open, less its own pages; in no "
            "process's memory, but in a pod's limit",
        ),
    ]


def _charged(files: Sequence[str], folder: Path) -> int:
    """Open the files in a process of a memory cgroup of its own; bytes the cgroup is charged beside its own pages."""
    group = next(path for path in (Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")) if path.is_dir())
    group /= "podtick-bench"
    group.mkdir(exist_ok=True)
    loop = ["sh", "-c", f'echo $$ > {group}/cgroup.procs; exec "$@"', "sh", str(build("reads", folder)), "100"]
    with subprocess.Popen(loop, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            open_all(process, files)
            assert process.stdout
            process.stdout.readline()  # the first pass is done
            name = "memory.usage_in_bytes" if group.parent.name == "memory" else "memory.current"
            charged = int((group / name).read_text()) - resident_bytes([process.pid])
        finally:
            process.kill()
    time.sleep(0.2)  # until the cgroup has noticed that it is empty
    group.rmdir()
    return charged
