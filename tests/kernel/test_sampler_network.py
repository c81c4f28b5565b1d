"""The sampler's process on real network namespaces of the tests' own: whose bytes they are, and that none is pinned."""

import os
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from podtick.model.metrics.network import NETWORK
from podtick.model.metrics.row import UNKNOWN
from tests.kernel.sampler import ROW, Sampler
from tests.support.cgroups import Cgroup

POD, CONTAINER = 2, 3
KEYS = [row.key for row in NETWORK]
SENT = "network_transmit_bytes_total"
IDLE = "import sys; print('ready'); sys.stdin.read()"
SEND = """
import socket, sys
wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
print("ready")
for line in sys.stdin:
    for _ in range(int(line)):
        wire.sendto(bytes(1000), ("198.51.100.1", 9))
    print("done")
"""
DATAGRAM = 1000 + 8 + 20 + 14  # UDP, IP and Ethernet around it
# PID 1 of a namespace of its own: for each line `PID COUNT FOLDER...` it starts a process with just this PID, in these
# cgroups and a network of its own, into which it has sent so many datagrams; it ends it at an empty line.
REUSE = """
import os, signal, sys
send = sys.argv[1]
print("ready")
pid = 0
for line in sys.stdin:
    if not line.strip():
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        print("ended")
        continue
    wanted, count, *folders = line.split()
    with open("/proc/sys/kernel/ns_last_pid", "w") as last:
        last.write(str(int(wanted) - 1))
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        for folder in folders:
            with open(f"{folder}/cgroup.procs", "w") as file:
                file.write("0")
        os.close(reading)
        script = "ip link add one type veth peer name podtick1 && ip link set podtick1 up && ip link set one up"
        script += " && ip address add 198.51.100.2/24 dev one"
        script += " && ip neigh add 198.51.100.1 lladdr 02:00:00:00:00:01 dev one"
        script += f" && echo {count} | python3 -c '{send}' >/dev/null && exec sleep 1000"
        os.set_inheritable(writing, False)
        os.execvp("unshare", ["unshare", "--net", "sh", "-c", script])
    os.close(writing)
    os.read(reading, 1)
    os.close(reading)
    print(pid)
"""


@pytest.fixture(scope="module")
def one_sampler() -> Iterator[Sampler]:
    """Starting one takes seconds on a slow machine."""
    with Sampler() as running:
        yield running


@pytest.fixture
def sampler(one_sampler: Sampler) -> Sampler:
    one_sampler.start_afresh()
    return one_sampler


@pytest.fixture
def cgroup() -> Iterator[Cgroup]:
    with Cgroup() as made:
        yield made


def network_of(pid: int, proc: str = "/proc") -> list[int]:
    """The kernel's numbers of all interfaces but lo, in the table's order."""
    lines = Path(f"{proc}/{pid}/net/dev").read_text().splitlines()[2:]
    rows = [list(map(int, line.partition(":")[2].split())) for line in lines if line.split(":")[0].strip() != "lo"]
    return [sum(row[place] for row in rows) for place in (0, 1, 2, 3, 8, 9, 10, 11)]


def network(row: ROW) -> list[int]:
    return [row[key] for key in KEYS]


@contextmanager
def veth(pid: int) -> Iterator[str]:
    """A pair of interfaces between this machine and the network of a process; the name of the end that is here."""
    here = f"pt{secrets.token_hex(4)}"
    mine = ["nsenter", "--net", "--target", str(pid), "ip"]
    try:
        _ip(["ip", "link", "add", here, "type", "veth", "peer", "name", "eth0", "netns", str(pid)])
        _ip(["ip", "link", "set", here, "up"])
        _ip([*mine, "address", "add", "198.51.100.2/24", "dev", "eth0"])
        _ip([*mine, "link", "set", "eth0", "up"])
        _ip([*mine, "neigh", "add", "198.51.100.1", "lladdr", "02:00:00:00:00:01", "dev", "eth0"])
        yield here
    finally:
        subprocess.run(["ip", "link", "delete", here], check=False, capture_output=True)


def _ip(command: list[str]) -> None:
    subprocess.run(command, check=True)


def send(process: subprocess.Popen[str], count: int) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{count}\n")
    process.stdin.flush()
    assert process.stdout.readline() == "done\n"


def test_bytes_are_counted_and_are_the_kernels(sampler: Sampler, cgroup: Cgroup) -> None:
    process = cgroup.python(SEND, wrapper=["unshare", "--net"])
    with veth(process.pid):
        sampler.pod(POD, cgroup.paths)
        assert sampler.network(POD, CONTAINER, process.pid, cgroup.name) == "own"
        first = network(sampler.tick()[POD])
        send(process, 500)
        while True:
            before = network_of(process.pid)
            rows = sampler.tick()
            if network_of(process.pid) == before:
                break
        assert network(rows[POD]) == before
        grown = [value - earlier for value, earlier in zip(before, first, strict=True)]
        assert 500 * DATAGRAM <= grown[KEYS.index(SENT)] < 510 * DATAGRAM  # the kernel may send its own
        assert network(rows[CONTAINER]) == [UNKNOWN] * len(KEYS)


def test_a_dead_namespace_is_not_pinned(sampler: Sampler, cgroup: Cgroup) -> None:
    process = cgroup.python(IDLE, wrapper=["unshare", "--net"])
    with veth(process.pid) as here:
        sampler.pod(POD, cgroup.paths)
        assert sampler.network(POD, CONTAINER, process.pid, cgroup.name) == "own"
        assert UNKNOWN not in network(sampler.tick()[POD])
        assert Path(f"/sys/class/net/{here}").exists()
        cgroup.remove()
        sampler.answer("gone", CONTAINER)
        end = time.monotonic() + 60
        while Path(f"/sys/class/net/{here}").exists():  # the kernel takes namespaces down when it has time
            assert time.monotonic() < end, "the network namespace is still there"
            sampler.tick()
        assert network(sampler.tick()[POD]) == [UNKNOWN] * len(KEYS)


def test_the_hosts_network_is_nobodys(sampler: Sampler, cgroup: Cgroup) -> None:
    process = cgroup.python(IDLE)
    sampler.pod(POD, cgroup.paths)
    assert sampler.network(POD, CONTAINER, process.pid, cgroup.name) == "host"
    assert network(sampler.tick()[POD]) == [UNKNOWN] * len(KEYS)


def test_a_namespace_is_read_for_one_pod_only(sampler: Sampler, cgroup: Cgroup) -> None:
    first = cgroup.python(IDLE, wrapper=["unshare", "--net"])
    with veth(first.pid), Cgroup() as other:
        second = other.python(IDLE, wrapper=["nsenter", "--net", "--target", str(first.pid)])
        for pod, made, process, answer in ((POD, cgroup, first, "own"), (POD + 2, other, second, "shared")):
            sampler.pod(pod, made.paths)
            assert sampler.network(pod, pod + 1, process.pid, made.name) == answer
        rows = sampler.tick()
        assert UNKNOWN not in network(rows[POD])
        assert network(rows[POD + 2]) == [UNKNOWN] * len(KEYS)


def test_only_lo_is_nothing_to_count(sampler: Sampler, cgroup: Cgroup) -> None:
    process = cgroup.python(IDLE, wrapper=["unshare", "--net"])
    sampler.pod(POD, cgroup.paths)
    assert sampler.network(POD, CONTAINER, process.pid, cgroup.name) == "own"
    assert network(sampler.tick()[POD]) == [UNKNOWN] * len(KEYS)


def test_a_process_of_another_cgroup_is_refused(sampler: Sampler, cgroup: Cgroup) -> None:
    with Cgroup() as other:
        process = other.python(IDLE, wrapper=["unshare", "--net"])
        with veth(process.pid):
            cgroup.python(IDLE)
            sampler.pod(POD, cgroup.paths)
            assert "does not belong" in sampler.network(POD, CONTAINER, process.pid, cgroup.name)
            assert network(sampler.tick()[POD]) == [UNKNOWN] * len(KEYS)


def test_a_pid_that_is_used_again_never_gives_the_other_process(cgroup: Cgroup) -> None:
    with Cgroup() as keeper, Cgroup() as other:
        process = keeper.python(REUSE, SEND, wrapper=["unshare", "--pid", "--fork", "--mount", "--mount-proc"])
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None
        assert stdout is not None

        def ask(line: str) -> str:
            stdin.write(f"{line}\n")
            stdin.flush()
            return stdout.readline().strip()

        [first] = [pid for pid in keeper.pids() if "\t1\nNSpgid:" in Path(f"/proc/{pid}/status").read_text()]
        proc = f"/proc/{first}/root/proc"
        with Sampler(proc) as sampler:
            cgroup.python(IDLE)  # keeps the cgroup, so that nothing but the PID changes hands
            sampler.pod(POD, cgroup.paths)
            assert ask(f"77 1 {' '.join(map(str, cgroup.folders))}") == "77"
            await_sent(77, proc, 1)
            assert sampler.network(POD, CONTAINER, 77, cgroup.name) == "own"
            assert 0 < sampler.tick()[POD][SENT] < 500 * DATAGRAM
            assert ask("") == "ended"
            assert ask(f"77 500 {' '.join(map(str, other.folders))}") == "77"
            await_sent(77, proc, 500)
            assert not 500 * DATAGRAM <= sampler.tick()[POD][SENT] < UNKNOWN
            assert "does not belong" in sampler.network(POD, CONTAINER, 77, cgroup.name)
            assert network(sampler.tick()[POD]) == [UNKNOWN] * len(KEYS)
            assert ask("") == "ended"
            assert "has gone" in sampler.network(POD, CONTAINER, 77, cgroup.name)


def await_sent(pid: int, proc: str, count: int) -> None:
    """Until the process has its own network, and has sent so many datagrams into it."""
    end = time.monotonic() + 60
    own = 0
    while own < count * DATAGRAM:
        assert time.monotonic() < end, "nothing was sent"
        os.sched_yield()
        mine = "podtick1" in Path(f"{proc}/{pid}/net/dev").read_text()
        own = network_of(pid, proc)[KEYS.index(SENT)] if mine else 0
