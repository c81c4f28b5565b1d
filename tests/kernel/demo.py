"""The real `podtick demo` on this machine's kernel, and what there is of it."""

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from podtick.demo.cgroups import leftovers
from podtick.demo.pods import JOB, PODS
from tests.support.agent import STEP, Agent
from tests.support.alone import alone
from tests.support.cgroups import host_mounts
from tests.support.scrape import Scrape
from tests.support.served import PATIENCE

UIDS = {pod.uid for pod in PODS}
USAGE = "podtick_pod_cpu_usage_seconds_total"


def no_other_demo() -> contextlib.AbstractContextManager[None]:
    """No other test's demo is there: each sweeps up after dead ones, and `folders` are everybody's."""
    return alone("demo")


@contextlib.contextmanager
def demo(*flags: str) -> Iterator[Agent]:
    """A demo without an engine, all of whose pods are there; when it has ended, no cgroup may be left."""
    with Agent("--docker-host", "none", *flags, command="demo", namespace="_cgroup") as running:
        running.wait_for(lambda scrape: pods_of(scrape) >= UIDS, "the demo's pods")
        yield running
    until(lambda: not folders(), "all cgroups gone")


def pods_of(scrape: Scrape) -> set[str]:
    """The pods that have CPU time."""
    return {each.labels["pod"] for each in scrape.all(USAGE)}


def jobs_of(scrape: Scrape) -> set[str]:
    """Those of them that are jobs."""
    return {pod for pod in pods_of(scrape) if pod.startswith(f"{JOB.uid}-")}


def folders() -> list[Path]:
    """The common cgroups of the demos that there are."""
    return list(leftovers(host_mounts()))


def processes() -> set[int]:
    """Whoever is in a demo's cgroup."""
    files = [file for folder in folders() for file in folder.rglob("cgroup.procs")]
    return {int(pid) for file in files for pid in text(file).split()}


def alive(pids: set[int]) -> set[int]:
    """Those of them that live; who waits to be laid to rest has no command line."""
    return {pid for pid in pids if text(Path(f"/proc/{pid}/cmdline"))}


def keeper_of(agent: Agent) -> int:
    """The process that keeps the pods."""
    children = text(Path(f"/proc/{agent.pid}/task/{agent.pid}/children")).split()
    [keeper] = [int(pid) for pid in children if "podtick.demo.keeper" in text(Path(f"/proc/{pid}/cmdline"))]
    return keeper


def text(file: Path) -> str:
    """The text of a file; empty where there is none any more."""
    try:
        return file.read_text()
    except OSError:
        return ""


def until(condition: Callable[[], bool], what: str) -> None:
    """Ask again and again, for what nothing announces."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"never came: {what}"
        time.sleep(STEP)
