"""What it costs to know whose 500 containers are: beside an agent of a node without pods, and one that asks nobody.

The API server is a real one (objects made by a script, no kubelet); cgroups are plain ones, named as a kubelet names
them, with a process each. All three agents read the same cgroups in the same seconds.
"""

import contextlib
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from bench.agent import free_port
from bench.loads import hierarchies, remove
from bench.machine import resident_bytes, tree_cpu_ns
from bench.programs import build
from bench.report import Figure
from tests.support.cluster import ControlPlane
from tests.support.cluster.account import NAMESPACE, Account
from tests.support.cluster.pods import ApiPod

ROOT = "podtick-bench"
SHOP, NODE, EMPTY = "shop", "node-of-many", "node-of-none"
PATIENCE = 120.0
STEP = 0.02  # s between two questions for what nothing announces
BUSY = 8
SETTLE_SECONDS = 15.0
"""Stand-ins take ten."""


@dataclass(frozen=True, slots=True)
class Pods:
    """The pods' containers by the pods' UIDs, and the account that may ask the cluster for them."""

    containers: Mapping[str, str]
    account: Account
    cluster: ControlPlane


@contextlib.contextmanager
def pods(count: int, folder: Path) -> Iterator[Pods]:
    """An API server that tells of `count` pods on one node and of none on another, and their cgroups."""
    holder = subprocess.Popen([build("load", folder), str(count), "0"], stdout=subprocess.PIPE, text=True)
    folders: list[Path] = []
    try:
        assert holder.stdout
        pids = [int(line) for line in iter(holder.stdout.readline, "ready\n")]
        with ControlPlane() as cluster:
            for name in (NAMESPACE, SHOP):
                cluster.create("/api/v1/namespaces", {"metadata": {"name": name}})
            for name in (NODE, EMPTY):
                cluster.create("/api/v1/nodes", {"metadata": {"name": name}})
            found: dict[str, str] = {}
            for number, pid in enumerate(pids):
                pod = ApiPod(cluster, SHOP, f"pod-{number}", NODE)
                found[pod.uid] = sha256(pod.uid.encode()).hexdigest()
                pod.says(app=found[pod.uid])
                folders += _place(pod.uid, found[pod.uid], pid)
            yield Pods(found, Account(cluster, "bench", folder), cluster)
    finally:
        holder.kill()
        holder.wait()
        remove(sorted(set(folders), key=lambda made: len(made.parts), reverse=True))


def _place(uid: str, id_: str, pid: int) -> Iterator[Path]:
    for place in hierarchies():
        made = place
        for part in (ROOT, "kubepods", "burstable", f"pod{uid}", id_):
            made /= part
            made.mkdir(exist_ok=True)
            yield made
        (made / "cgroup.procs").write_text(str(pid))


def measure(load: Pods, seconds: float, folder: Path) -> list[Figure]:
    """Memory and CPU of the three, and how soon the one that knows is ready and has named all."""
    count = len(load.containers)
    flags = ("--kubeconfig", str(load.account.kubeconfig), "--node-name")
    with (
        _running(folder / "many.log", *flags, NODE, named=count) as many,
        _running(folder / "none.log", *flags, EMPTY) as none,
        _running(folder / "off.log", "--kubernetes", "off") as off,
    ):
        agents = (many, none, off)
        time.sleep(SETTLE_SECONDS)
        before = [tree_cpu_ns(each.pid) for each in agents]
        time.sleep(seconds)
        spent = [(tree_cpu_ns(each.pid) - start) / 1e3 for each, start in zip(agents, before, strict=True)]
        memory = [resident_bytes([each.pid]) / 2**20 for each in agents]
    what = f"{count} pods"
    sizes = f"the agent's process: {memory[0]:.0f} MiB; with an empty list {memory[1]:.0f}; without {memory[2]:.0f}"
    per = count * seconds
    return [
        Figure(f"identity: memory, {what}", "MiB", memory[0] - memory[2], asked=50, asked_of="value", note=sizes),
        Figure(f"identity: CPU, {what}", "us a pod and s", spent[0] / per, "an empty list", spent[1] / per),
        Figure(f"identity: start to ready, {what}", "s", many.ready, "no API server", off.ready),
        Figure(f"identity: ready to all named, {what}", "s", many.named - many.ready, asked=2, asked_of="value"),
    ]


def outage(load: Pods, seconds: float, folder: Path) -> list[Figure]:
    """The API server away for so long, on a machine that is four times busy: ticks, names, and its return."""
    count = len(load.containers)
    flags = ("--kubeconfig", str(load.account.kubeconfig), "--node-name", NODE)
    with _running(folder / "outage.log", *flags, named=count) as agent:
        missed = _own(agent.address, "ticks_missed_total")
        load.cluster.stop()
        fewest = count
        with spinning(BUSY):
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                fewest = min(fewest, _named(agent.address))
                time.sleep(1)
            missed = _own(agent.address, "ticks_missed_total") - missed
        load.cluster.start()
        began = time.monotonic()
        listed = b'podtick_agent_source_state{source="kubernetes",state="listed"} 1'
        path = "metrics?level=agent&metric=agent_source_state"
        _wait(folder / "outage.log", lambda: listed in (_ask(agent.address, path) or b""))
        back = time.monotonic() - began
    what = f"API server away for {seconds:.0f} s, {BUSY} busy loops"
    return [
        Figure(f"{what}: ticks missed", "", missed, asked=0, asked_of="value"),
        Figure(f"{what}: names lost", f"of {count}", count - fewest, asked=0, asked_of="value"),
        Figure(f"{what}: known again after its return", "s", back, asked=5, asked_of="value"),
    ]


@contextlib.contextmanager
def spinning(count: int) -> Iterator[None]:
    """So many processes that do nothing, all the time."""
    spinners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for spinner in spinners:
            spinner.kill()
            spinner.wait()


@dataclass(frozen=True, slots=True)
class Started:
    """An agent, and after how many seconds it was ready and had named its containers."""

    pid: int
    address: str
    ready: float
    named: float


@contextlib.contextmanager
def _running(log: Path, *flags: str, named: int = 0) -> Iterator[Started]:
    """An agent without an engine that is ready, and has named so many containers."""
    address = f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "podtick", "agent", "--docker-host", "none", "--listen", address, *flags]
    began = time.monotonic()
    with log.open("ab") as errors:
        process = subprocess.Popen(command, stdout=errors, stderr=errors)
    try:
        _wait(log, lambda: _ask(address, "readyz") is not None)
        ready = time.monotonic() - began
        _wait(log, lambda: _named(address) >= named)
        yield Started(process.pid, address, ready, time.monotonic() - began)
    finally:
        process.terminate()
        process.wait(30)


def _named(address: str) -> int:
    """How many containers are served under their pods' names."""
    info = f"metrics?level=container&metric=info&namespace={SHOP}"
    return (_ask(address, info) or b"").count(b"\npodtick_container_info{")


def _own(address: str, name: str) -> float:
    """A number of the agent's own."""
    body = _ask(address, f"metrics?level=agent&metric=agent_{name}") or b""
    (line,) = (line for line in body.decode().splitlines() if line.startswith(f"podtick_agent_{name} "))
    return float(line.split()[1])


def _wait(log: Path, condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"podtick does not get there; it said:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(STEP)


def _ask(address: str, path: str) -> bytes | None:
    """A body; `None` for any answer but 200, and for none."""
    try:
        with urllib.request.urlopen(f"http://{address}/{path}", timeout=PATIENCE) as answer:
            return bytes(answer.read())
    except OSError:
        return None
