"""The agent as a pod sees the machine: namespaces of its own, the host's files by other paths, no privilege."""

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.docker.agents import host
from tests.docker.containers import Containers
from tests.support.agent import Agent
from tests.support.cgroups import ENTER, Cgroup
from tests.support.engine import Engine
from tests.support.scrape import Scrape

UID = 47_110  # nobody else's: files of processes of the agent's own user would be readable to it
# The host's /proc and cgroup tree below $1; an own /proc, and nothing where the cgroup tree was. Where the folder $2
# lets no user in who has to come by to reach the interpreter, it is covered by one that does.
VIEW = """
set -e
if [ -n "$2" ]; then mount -t overlay none -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" "$2"; fi
mount --bind /proc "$1/proc"
mount --rbind /sys/fs/cgroup "$1/cgroup"
mount -t proc proc /proc
mount -t tmpfs none /sys/fs/cgroup
shift 2
exec "$@"
"""
NAMES = ("in-idle", "in-limited", "in-server", "in-sidecar", "in-host")


@pytest.fixture
def cgroup() -> Iterator[Cgroup]:
    with Cgroup() as made:
        yield made


@contextmanager
def contained(engine: Engine, folder: Path, cgroup: Cgroup, user: Sequence[str] = ()) -> Iterator[Agent]:
    """An agent in a cgroup, PID and mount namespace of its own."""
    for name in ("proc", "cgroup", "upper", "work"):
        (folder / name).mkdir()
    enter = ["sh", "-c", f'{ENTER}; exec "$@"', "sh", *map(str, cgroup.folders), "--"]
    unshare = [
        "unshare",
        "--cgroup",
        "--mount",
        "--pid",
        "--fork",
        "sh",
        "-c",
        VIEW,
        "sh",
        str(folder),
        closed_folder(),
    ]
    options = [*host(engine), "--proc", f"{folder}/proc", "--cgroup", f"{folder}/cgroup"]
    with Agent(*options, wrapper=[*enter, *unshare, *user]) as agent:
        inner = int(Path(f"/proc/{agent.pid}/task/{agent.pid}/children").read_text())
        for namespace in ("cgroup", "mnt", "pid"):
            assert os.readlink(f"/proc/{inner}/ns/{namespace}") != os.readlink(f"/proc/self/ns/{namespace}")
        assert os.stat(f"/proc/{inner}").st_uid == (UID if user else 0)
        yield agent
        os.kill(inner, signal.SIGTERM)  # unshare passes no signal on
        os.waitid(os.P_PID, agent.pid, os.WEXITED | os.WNOWAIT)
        agent.end()


def closed_folder() -> str:
    """The folder below / in which the interpreter is, if only its owner may enter it."""
    top = Path(sys.base_prefix).parents[-2]
    return "" if top.stat().st_mode & 0o001 else str(top)


def start_all(containers: Containers) -> None:
    containers.run("in-idle")
    containers.run("in-limited", options=["--memory", "64m", "--cpus", "0.5", "--pids-limit", "30"])
    containers.run("in-server", network="bridge")
    containers.run("in-sidecar", network="container:in-server")
    containers.run("in-host", network="host")
    containers.execute("in-limited", "dd", "if=/dev/zero", "of=/dev/null", "bs=1M", "count=2000")
    containers.execute("in-server", "ping", "-c", "2", "-q", "127.0.0.1")


def told(scrape: Scrape) -> dict[tuple[str, str, str, str], float]:
    """Every sample of the containers above and their pods.

    But for the counters of the pod of two: what the second container had counted before an agent first saw it is in no
    sum of that agent's.
    """
    found = {}
    for each in scrape.of(namespace="_docker"):
        pod, container = each.labels["pod"], each.labels.get("container", "")
        summed = (pod, container) == ("in-server", "") and each.name.endswith("_total") and "network" not in each.name
        if pod in NAMES and not summed:
            found[each.name, pod, container, each.labels.get("state", "")] = each.value
    return found


def same_numbers(outside: Agent, inside: Agent) -> dict[tuple[str, str, str, str], float]:
    """What both say of the same second in which nothing changed."""
    while True:
        before = told(outside.next_tick())
        shown = told(inside.next_tick())
        if told(outside.next_tick()) == before:
            assert shown == before
            return shown


@pytest.mark.needs("kernel")
@pytest.mark.parametrize("privileged", [True, False], ids=["root", "user"])
def test_it_shows_what_an_agent_outside_shows(
    engine: Engine, agent: Agent, containers: Containers, cgroup: Cgroup, tmp_path: Path, privileged: bool
) -> None:
    start_all(containers)
    group = engine.socket.stat().st_gid
    user = ["setpriv", "--reuid", str(UID), "--regid", str(UID), "--groups", str(group), "--no-new-privs"]
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    with contained(
        engine, tmp_path, cgroup, () if privileged else [*user, "--inh-caps=-all", "--bounding-set=-all"]
    ) as inside:
        usage = "podtick_container_memory_usage_bytes"
        for one in (agent, inside):
            one.wait_for(lambda scrape: {each.labels["container"] for each in scrape.all(usage)} >= set(NAMES), "all")
        shown = same_numbers(agent, inside)
    names = {name for name, pod, container, _ in shown if pod == "in-server"}
    assert "podtick_pod_network_receive_bytes_total" in names
    assert {container for _, pod, container, _ in shown if pod == "in-server"} == {"", "in-server", "in-sidecar"}
    assert not [name for name, pod, *_ in shown if pod in ("in-idle", "in-host") and "network" in name]
    limits = ("memory_limit_bytes", "cpu_limit_cores")
    found = [shown[f"podtick_pod_spec_{name}", "in-limited", "", ""] for name in limits]
    assert found == [64 << 20, 0.5]


def test_the_node_is_the_host(
    engine: Engine, agent: Agent, containers: Containers, cgroup: Cgroup, tmp_path: Path
) -> None:
    containers.run("in-idle")
    with contained(engine, tmp_path, cgroup) as inside:
        outer, inner = (one.metrics("level=node") for one in (agent, inside))
        assert outer.samples.keys() == inner.samples.keys()
        for name in ("boot_time_seconds", "memory_total_bytes", "cpu_cores"):
            assert outer.known(f"podtick_node_{name}") == inner.known(f"podtick_node_{name}")
        received = "podtick_node_network_receive_bytes_total"
        devices = [{each.labels["device"] for each in scrape.all(received)} for scrape in (outer, inner)]
        assert devices[0] == devices[1] != set()
