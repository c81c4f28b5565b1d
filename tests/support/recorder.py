"""Records the kernel's files of a few containers, and of the machine under them, into one text for tests.

    DOCKER_HOST=... python3 recorder.py IMAGE >tests/fixtures/kernel/NAME.txt

Runs alone, also inside the guest: the standard library and the `docker` command are all it needs, root apart.
Starts containers that idle, are throttled, run into their memory limit, have a child killed for memory, write, sit
in the host's network, are paused, belong to a pod, have cgroups of their own; waits until the kernel shows each of
these, records, removes them. Nothing that names the machine is recorded: no mount but the kernel's own file
systems, no cgroup that is not on the way to these containers.
"""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
PROC = Path("/proc")
IS_V2 = (CGROUP / "cgroup.controllers").exists()
POD = "1234abcd-0000-4000-8000-00000000beef"
FILES = re.compile(
    r"cgroup\.(procs|controllers|subtree_control|events|freeze|stat|type)|cpuacct\.(usage|stat)"
    r"|cpu\.(stat|max|weight|shares|pressure|stat\.local|cfs_(quota|period)_us)|(memory|io)\.pressure|io\.(stat|max)"
    r"|memory\.(stat|current|max|peak|events|events\.local|swap\.(current|max|events)|failcnt|oom_control)"
    r"|memory\.((usage|limit|max_usage)_in_bytes|memsw\..*|use_hierarchy)|freezer\.state"
    r"|blkio\.throttle\.io_service(d|_bytes)_recursive|pids\.(current|max|events|peak)"
)
PROCESS_FILES = ("stat", "cgroup", "mountinfo", "net/dev")
HOST_FILES = (
    *("stat", "meminfo", "loadavg", "diskstats", "net/dev", "vmstat", "uptime", "version"),
    *("pressure/cpu", "pressure/memory", "pressure/io", "1/stat", "1/cgroup", "1/net/dev"),
    *("self/mountinfo", "self/cgroup"),
)
BUSY = "while :; do :; done"
HUNGRY = "while :; do sh -c 'echo 1000 >/proc/self/oom_score_adj; exec tail /dev/zero'; sleep 1; done"
CACHING = "while :; do dd if=/dev/zero of=/file bs=1M count=24 2>/dev/null; sleep 1; done"
WRITING = "while :; do dd if=/dev/zero of=/file bs=64k count=64 conv=fsync 2>/dev/null; sleep 1; done"
CONTAINERS = {
    "idle": ([], "sleep 1000"),
    "host-network": (["--network=host"], "sleep 1000"),
    "paused": (["--pids-limit=20"], "sleep 1000"),
    "nested": ([], "sleep 1000"),
    "burstable": (["--cgroup-parent={burstable}", "--memory=64m", "--cpus=0.05"], BUSY),
    "sidecar": (["--cgroup-parent={burstable}", "--network=container:{prefix}burstable"], "sleep 1000"),
    "guaranteed": (["--cgroup-parent={guaranteed}"], "sleep 1000"),
    "throttled": (["--cpus=0.05"], BUSY),
    "limited": (["--memory=16m"], CACHING),
    "oom": (["--memory=16m"], HUNGRY),
    "writing": ([], WRITING),
}
PREFIX = "recorded-"


def main(image: str) -> None:
    """Start, wait, print, remove."""
    ids: dict[str, str] = {}
    try:
        for name, (options, command) in CONTAINERS.items():
            filled = [option.format(prefix=PREFIX, **_parents()) for option in options]
            ids[name] = _docker("run", "-d", "--name", PREFIX + name, *filled, image, "sh", "-c", command)
        pids = {name: int(_docker("inspect", "-f", "{{.State.Pid}}", ids[name])) for name in ids}
        _docker("pause", ids["paused"])
        for folder in _folders(ids["nested"]):
            _nest(folder)
        _await_marks(ids)
        print(_archive(ids, pids), end="")
    finally:
        for folder in _folders(ids.get("nested", "")):
            _unnest(folder)
        subprocess.run(["docker", "unpause", PREFIX + "paused"], check=False, capture_output=True)
        _docker("rm", "-f", *(ids[name] for name in reversed(ids)))
        _remove_pods()


def _parents() -> dict[str, str]:
    """Pods' cgroups, spelled as the driver wants them."""
    if _docker("info", "-f", "{{.CgroupDriver}}") == "systemd":
        slice_uid = POD.replace("-", "_")
        return {"burstable": f"kubepods-burstable-pod{slice_uid}.slice", "guaranteed": f"kubepods-pod{slice_uid}.slice"}
    return {"burstable": f"/kubepods/burstable/pod{POD}", "guaranteed": f"/kubepods/pod{POD}"}


def _docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True).stdout.strip()


def _folders(container_id: str) -> list[Path]:
    """Every cgroup folder of a container, one a hierarchy."""
    return [path for path in CGROUP.rglob(f"*{container_id}*") if path.is_dir()] if container_id else []


def _nest(folder: Path) -> None:
    """Give a cgroup a child that has all its processes."""
    inner = folder / "inner"
    inner.mkdir()
    for name in ("cpuset.cpus", "cpuset.mems"):  # version 1 refuses processes before these are set
        if (inner / name).exists() and not IS_V2:
            (inner / name).write_text((folder / name).read_text())
    for pid in (folder / "cgroup.procs").read_text().split():
        (inner / "cgroup.procs").write_text(pid)
    if IS_V2:
        (folder / "cgroup.subtree_control").write_text("+cpu +memory +io +pids")


def _unnest(folder: Path) -> None:
    inner = folder / "inner"
    if not inner.is_dir():
        return
    if IS_V2:
        (folder / "cgroup.subtree_control").write_text("-cpu -memory -io -pids")
    for pid in (inner / "cgroup.procs").read_text().split():
        (folder / "cgroup.procs").write_text(pid)
    inner.rmdir()


def _remove_pods() -> None:
    """The engine leaves the pods' cgroups; systemd removes its slices itself."""
    for top in (CGROUP / "kubepods", *CGROUP.glob("*/kubepods")):
        for folder in sorted((path for path in top.rglob("*") if path.is_dir()), reverse=True):
            folder.rmdir()
        if top.is_dir():
            top.rmdir()


def _await_marks(ids: dict[str, str]) -> None:
    """Wait until the kernel shows what each container is there to show."""
    oom = ("memory.events", r"^oom_kill [1-9]") if IS_V2 else ("memory.oom_control", r"^oom_kill [1-9]")
    limit = ("memory.events", r"^max [1-9]") if IS_V2 else ("memory.failcnt", r"^[1-9]")
    marks = {
        "throttled": ("cpu.stat", r"^nr_throttled [1-9]"),
        "burstable": ("cpu.stat", r"^nr_throttled [1-9]"),
        "oom": oom,
        "limited": limit,
        "paused": ("cgroup.events", "^frozen 1") if IS_V2 else ("freezer.state", "^FROZEN"),
    }
    if IS_V2:
        marks["writing"] = ("io.stat", r"wbytes=[1-9]")
    for name, (file, pattern) in marks.items():
        _await(partial(_shows, ids[name], file, pattern), f"{name}: {file}")


def _shows(container_id: str, file: str, pattern: str) -> bool:
    texts = [(folder / file).read_text() for folder in _folders(container_id) if (folder / file).exists()]
    return any(re.search(pattern, text, re.MULTILINE) for text in texts)


def _await(reached: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not reached():
        if time.monotonic() > deadline:
            sys.exit(f"recorder: never saw {what}")
        time.sleep(0.1)


def _archive(ids: dict[str, str], pids: dict[str, int]) -> str:
    driver = _docker("info", "-f", "{{.CgroupDriver}}")
    lines = [f"# cgroup v{2 if IS_V2 else 1}, driver {driver}, Docker {_docker('info', '-f', '{{.ServerVersion}}')}\n"]
    lines += [f"# container {name} {ids[name]} {pids[name]}\n" for name in ids]
    for folder in sorted(set(_wanted_folders(ids))):
        for file in sorted(path for path in folder.iterdir() if FILES.fullmatch(path.name)):
            lines += _entry(f"cgroup/{file.relative_to(CGROUP)}", file)
    for name in (*(f"{pid}/{name}" for pid in pids.values() for name in PROCESS_FILES), *HOST_FILES):
        lines += _entry(f"proc/{name}", PROC / name)
    return "".join(lines)


def _wanted_folders(ids: dict[str, str]) -> Iterator[Path]:
    """The containers' cgroups with everything above and below; no one else's."""
    for container_id in ids.values():
        for folder in _folders(container_id):
            yield from (folder, *(path for path in folder.rglob("*") if path.is_dir()))
            yield from (parent for parent in folder.parents if parent.is_relative_to(CGROUP))


def _entry(name: str, file: Path) -> list[str]:
    try:
        text = file.read_text()
    except OSError:  # not on this kernel
        return []
    if name.endswith("/cgroup.procs") and not re.search(r"[0-9a-f]{64}", name):
        text = ""  # other people's processes
    elif name.endswith(("self/cgroup", "/1/cgroup")):
        text = re.sub(r":/.*", ":/", text)
    elif name.endswith("mountinfo"):
        text = "".join(line for line in text.splitlines(True) if re.search(r" (/proc|/sys)(/\S*)? \S+ .*- ", line))
    elif name == "proc/1/stat":
        text = re.sub(r"\(.*\)", "(init)", text)
    elif name == "proc/version":
        text = re.sub(r"(Linux version [0-9.]+).*\n", r"\1\n", text)
    return [f"=== {name}\n", text if text.endswith("\n") or not text else f"{text}\n"]


if __name__ == "__main__":
    main(*sys.argv[1:])
